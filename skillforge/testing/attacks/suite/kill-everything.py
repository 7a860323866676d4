# expect: ok|died|error|exit|timeout
# absent: ESCAPED
# what: SIGTERM and SIGKILL to every process that it may signal
import os
import signal

try:
    with open("/tmp/skillforge-canary.txt"):
        print("ESCAPED: this is the machine itself, so no harm is done to it")
        raise SystemExit
except OSError:
    pass
for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGKILL):
    try:
        os.kill(-1, number)
    except ProcessLookupError:
        print("nobody is there")
