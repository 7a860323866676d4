# expect: ok|error|exit|timeout|died|oom|output-limit|protocol-violation
# what: shuts down every socket that it has inherited, and turns its flags around
import fcntl
import os
import socket

for number in range(3, 512):
    try:
        fcntl.fcntl(number, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        fcntl.fcntl(number, fcntl.F_SETOWN, os.getppid())
        socket.socket(fileno=os.dup(number)).shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
