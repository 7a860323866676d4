# expect: ok|error|oom|died|timeout
# absent: NO LIMIT
# what: makes its own process unreadable in /proc, then takes memory
import ctypes

ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
held = []
try:
    while len(held) < 48:
        held.append(bytearray(b"\4") * 2**25)
    print("NO LIMIT")
except MemoryError:
    print("refused after", len(held) * 32, "MB")
