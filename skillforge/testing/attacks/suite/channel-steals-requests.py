# expect: ok|error|exit|timeout|died|oom|output-limit|protocol-violation
# what: threads that read the next request before the interpreter does
import os
import threading


def steal(number):
    try:
        while os.read(number, 2**20):
            pass
    except OSError:
        pass


for number in range(3, 512):
    try:
        os.fstat(number)
        threading.Thread(target=steal, args=(number,), daemon=True).start()
    except OSError:
        pass
