# expect: ok|error|died|timeout
# what: a file of a terabyte that takes no room, until it is read
import os

try:
    with open("sparse", "wb") as file:
        file.truncate(2**40)
    print(os.path.getsize("sparse"))
    len(open("sparse", "rb").read())
except (OSError, MemoryError) as refusal:
    print("refused", refusal)
