# expect: ok|error
# absent: GAINED
# absent: UNGUARDED
# what: becomes root, takes capabilities, and runs programs that would give them
import ctypes
import glob
import os
import struct
import subprocess

for change in (os.setuid, os.setgid, os.seteuid, os.setfsuid if hasattr(os, "setfsuid") else os.seteuid):
    try:
        change(0)
        print("GAINED root by", change.__name__)
    except OSError:
        pass
try:
    os.setgroups([0, 4, 6, 27])
    print("GAINED groups")
except OSError:
    pass
libc = ctypes.CDLL(None, use_errno=True)
if libc.capset(struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *[0xFFFFFFFF] * 6)) == 0:
    print("GAINED capabilities")
for capability in range(41):
    if libc.prctl(47, 2, capability, 0, 0) == 0:
        print("GAINED an ambient capability", capability)
with open("/proc/self/status") as file:
    status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
if int(status["CapEff"], 16) or int(status["CapPrm"], 16):
    print("GAINED capabilities from the start", status["CapEff"])
if status.get("NoNewPrivs") != "1":
    print("UNGUARDED: programs may give privileges")
if status.get("Seccomp") != "2":
    print("UNGUARDED: no filter of system calls")
for program in ("su", "sudo", "newuidmap", "pkexec", "mount"):
    for path in glob.glob(f"/*bin/{program}") + glob.glob(f"/usr/*bin/{program}"):
        answer = subprocess.run([path, "--version"], capture_output=True, stdin=subprocess.DEVNULL, check=False)
        print(path, answer.returncode)
    try:
        answer = subprocess.run([program, "-c", "id -u"], capture_output=True, stdin=subprocess.DEVNULL, timeout=1, check=False)
        if answer.stdout.strip() == b"0":
            print("GAINED root by", program)
    except (OSError, subprocess.TimeoutExpired):
        pass
