# expect: ok|died|timeout
# what: lets a watchdog in C end the process, after the cell
import faulthandler

faulthandler.dump_traceback_later(0.05, exit=True)
