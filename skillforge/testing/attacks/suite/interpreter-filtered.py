# expect: ok|error|exit|timeout|died|oom|output-limit|protocol-violation
# limit: 1
# what: puts a filter of its own on system calls: answers seem to be sent, and are not
import ctypes
import platform
import struct

calls = {"x86_64": (44, 46), "aarch64": (206, 211)}[platform.machine()]
program = struct.pack("=HBBI", 0x20, 0, 0, 0)
for number in calls:
    program += struct.pack("=HBBI", 0x15, 0, 1, number) + struct.pack("=HBBI", 0x06, 0, 0, 0x00050000)
program += struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)
buffer = ctypes.create_string_buffer(program, len(program))
header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
print(libc.prctl(22, 2, ctypes.create_string_buffer(header, len(header)), 0, 0))
