# expect: ok|error|exit
# state: kept
# what: replaces, closes and bends the streams, and the descriptors below them
import os
import sys


class Hole:
    def __getattr__(self, name):
        raise SystemExit(f"no {name}")


os.dup2(os.open(os.devnull, os.O_RDWR), 1)
os.dup2(1, 2)
for stream in (sys.stdin, sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
    if stream:
        stream.close()
sys.stdin = sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = Hole()
