# expect: ok|error|exit|timeout|died|oom|output-limit|protocol-violation
# what: sends descriptors over every socket, for the other side to run out of its own
import array
import os
import socket
import time

mine = array.array("i", [os.open(os.devnull, os.O_RDONLY) for _ in range(100)])
end = time.monotonic() + 1
for number in range(3, 1024):
    try:
        channel = socket.socket(fileno=os.dup(number))
        channel.setblocking(False)
        while time.monotonic() < end:
            channel.sendmsg([b"\0\0\0\1 "], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, mine)])
    except OSError:
        pass
