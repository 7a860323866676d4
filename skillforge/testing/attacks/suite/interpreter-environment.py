# expect: ok
# state: kept
# what: clears the environment, goes elsewhere, and sets all that is global to odd values
import decimal
import locale
import os
import random
import sys
import time

os.environ.clear()
os.environ["TZ"] = "Nowhere/Land"
time.tzset()
os.chdir("/")
sys.path[:] = []
sys.argv[:] = []
sys.setswitchinterval(1e5)
sys.set_int_max_str_digits(640)
decimal.getcontext().prec = 1
random.seed(0)
locale.setlocale(locale.LC_ALL, "C")
