# expect: ok|error
# what: programs of another name, with an empty environment, that outlive the interpreter
import os
import subprocess

for program in ("/bin/sleep", "/usr/bin/sleep"):
    if os.path.exists(program):
        for _ in range(3):
            subprocess.Popen([program, "300"], env={}, cwd="/", start_new_session=True, stdin=subprocess.DEVNULL)
