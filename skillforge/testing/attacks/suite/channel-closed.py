# expect: died|timeout|protocol-violation|error
# what: closes every descriptor and computes on
import os

os.closerange(0, 65536)
while True:
    pass
