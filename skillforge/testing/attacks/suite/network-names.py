# expect: ok|error|timeout
# absent: RESOLVED
# what: asks for addresses of names, by the library and by a packet of its own
import socket

for name in ("example.org", "example.com", "metadata.google.internal", "host.docker.internal"):
    try:
        print("RESOLVED", socket.gethostbyname(name))
    except OSError:
        pass
query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01"
servers = ["127.0.0.53", "127.0.0.11", "8.8.8.8"]
try:
    with open("/etc/resolv.conf") as file:
        servers += [line.split()[1] for line in file if line.startswith("nameserver")]
except OSError:
    pass
for server in servers:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.2)
            client.sendto(query, (server, 53))
            client.recv(512)
            print("RESOLVED by", server)
    except OSError:
        pass
