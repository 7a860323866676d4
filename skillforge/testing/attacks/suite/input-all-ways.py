# expect: ok|error
# absent: READ
# what: reads the standard input in every way there is, and closes it
import getpass
import os
import sys

for read in (
    input,
    lambda: sys.stdin.read(),
    lambda: sys.stdin.buffer.readline(),
    lambda: sys.__stdin__.read(),
    lambda: open("/dev/stdin").read(),
    getpass.getpass,
    lambda: os.read(0, 100),
    lambda: open(0).read(),
):
    try:
        text = read()
        print("READ" if text else "nothing", repr(text))
    except Exception as refusal:
        print(type(refusal).__name__)
