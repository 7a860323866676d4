# expect: ok|error|timeout|oom|died
# what: thousands of processes that only wait
# absent: NO LIMIT
import os
import time

children = 0
try:
    while children < 2000:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        children += 1
    print("NO LIMIT")
except OSError as refusal:
    print("stopped after", children, refusal)
