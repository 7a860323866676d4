# expect: ok|error|timeout
# absent: FOUND
# what: looks for the files of the session beside it, and spoils them
import os


def search(start):
    for folder, _, names in os.walk(start):
        if "sf_attack.txt" in names and folder.count("/") < 8:
            print("FOUND", folder)
            with open(f"{folder}/sf_attack.txt", "a") as file:
                file.write("spoiled")
            return


for start in ("..", "/tmp", "/var/tmp", "/dev/shm", "/home", "/run", "/work", *(f"/proc/{n}/cwd" for n in range(1, 200))):
    try:
        search(start)
    except OSError:
        pass
