# expect: timeout
# limit: 1
# what: blocks in a system call that gets no answer
import os

ours, theirs = os.pipe()
os.read(ours, 1)
