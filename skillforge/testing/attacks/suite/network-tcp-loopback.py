# expect: ok|error|timeout
# absent: CONNECTED
# what: connects to a service of the machine, by all names of it
import socket

PORT = 48765
for host in ("127.0.0.1", "localhost", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "127.1", "127.0.0.2", "2130706433"):
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM):
            with socket.socket(family, kind, protocol) as client:
                client.settimeout(0.2)
                client.connect(address)
                print("CONNECTED", address)
    except OSError:
        pass
