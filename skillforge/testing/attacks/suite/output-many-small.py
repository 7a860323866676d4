# expect: output-limit|timeout|died|ok|error
# what: a million tiny writes, each of which somebody must read
import os

for number in range(10**7):
    os.write(1 + number % 2, b".")
