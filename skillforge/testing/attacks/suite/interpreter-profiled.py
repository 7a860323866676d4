# expect: ok|error|died|exit|timeout|protocol-violation
# what: leaves a profile function behind that exits in whatever is called next
import sys


def profile(frame, event, argument):
    if event == "c_call" and frame.f_code.co_filename.startswith("/"):
        raise SystemExit("profiled")


sys.setprofile(profile)
