# expect: ok|error
# absent: SENT
# what: sends packets, to the machine and to everybody
import socket

for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1")):
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.sendto(b"hello", (host, 48765))
    except OSError:
        pass
for host in ("8.8.8.8", "255.255.255.255", "224.0.0.251", "10.255.255.255"):
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            client.sendto(b"hello", (host, 53))
            print("SENT to", host)
    except OSError:
        pass
