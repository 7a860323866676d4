# expect: ok|died|error|exit|timeout
# absent: ESCAPED
# what: ends its parent, the first process, its group and its session
import os
import signal

try:
    with open("/tmp/skillforge-canary.txt"):
        print("ESCAPED: this is the machine itself, so no harm is done to it")
        raise SystemExit
except OSError:
    pass
for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV, signal.SIGKILL):
    for pid in {1, os.getppid()}:
        try:
            os.kill(pid, number)
            signal.pidfd_send_signal(os.pidfd_open(pid), number)
        except OSError:
            pass
os.killpg(0, signal.SIGKILL)
