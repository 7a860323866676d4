# expect: ok|error
# absent: READ
# what: goes through the descriptors that it has inherited, for folders and files of others
import os
import stat

for number in range(3, 1024):
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        continue
    try:
        print(number, stat.filemode(mode), os.readlink(f"/proc/self/fd/{number}"))
        if stat.S_ISDIR(mode):
            inner = os.open("tmp/skillforge-canary.txt", os.O_RDONLY, dir_fd=number)
            print("READ", os.read(inner, 100))
        elif stat.S_ISREG(mode):
            print("READ", os.pread(number, 100, 0))
    except OSError:
        pass
