# expect: output-limit|timeout|died|ok|error
# what: children that write as fast as they can
import os

for _ in range(4):
    if os.fork() == 0:
        while True:
            os.write(1, b"y\n" * 2048)
            os.write(2, b"n\n" * 2048)
for _ in range(4):
    os.wait()
