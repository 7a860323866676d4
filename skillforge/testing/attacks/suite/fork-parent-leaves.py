# expect: died|ok|exit
# what: the interpreter ends, and a child with all its descriptors goes on in its place
import os
import time

if os.fork():
    os._exit(0)
time.sleep(0.3)
print("I am the interpreter now")
