# expect: ok|error|exit|timeout
# absent: ESCAPED
# what: renames the folders around its own
import os

try:
    with open("/tmp/skillforge-canary.txt"):
        print("ESCAPED: this is the machine itself, so no harm is done to it")
        raise SystemExit
except OSError:
    pass

place = os.getcwd()
for old in (place, os.path.dirname(place), os.environ.get("HOME", place), os.environ.get("TMPDIR", place)):
    try:
        os.rename(old, old.rstrip("/") + "-skillforge_left")
        print("renamed", old)
    except OSError as refusal:
        print(refusal)
