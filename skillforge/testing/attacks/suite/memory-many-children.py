# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: many children, each far below the limit, which together hold more than any session may
import os
import time

ready, tell = os.pipe()
held = 0
for _ in range(40):
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        try:
            mine = b"\2" * (50 * 2**20)
            os.write(tell, b".")
            time.sleep(30)
        finally:
            os._exit(0)
os.close(tell)
os.set_blocking(ready, False)
end = time.monotonic() + 2.5
while time.monotonic() < end and held < 34:
    try:
        held += len(os.read(ready, 64))
    except BlockingIOError:
        time.sleep(0.02)
print("NO LIMIT" if held >= 34 else f"{held} children came to hold 50 MB")
