# expect: ok|error|exit
# absent: ALLOWED
# absent: ESCAPED
# what: makes and enters namespaces, mounts, and changes the root
import ctypes
import os

try:
    with open("/tmp/skillforge-canary.txt"):
        print("ESCAPED: this is the machine itself, so no harm is done to it")
        raise SystemExit
except OSError:
    pass
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs("place", exist_ok=True)
for bit, name in enumerate(("mnt", "cgroup", "uts", "ipc", "user", "pid", "net")):
    flag = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)[bit]
    if os.fork() == 0:
        if libc.unshare(flag) == 0:
            print("ALLOWED unshare", name, flush=True)
        os._exit(0)
    os.wait()
    for pid in {1, os.getppid()}:
        try:
            number = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        except OSError:
            continue
        if libc.setns(number, 0) == 0:
            print("ALLOWED setns", name, "of", pid)
for source, target, kind, flags in (
    (b"none", b"place", b"tmpfs", 0), (b"proc", b"place", b"proc", 0), (b"/", b"place", None, 4096 | 16384),
    (b"none", b"/", None, 32 | 4096), (b"overlay", b"place", b"overlay", 0), (b"none", b"place", b"devtmpfs", 0),
    (b"none", b"place", b"sysfs", 0), (b"none", b"place", b"cgroup2", 0),
):  # fmt: skip
    if libc.mount(source, target, kind, flags, None) == 0:
        print("ALLOWED mount", source, target, kind)
if libc.umount2(b"/proc", 2) == 0:
    print("ALLOWED umount")
if libc.chroot(b"place") == 0:
    print("ALLOWED chroot")
for number in (428, 430, 442):
    if libc.syscall(number, -100, b"/", 1) >= 0:
        print("ALLOWED system call", number)
