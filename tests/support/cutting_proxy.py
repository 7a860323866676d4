"""A proxy that cuts connections in the middle, between a client and a server of whatever protocol over TCP.

with cutting_proxy("127.0.0.1:8001", after=10_000, times=5) as proxy:
    ...  # ask proxy.address in place of the server
assert proxy.cuts == 5
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHUNK = 4096
_SILENCE = 10.0
"""Seconds without a word of the server after which it has said all to a client that was cut off."""


class CuttingProxy(socketserver.ThreadingTCPServer):
    """See `cutting_proxy`."""

    daemon_threads = True

    def __init__(self, server: str, after: int, times: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.cuts = 0
        """Connections that were cut."""

        host, _, port = server.rpartition(":")
        self.server = (host, int(port))
        self.after = after
        self.times = times


class _Connection(socketserver.BaseRequestHandler):
    """Passes on what both sides say, until it is cut or one of them ends.

    Only the client sees the cut: what the server still has to say is read to its end. (The Python backend of Triton may wait
    for ever where a client leaves in the middle of a stream, and then answers nobody any more.)
    """

    server: CuttingProxy
    request: socket.socket

    def handle(self) -> None:
        proxy, client = self.server, self.request
        with socket.create_connection(proxy.server) as server, contextlib.suppress(OSError):
            cut = threading.Event()
            threading.Thread(target=_pass_on, args=(client, server, cut), daemon=True).start()
            left = proxy.after
            while said := server.recv(_CHUNK):
                if cut.is_set():
                    continue
                client.sendall(said)
                left -= len(said)
                if left <= 0 and proxy.cuts < proxy.times:
                    proxy.cuts += 1
                    cut.set()
                    client.shutdown(socket.SHUT_RDWR)
                    server.settimeout(_SILENCE)


def _pass_on(client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while said := client.recv(_CHUNK):
            server.sendall(said)
        if not cut.is_set():
            server.shutdown(socket.SHUT_WR)


@contextmanager
def cutting_proxy(server: str, after: int, times: int) -> Iterator[CuttingProxy]:
    """A proxy of `server` (host:port) on a free port. It ends the first `times` connections `after` bytes of answers each."""
    with CuttingProxy(server, after, times) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, name="cutting-proxy")
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join(30)
