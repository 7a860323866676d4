# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: files in memory that have no name and count for no process
import os

held, block = [], b"m" * 2**24
try:
    while len(held) < 96:
        number = os.memfd_create("held")
        os.write(number, block)
        held.append(number)
    print("NO LIMIT")
except OSError as refusal:
    print("refused after", len(held) * 16, "MB:", refusal)
