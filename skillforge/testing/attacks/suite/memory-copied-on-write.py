# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: one array that all children share, until each writes to it
import os
import time

shared = bytearray(150 * 2**20)
ready, tell = os.pipe()
for _ in range(12):
    if os.fork() == 0:
        try:
            shared[::4096] = b"\3" * (len(shared) // 4096)
            os.write(tell, f"{os.getpid()} {len(shared)}\n".encode())
            time.sleep(30)
        finally:
            os._exit(0)
os.set_blocking(ready, False)
said, end = b"", time.monotonic() + 1.8
while time.monotonic() < end and said.count(b"\n") < 10:
    try:
        said += os.read(ready, 4096)
    except BlockingIOError:
        time.sleep(0.02)
time.sleep(1.0)  # a limit that is kept a moment late is kept
# What was ended for its memory holds nothing any more.
told = [(int(child), int(size)) for child, size in map(str.split, said.decode().splitlines())]
held = sum(size for child, size in told if os.waitpid(child, os.WNOHANG) == (0, 0))
print("NO LIMIT" if held >= 10 * 150 * 2**20 else f"{len(told)} children came to hold {held // 2**20} MB")
