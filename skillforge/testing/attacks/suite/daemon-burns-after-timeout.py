# expect: timeout
# limit: 1
# what: children that compute on, deaf to the interrupt that ends the cell
import os
import signal
import time

for _ in range(3):
    if os.fork() == 0:
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        while True:
            pass
time.sleep(60)
