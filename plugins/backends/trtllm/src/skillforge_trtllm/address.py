"""Address: how and where a Triton server is reached."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from skillforge import Target, UsageError

_EXAMPLE = "give it as grpc://HOST:8001 or http://HOST:8000"
_PORTS = {"grpc": 8001, "grpcs": 8001, "http": 8000, "https": 8000}


class Address(NamedTuple):
    """The parts of a base URL that are used."""

    scheme: str
    host: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}"

    @property
    def grpc(self) -> bool:
        return self.scheme.startswith("grpc")

    @property
    def secure(self) -> bool:
        return self.scheme.endswith("s")


def address_of(target: Target) -> Address:
    """The address in `target`. Raises UsageError for what cannot be used; a password in it is never repeated."""
    if not target.base_url:
        raise UsageError("the backend 'trtllm' needs the address of a server", "give --base-url grpc://HOST:8001")
    try:
        parts = urlsplit(target.base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UsageError("the base URL is not valid", _EXAMPLE) from None
    if parts.scheme not in _PORTS or not host:
        raise UsageError("the base URL is no address of a Triton server", _EXAMPLE)
    if parts.path.rstrip("/").endswith("/v1"):
        raise UsageError(
            "the base URL ends in /v1, as that of trtllm-serve does",
            "set -o backend.server=trtllm-serve for such a server",
        )
    if parts.username or parts.password or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError("the base URL has more in it than a host and a port", _EXAMPLE)
    name = f"[{host}]" if ":" in host else host
    return Address(parts.scheme, f"{name}:{port or _PORTS[parts.scheme]}")
