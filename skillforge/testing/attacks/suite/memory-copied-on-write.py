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
            os.write(tell, b".")
            time.sleep(30)
        finally:
            os._exit(0)
os.close(tell)
os.set_blocking(ready, False)
written, end = 0, time.monotonic() + 2.5
while time.monotonic() < end and written < 10:
    try:
        written += len(os.read(ready, 64))
    except BlockingIOError:
        time.sleep(0.02)
print("NO LIMIT" if written >= 10 else f"{written} children came to write to 150 MB")
