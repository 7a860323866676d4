# expect: output-limit|timeout|died|ok
# what: one line of a gigabyte, written past Python's own buffers
import os

block = b"z" * 2**20
for _ in range(1024):
    os.write(1, block)
