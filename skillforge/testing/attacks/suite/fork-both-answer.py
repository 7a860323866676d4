# expect: ok
# state: kept
# what: a forked child comes to the end of the cell as well, and must not answer for its parent
import os

child = os.fork()
print("parent" if child else "child")
