# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: memory of the kernel, in full pipes, in many processes
import fcntl
import os
import time


def fill():
    """Fill as many pipes as may be open; bytes that they hold."""
    total, block = 0, bytes(2**20)
    try:
        while True:
            _, entrance = os.pipe()
            os.set_blocking(entrance, False)
            try:
                fcntl.fcntl(entrance, 1031, 2**20)
            except OSError:
                pass
            total += os.write(entrance, block)
    except OSError:
        return total


ready, tell = os.pipe()
for _ in range(40):
    try:
        if os.fork() == 0:
            os.write(tell, fill().to_bytes(8, "big"))
            time.sleep(30)
            os._exit(0)
    except OSError:
        break
os.set_blocking(ready, False)
total, end = 0, time.monotonic() + 2.6
while time.monotonic() < end:
    try:
        total += int.from_bytes(os.read(ready, 8), "big")
    except BlockingIOError:
        time.sleep(0.02)
print("NO LIMIT" if total >= 3 * 2**29 else "held", total // 2**20, "MB")
