"""Connection: a session with one server, and what aiohttp raises on the way as the errors of the contract."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Any

import aiohttp

from skillforge import BackendUnusable, RequestFailed, SkillForgeError
from skillforge_openai.address import Address

CONNECT_SECONDS = 30.0
_IDLE_SECONDS = 4.0  # Uvicorn closes an idle connection after five: a request sent at that moment is lost
_TOO_MANY_OPEN = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS})


def new_session(
    address: Address, timeout: float, headers: Mapping[str, str], *, reused: bool = True
) -> aiohttp.ClientSession:
    """A session for any number of requests at once, with the authorization of `address` and no cookies.

    Its connections are used again for later requests, unless `reused` is False: some servers (Uvicorn, after a 500) close one
    without a word, and the next request on it is lost.
    """
    kept: dict[str, Any] = {"keepalive_timeout": _IDLE_SECONDS} if reused else {"force_close": True}
    authorization = {address.authorization_header: address.authorization} if address.authorization else {}
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, **kept),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={**headers, **authorization},
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_SECONDS),
    )


def broken(error: Exception, address: Address, timeout: float) -> SkillForgeError:
    """What a request without a whole answer means, of which `timeout` seconds were to be waited."""
    url = address.url
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.InvalidURL):
        return unreachable(error, address, timeout)
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return RequestFailed(f"no answer from {url} within {timeout:g} s", connection=True)
    if isinstance(error, OSError) and error.errno in _TOO_MANY_OPEN:
        what = f"this machine has no connection left ({error.strerror}; see 'ulimit -n')"
        return RequestFailed(what, throttled=True)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return RequestFailed(f"cannot reach {url}: {_cause(error, address, timeout)}", connection=True)
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        return RequestFailed(f"{url} closed the connection without an answer", connection=True)
    if isinstance(error, aiohttp.ClientPayloadError):
        return RequestFailed(f"{url} closed the connection in the middle of an answer")
    return RequestFailed(f"the answer of {url} is not HTTP ({_cause(error, address, timeout)})")


def unreachable(error: Exception, address: Address, timeout: float) -> BackendUnusable:
    """What it means that no connection comes about."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        fix = "let SSL_CERT_FILE name a file with the certificate of who signed it, or use http://"
    elif isinstance(error, aiohttp.ClientSSLError):
        fix = "the server may speak plain HTTP: try http:// in --base-url"
    else:
        fix = "start the server, or correct --base-url"
    return BackendUnusable(f"cannot reach {address.url}: {_cause(error, address, timeout)}", fix)


def _cause(error: Exception, address: Address, timeout: float) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return f"no connection within {min(timeout, CONNECT_SECONDS):g} s"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return address.clean(f"bad certificate ({error.certificate_error})")
    if isinstance(error, OSError) and error.errno:
        # The text that asyncio sets is longer and says less; a resolver and TLS number theirs apart.
        by_number = error.errno > 0 and not isinstance(error, aiohttp.ClientSSLError)
        return address.clean(os.strerror(error.errno) if by_number else str(error.strerror))
    return address.clean(str(error) or type(error).__name__)
