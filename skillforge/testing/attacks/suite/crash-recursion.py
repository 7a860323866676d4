# expect: died|error|oom|timeout
# what: recursion with the limit taken away
import sys

sys.setrecursionlimit(2**31 - 1)


def down(depth):
    return down(depth + 1) + 1


down(0)
