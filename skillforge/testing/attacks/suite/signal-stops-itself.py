# expect: timeout|died
# limit: 1
# what: stops its own process, which then answers nothing
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
print("continued")
