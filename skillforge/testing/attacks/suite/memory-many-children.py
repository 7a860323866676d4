# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: many children, each far below the limit, which together hold more than any session may
import os
import time

ready, tell = os.pipe()
for _ in range(40):
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        try:
            mine = b"\2" * (50 * 2**20)
            os.write(tell, f"{os.getpid()} {len(mine)}\n".encode())
            time.sleep(30)
        finally:
            os._exit(0)
os.set_blocking(ready, False)
said, end = b"", time.monotonic() + 1.8
while time.monotonic() < end and said.count(b"\n") < 34:
    try:
        said += os.read(ready, 4096)
    except BlockingIOError:
        time.sleep(0.02)
time.sleep(1.0)  # a limit that is kept a moment late is kept
# What was ended for its memory holds nothing any more.
told = [(int(child), int(size)) for child, size in map(str.split, said.decode().splitlines())]
held = sum(size for child, size in told if os.waitpid(child, os.WNOHANG) == (0, 0))
print("NO LIMIT" if held >= 34 * 50 * 2**20 else f"{len(told)} children came to hold {held // 2**20} MB")
