# expect: ok|error|oom|died|timeout|exit
# absent: ESCAPED
# absent: NO LIMIT
# what: fills every folder where it may write, and leaves it full
import os
import tempfile

try:
    with open("/tmp/skillforge-canary.txt"):
        print("ESCAPED: this is the machine itself, so no harm is done to it")
        raise SystemExit
except OSError:
    pass

block, total = os.urandom(2**20) * 8, 0
for folder in dict.fromkeys((os.getcwd(), tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", "/run")):
    try:
        for number in range(40):
            with open(f"{folder}/fill-{number}", "wb") as file:
                for _ in range(4):
                    total += file.write(block)
    except OSError as refusal:
        print(folder, refusal)
print("NO LIMIT" if total > 2**29 else "wrote", total // 2**20, "MB")
