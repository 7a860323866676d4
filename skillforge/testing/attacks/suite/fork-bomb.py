# expect: timeout|ok|error|oom|died
# limit: 1
# what: every process forks as fast as it can, and none waits
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
