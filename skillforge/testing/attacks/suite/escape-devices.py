# expect: ok|error
# absent: OPENED
# absent: MADE
# absent: INJECTED
# what: opens devices of the machine, makes some, and types into the terminal
import fcntl
import glob
import os
import stat

HARMLESS = {"null", "zero", "full", "random", "urandom", "stdin", "stdout", "stderr", "fd", "shm", "mqueue"}
known = ["/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/sda", "/dev/vda", "/dev/loop-control",
         "/dev/tty", "/dev/console", "/dev/tty1", "/dev/vsock", "/dev/userfaultfd", "/dev/nvidia0", "/dev/nvidiactl"]
for path in {*known, *glob.glob("/dev/*")}:
    try:
        if os.path.basename(path) in HARMLESS or stat.S_ISDIR(os.stat(path).st_mode):
            continue
        number = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        continue
    if os.path.basename(path) == "ptmx":
        os.close(number)
    else:
        print("OPENED", path)
for name, kind, device in (("memory", stat.S_IFCHR, os.makedev(1, 1)), ("disk", stat.S_IFBLK, os.makedev(8, 0))):
    try:
        os.mknod(name, kind | 0o666, device)
        print("MADE", name)
    except OSError:
        pass
for number in range(3):
    try:
        fcntl.ioctl(number, 0x5412, b"#")
        print("INJECTED into", number)
    except OSError:
        pass
