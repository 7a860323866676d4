# expect: ok|error|exit|timeout|died|oom|output-limit|protocol-violation
# what: writes random bytes to every descriptor
import os

for number in range(3, 1024):
    try:
        os.set_blocking(number, False)
        for _ in range(8):
            os.write(number, os.urandom(4096))
    except OSError:
        pass
