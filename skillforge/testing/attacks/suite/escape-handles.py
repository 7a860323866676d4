# expect: ok|error
# absent: READ
# what: opens files by number, not by name, which knows no root
import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
for start in (".", "/", "/tmp", "/usr"):
    try:
        place = os.open(start, os.O_RDONLY)
    except OSError:
        continue
    for inode in (2, 128, 256):
        handle = ctypes.create_string_buffer(struct.pack("IiIi", 8, 1, inode, 0), 16)
        number = libc.open_by_handle_at(place, handle, os.O_RDONLY | os.O_DIRECTORY)
        if number >= 0:
            print("READ the folder", os.listdir(number)[:20])
