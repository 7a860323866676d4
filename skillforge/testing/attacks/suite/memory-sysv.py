# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: System V shared memory, which stays when its makers have ended
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
size, made = 2**27, 0
while made < 12:
    segment = libc.shmget(0, ctypes.c_size_t(size), 0o1600)
    if segment < 0:
        break
    place = libc.shmat(segment, None, 0)
    if place in (None, ctypes.c_void_p(-1).value):
        break
    ctypes.memset(place, 1, size)
    libc.shmdt(ctypes.c_void_p(place))
    made += 1
print("NO LIMIT" if made == 12 else f"refused after {made * 128} MB, errno {ctypes.get_errno()}")
