"""What of this machine matters to a server's protocol: the key that is sent, by the name of its variable."""

from __future__ import annotations

from collections.abc import Sequence

from skillforge import Finding, UsageError
from skillforge_openai.address import key_in


def diagnosis(key_env: str) -> Sequence[Finding]:
    """Whether the variable `key_env` holds a key; and what looks at a server."""
    server = Finding("server", "ok", "any at a --base-url; look at one with: skillforge doctor --base-url URL")
    return (_key(key_env), server)


def _key(name: str) -> Finding:
    try:
        there = bool(key_in(name))
    except UsageError as error:
        return Finding("key", "weak", error.what, error.fix or "")
    if there:
        return Finding("key", "ok", f"{name} is set, and sent to every server that is asked")
    return Finding("key", "ok", f"{name} is not set, which fits a server that wants no key")
