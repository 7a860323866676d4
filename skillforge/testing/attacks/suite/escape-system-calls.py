# expect: ok|error|died
# absent: ALLOWED
# what: system calls with which kernels have been broken, with arguments that do no harm
import ctypes
import errno
import platform

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
# name: (x86-64, aarch64), arguments. What the kernel says of the arguments is a proof that it was asked.
CALLS = {
    "keyctl": (250, 219, 0, -3, 0), "add_key": (248, 217, 0, 0, 0, 0, -3), "request_key": (249, 218, 0, 0, 0, -3),
    "bpf": (321, 280, 0, 0, 0), "userfaultfd": (323, 282, 0), "perf_event_open": (298, 241, 0, 0, -1, -1, 0),
    "io_uring_setup": (425, 425, 1, 0), "open_by_handle_at": (304, 265, -1, 0, 0), "kexec_load": (246, 104, 0, 99, 0, 0),
    "init_module": (175, 105, 0, 0, 0), "delete_module": (176, 106, 0, 0), "reboot": (169, 142, 0, 0, 0, 0),
    "settimeofday": (164, 170, 0, 0), "clock_settime": (227, 112, 0, 0), "swapoff": (168, 225, 0),
    "process_vm_readv": (310, 270, 1, 0, 0, 0, 0, 0), "pidfd_getfd": (438, 438, -1, 0, 0), "kcmp": (312, 272, 1, 1, 0, 0, 0),
    "sethostname": (170, 161, 0, 0), "personality": (135, 92, 0x0040000), "syslog": (103, 116, 10, 0, 0),
    "fanotify_init": (300, 262, 0, 0), "quotactl": (179, 60, 0, 0, 0, 0), "mount": (165, 40, 0, 0, 0, 0, 0),
}  # fmt: skip
for name, (x86, arm, *arguments) in CALLS.items():
    number = x86 if platform.machine() == "x86_64" else arm
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    error = ctypes.get_errno()
    if result >= 0 or error not in (errno.EPERM, errno.ENOSYS, errno.EACCES):
        print("ALLOWED", name, result, errno.errorcode.get(error))
