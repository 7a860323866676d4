# expect: died|error|oom|timeout
# what: runs out of stack in C code
import sys

sys.setrecursionlimit(2**31 - 1)
nest = []
for _ in range(3_000_000):
    nest = [nest]
print(len(repr(nest)))
