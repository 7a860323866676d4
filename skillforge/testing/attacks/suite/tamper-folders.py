# expect: ok|error
# what: leaves files in every folder that others might share
import os

for folder in ("/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/mnt", "/home", "/root", "/opt", "/srv", "/usr/lib",
               "/etc", "/etc/cron.d", "/work", "/proc/1/cwd", "/proc/1/root/tmp", os.path.expanduser("~"), ".", ".."):
    try:
        with open(f"{folder}/skillforge_left.txt", "w") as file:
            file.write("left")
        os.chmod(f"{folder}/skillforge_left.txt", 0o777)
    except OSError:
        pass
