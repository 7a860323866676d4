"""Sockets that notice within two minutes that the other side's machine is gone."""

from __future__ import annotations

import socket
from typing import Any

_IDLE_SECONDS, _INTERVAL_SECONDS, _PROBES = 60, 15, 4


def keep_alive(sock: socket.socket) -> socket.socket:
    """`sock` with TCP's keep-alive on; what a listening socket accepts has it too."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _IDLE_SECONDS),
        ("TCP_KEEPINTVL", _INTERVAL_SECONDS),
        ("TCP_KEEPCNT", _PROBES),
    ):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock


def client_socket(address: Any) -> socket.socket:
    """A socket for an entry of `getaddrinfo`."""
    family, kind, protocol, *_ = address
    return keep_alive(socket.socket(family, kind, protocol))
