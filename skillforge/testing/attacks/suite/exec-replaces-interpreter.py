# expect: timeout|died|protocol-violation|output-limit|error
# what: another program takes the interpreter's place, with all its descriptors
import os
import sys

program = """
import os
for number in range(3, 256):
    try:
        os.write(number, b'{"status": "ok", "value": "FORGED"}\\n')
    except OSError:
        pass
while True:
    pass
"""
for number in range(256):
    try:
        os.set_inheritable(number, True)
    except OSError:
        pass
os.execv(sys.executable, [sys.executable, "-c", program])
