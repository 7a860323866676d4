# expect: ok|error|died|timeout
# what: leaves a trace function behind that never returns, in whatever runs next
import sys
import threading


def trace(frame, event, argument):
    while not frame.f_code.co_filename.startswith("<"):
        pass
    return trace


threading.settrace(trace)
sys.settrace(trace)
