# expect: ok|error
# absent: ATTACHED
# absent: READ
# what: attaches to its keepers and to processes of others, and reads their memory
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long


class Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


buffer = ctypes.create_string_buffer(4096)
mine = {os.getpid()}
place = ctypes.addressof(ctypes.create_string_buffer(16))
for pid in {1, os.getppid(), *map(int, filter(str.isdigit, os.listdir("/proc")))} - mine:
    try:
        with open(f"/proc/{pid}/stat") as file:
            if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                continue  # a child of its own
    except OSError:
        pass
    if libc.ptrace(16, pid, None, None) == 0:
        print("ATTACHED to", pid)
        libc.ptrace(17, pid, None, None)
    if libc.ptrace(0x4206, pid, None, None) == 0:
        print("ATTACHED to", pid, "without a stop")
    here, there = Vector(ctypes.addressof(buffer), 16), Vector(id(None), 16)
    if libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0:
        print("READ", pid)
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
            file.seek(id(None))
            print("READ", pid, len(file.read(16)))
    except (OSError, OverflowError):
        pass
    try:
        target = os.pidfd_open(pid)
    except OSError:
        continue
    for number in range(16):
        if libc.syscall(438, target, number, 0) >= 0:
            print("ATTACHED to descriptor", number, "of", pid)
