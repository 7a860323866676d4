# expect: ok|error|died|timeout
# what: an alarm every millisecond, with a handler that raises wherever it hits
import signal
import time


def strike(*_):
    raise RuntimeError("struck")


signal.signal(signal.SIGALRM, strike)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for _ in range(200):
    try:
        time.sleep(0.001)
    except RuntimeError:
        pass
signal.setitimer(signal.ITIMER_REAL, 0.02, 0)
