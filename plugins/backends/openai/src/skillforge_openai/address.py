"""Address: where the server is, what lets us in, and how both stay out of messages."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, unquote, urlsplit

from skillforge import Target, UsageError
from skillforge.text import one_line

_ENDPOINTS = ("/chat/completions", "/completions", "/models")
_EXAMPLE = "give it as http://HOST:PORT/v1"
_REDACTED = "[redacted]"


class Address:
    """A server's base URL, free of credentials, and the Authorization header to send."""

    authorization_header = "Authorization"
    lists_models = True
    """Whether what it lists at `/models` is what can be asked."""

    batch_prefix = "/v1"
    """What stands before the path of an endpoint in the lines of a batch."""

    def __init__(self, url: str, authorization: str | None, secrets: Iterable[str], key_env: str) -> None:
        self.url = url
        self.authorization = authorization
        self.key_env = key_env
        self._secret = _pattern(secrets)

    @classmethod
    def of(cls, target: Target, key_env: str) -> Address:
        """The address of `target`. Raises UsageError for a URL that cannot be used.

        Credentials in the URL (`https://user:password@host`) are sent as basic authentication, and then no key is sent.
        """
        if not target.base_url:
            raise UsageError(
                "the backend 'openai' needs the address of a server", "give --base-url http://HOST:PORT/v1"
            )
        parts = _parse(target.base_url)
        if parts.username or parts.password:
            return cls(_without_userinfo(parts), *_basic(parts), key_env)
        key = key_in(key_env)
        return cls(_without_userinfo(parts), f"Bearer {key}" if key else None, [key], key_env)

    def at(self, path: str) -> str:
        """The URL of an endpoint."""
        return self.url + path

    @property
    def root(self) -> str:
        """The URL of the server itself, above the `/v1` of its protocol."""
        return self.url.removesuffix("/v1")

    def clean(self, text: str) -> str:
        """`text` from outside as one line that holds no secret."""
        return one_line(self._secret.sub(_REDACTED, text) if self._secret else text)


def _parse(url: str) -> SplitResult:
    """The parts of `url`. Messages never repeat it, since it may hold a password that stands in the wrong place."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:
        raise UsageError(f"the base URL is not valid ({_reason(error)})", _EXAMPLE) from None
    if parts.scheme not in ("http", "https"):
        raise UsageError("the base URL does not begin with http:// or https://", _EXAMPLE)
    if not host:
        raise UsageError("the base URL names no host", _EXAMPLE)
    if any(char.isspace() or not char.isprintable() or char == "\\" for char in url):
        raise UsageError("the base URL has a space, a backslash or a control character in it", _EXAMPLE)
    if parts.query or parts.fragment:
        raise UsageError("the base URL has a '?' or '#' in it, which cannot be followed by a path", _EXAMPLE)
    for endpoint in _ENDPOINTS:
        if parts.path.rstrip("/").endswith(endpoint):
            raise UsageError(f"the base URL ends in {endpoint}", "leave that out: it is added to each request")
    return parts


def _reason(error: ValueError) -> str:
    return "bad port" if "port" in str(error).lower() else "bad host"


def _without_userinfo(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/') or '/v1'}"


def _basic(parts: SplitResult) -> tuple[str, list[str]]:
    raw = parts.netloc.rpartition("@")[0]
    plain = ":".join(unquote(part) for part in (parts.username or "", parts.password or ""))
    token = base64.b64encode(plain.encode()).decode("ascii")
    password = parts.password or ""
    return f"Basic {token}", [token, raw, plain, password, unquote(password)]


def key_in(name: str) -> str:
    """The key in the environment variable `name`; empty where there is none. Raises UsageError for one that cannot be sent."""
    if not name:
        return ""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UsageError(
            "the option 'backend.api_key_env' is not the name of an environment variable",
            "put the key into a variable, and give the variable's name",
        )
    key = os.environ.get(name, "").strip()
    if any(not "!" <= char <= "~" for char in key):
        raise UsageError(
            f"the key in the environment variable {name} has spaces or characters that no key has", "set it again"
        )
    return key


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Matches each secret; a short one (a stand-in such as `x`) only where it is a word, or it would garble all messages."""
    found = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    if not found:
        return None
    return re.compile(
        "|".join(re.escape(each) if len(each) >= 8 else rf"(?<!\w){re.escape(each)}(?!\w)" for each in found)
    )
