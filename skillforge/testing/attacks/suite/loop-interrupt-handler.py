# expect: timeout
# limit: 1
# what: makes the interrupt a reason to go on
import signal


def again(*_):
    while True:
        signal.signal(signal.SIGINT, again)


signal.signal(signal.SIGINT, again)
signal.signal(signal.SIGTERM, again)
again()
