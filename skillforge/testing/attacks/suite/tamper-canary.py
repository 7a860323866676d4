# expect: ok|error
# absent: DONE
# what: changes, moves, links, locks and removes the canary without reading it
import os

CANARY = "/tmp/skillforge-canary.txt"
for way in (
    lambda: os.chmod(CANARY, 0o666),
    lambda: os.utime(CANARY, (0, 0)),
    lambda: os.link(CANARY, CANARY + "-skillforge_left"),
    lambda: os.truncate(CANARY, 0),
    lambda: os.rename(CANARY, CANARY + "-skillforge_left"),
    lambda: os.unlink(CANARY),
):
    try:
        way()
        print("DONE", way.__code__.co_firstlineno)
    except OSError:
        pass
