# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: files that have no name any more, kept open and growing
import os

held, block, total = [], b"d" * 2**22, 0
try:
    while total < 2**29:
        number = os.open("nameless", os.O_CREAT | os.O_RDWR | os.O_EXCL)
        os.unlink("nameless")
        held.append(number)
        for _ in range(8):
            total += os.write(number, block)
    print("NO LIMIT")
except OSError as refusal:
    print("refused after", total // 2**20, "MB:", refusal)
