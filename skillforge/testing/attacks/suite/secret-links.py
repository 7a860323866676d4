# expect: ok|error
# absent: READ
# absent: LINKED
# what: makes links to files outside, for itself and for whoever looks at its files
import os

for number, target in enumerate(("/tmp/skillforge-canary.txt", "/etc/shadow", "/proc/1/environ", "/root")):
    for make in (os.symlink, os.link):
        name = f"{make.__name__}-{number}"
        try:
            make(target, name)
            if make is os.link:
                print("LINKED", target)
            with open(name, "rb") as file:
                print("READ", file.read(100))
        except OSError:
            pass
