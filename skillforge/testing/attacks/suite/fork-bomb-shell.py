# expect: timeout|ok|error|oom|died
# limit: 1
# what: the shell's fork bomb
import os
import time

os.system("bomb() { bomb | bomb & }; bomb")
time.sleep(30)
