# expect: ok|error|exit|timeout
# absent: ESCAPED
# what: removes the folder that it works in, and takes all rights from new files
import os
import shutil

try:
    with open("/tmp/skillforge-canary.txt"):
        print("ESCAPED: this is the machine itself, so no harm is done to it")
        raise SystemExit
except OSError:
    pass

place = os.getcwd()
os.mkdir("inner")
os.chdir("inner")
os.rmdir("../inner")
os.umask(0o777)
shutil.rmtree(place, ignore_errors=True)
