# expect: ok|error
# absent: CONNECTED
# what: connects to services of the machine by Unix sockets, with and without a file
import os
import socket

names = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/systemd/private",
         "/run/dbus/system_bus_socket", "/run/systemd/journal/socket", "/dev/log", "/tmp/.X11-unix/X0",
         "\0skillforge-canary-48765", "\0/tmp/.X11-unix/X0", "/run/nscd/socket", os.environ.get("SSH_AUTH_SOCK", "/none")]
try:
    with open("/proc/net/unix") as file:
        names += ["\0" + line.split("@", 1)[1].strip() for line in file if "@" in line]
except OSError:
    pass
for name in names:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        try:
            with socket.socket(socket.AF_UNIX, kind) as client:
                client.setblocking(False)
                client.connect(name)
                print("CONNECTED", repr(name))
        except OSError:
            pass
