# expect: ok
# what: a child keeps the output open, and writes when the cell has ended
import os
import time

if os.fork() == 0:
    os.setsid()
    for _ in range(1000):
        time.sleep(0.02)
        os.write(1, b"LATE\n")
        os.write(2, b"LATE\n")
    os._exit(0)
print("done")
