# expect: ok|error
# absent: OPENED
# what: sockets of kinds that reach below or beside the network
import socket

for name, family, kind, protocol in (
    ("packet", 17, socket.SOCK_RAW, 0x0300), ("raw", socket.AF_INET, socket.SOCK_RAW, 1), ("vsock", 40, socket.SOCK_STREAM, 0),
    ("crypto", 38, socket.SOCK_SEQPACKET, 0), ("bluetooth", 31, socket.SOCK_RAW, 1), ("can", 29, socket.SOCK_RAW, 1),
    ("xdp", 44, socket.SOCK_RAW, 0), ("tipc", 30, socket.SOCK_STREAM, 0), ("rds", 21, socket.SOCK_SEQPACKET, 0),
    ("ax25", 3, socket.SOCK_DGRAM, 0), ("kcm", 41, socket.SOCK_DGRAM, 0), ("nfnetlink", 16, socket.SOCK_RAW, 12),
):  # fmt: skip
    try:
        with socket.socket(family, kind, protocol):
            print("OPENED", name)
    except OSError:
        pass
