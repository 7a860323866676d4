# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: arrays of numpy
import numpy

held = []
try:
    while len(held) < 12:
        held.append(numpy.ones(2**24))
    print("NO LIMIT")
except MemoryError:
    print("refused after", len(held) * 128, "MB")
