# expect: ok|error|timeout
# what: folders nested deeper than any path, names of all kinds, and no right to enter: hard to clean up
import os

home = os.getcwd()
for name in (b"\xff\xfe", b"new\nline", b"-rf *", b" ", "\u202egnp.exe".encode()):
    try:
        with open(os.path.join(os.fsencode(home), name), "w"):
            pass
    except OSError as refusal:
        print(refusal)
depth = 0
try:
    while depth < 3000:
        os.mkdir("d" * 100)
        os.chdir("d" * 100)
        depth += 1
    print(depth)
except OSError as refusal:
    print(depth, refusal)
os.chmod(".", 0)
os.chdir(home)
os.makedirs("locked/inside", exist_ok=True)
os.chmod("locked", 0)
