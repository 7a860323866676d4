# expect: ok|error
# absent: SECRET
# absent: READ
# what: looks into every process that /proc shows: environment, command line, memory, files
import os

NAME, OTHERS = b"SF_CANARY" + b"_KEY", {str(os.getpid()), "self", "thread-self"}
for pid in sorted(name for name in os.listdir("/proc") if name.isdigit()):
    for what in ("environ", "cmdline", "stack", "auxv", "task/" + pid + "/environ"):
        try:
            with open(f"/proc/{pid}/{what}", "rb") as file:
                text = file.read(2**20)
        except OSError:
            continue
        if NAME in text:
            print("SECRET in", pid, what, text[text.index(NAME) :][:60])
    if pid in OTHERS:
        continue
    for what in ("root", "cwd"):
        try:
            with open(f"/proc/{pid}/{what}/tmp/skillforge-canary.txt", "rb") as file:
                print("READ", file.read(100))
        except OSError:
            pass
if "SF_CANARY" + "_KEY" in os.environ:
    print("SECRET in the environment", os.environ["SF_CANARY" + "_KEY"])
