# expect: ok|error|timeout
# absent: REACHED
# what: connects to the outside: servers, routers, the metadata service of clouds
import errno
import socket

for address in (
    ("1.1.1.1", 443), ("8.8.8.8", 53), ("169.254.169.254", 80), ("100.100.100.200", 80), ("10.0.0.1", 80),
    ("172.17.0.1", 22), ("192.168.0.1", 80), ("192.168.65.2", 2375),
):  # fmt: skip
    with socket.socket() as client:
        client.settimeout(0.25)
        try:
            result = client.connect_ex(address)
        except OSError:
            continue
        if result in (0, errno.ECONNREFUSED, errno.ECONNRESET):
            print("REACHED", address, errno.errorcode.get(result))
try:
    with socket.socket(socket.AF_INET6) as client:
        client.settimeout(0.25)
        client.connect(("2606:4700:4700::1111", 443))
        print("REACHED by IPv6")
except OSError:
    pass
