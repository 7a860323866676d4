# expect: error|timeout|died
# what: replaces all hooks that Python calls at errors and at the end
import atexit
import sys
import threading


def hook(*_):
    print("HOOKED")
    while True:
        pass


sys.excepthook = sys.displayhook = sys.unraisablehook = threading.excepthook = hook
sys.last_value = sys.breakpointhook = hook
atexit.register(hook)
raise LookupError("show me")
