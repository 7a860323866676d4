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
            os.write(tell, f"{os.getpid()} {fill()}\n".encode())
            time.sleep(30)
            os._exit(0)
    except OSError:
        break
os.set_blocking(ready, False)
said, end = b"", time.monotonic() + 2.6
while time.monotonic() < end:
    try:
        said += os.read(ready, 4096)
    except BlockingIOError:
        time.sleep(0.02)
# What was ended for its memory holds nothing any more.
told = [(int(child), int(size)) for child, size in map(str.split, said.decode().splitlines())]
held = sum(size for child, size in told if os.waitpid(child, os.WNOHANG) == (0, 0))
print("NO LIMIT" if held >= 3 * 2**29 else f"{len(told)} children came to hold {held // 2**20} MB")
