# expect: ok|error|exit
# absent: OPENED
# absent: ESCAPED
# what: opens the kernel's switches for writing: core pattern, sysrq, cgroups, user maps, release agents
import glob
import os

try:
    with open("/tmp/skillforge-canary.txt"):
        print("ESCAPED: this is the machine itself, so no harm is done to it")
        raise SystemExit
except OSError:
    pass
paths = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches",
         "/proc/sys/vm/overcommit_memory", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/net/ipv4/ip_forward",
         "/proc/sys/kernel/hostname", "/proc/kcore", "/proc/kallsyms", "/sys/kernel/uevent_helper", "/sys/power/state",
         "/proc/1/oom_score_adj", "/proc/acpi/wakeup", "/proc/scsi/scsi", "/proc/bus/pci/00/00.0"]
paths += glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[:200]
paths += glob.glob("/sys/fs/cgroup/**/release_agent", recursive=True)[:20]
paths += glob.glob("/sys/class/net/*/mtu") + glob.glob("/sys/kernel/debug/*")[:20] + glob.glob("/sys/kernel/security/*")[:20]
for path in paths:
    try:
        os.close(os.open(path, os.O_WRONLY))
    except OSError:
        continue
    print("OPENED", path)
