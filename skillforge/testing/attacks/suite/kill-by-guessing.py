# expect: ok|error|exit
# absent: REACHED
# absent: ESCAPED
# what: looks for processes of others, by trying all ids, that it could signal
import os

try:
    with open("/tmp/skillforge-canary.txt"):
        print("ESCAPED: this is the machine itself, so no harm is done to it")
        raise SystemExit
except OSError:
    pass


def is_child(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1]) == os.getpid()


reached = []
for pid in set(range(2, 70_000)) - {os.getpid(), os.getppid()}:
    try:
        os.kill(pid, 0)
        if not is_child(pid):
            reached.append(pid)
    except OSError:
        pass
if reached:
    print("REACHED", len(reached), reached[:5])
