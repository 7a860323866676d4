# expect: ok|error|exit|timeout|died|oom|output-limit|protocol-violation
# what: announces messages of gigabytes, and sends as much as is taken
import os
import time

block = b"x" * 2**20
numbers = []
for number in range(3, 512):
    try:
        os.set_blocking(number, False)
        os.write(number, b"\x7f\xff\xff\xff")
        numbers.append(number)
    except OSError:
        pass
end = time.monotonic() + 2
while numbers and time.monotonic() < end:
    for number in tuple(numbers):
        try:
            os.write(number, block)
        except BlockingIOError:
            pass
        except OSError:
            numbers.remove(number)
