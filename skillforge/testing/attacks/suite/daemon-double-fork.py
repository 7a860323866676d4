# expect: ok|error
# what: a daemon: two forks, a session of its own, no descriptors, deaf to signals
import os
import signal
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 256)
        time.sleep(300)
    os._exit(0)
os.wait()
