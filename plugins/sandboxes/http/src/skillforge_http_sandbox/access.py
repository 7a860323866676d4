"""Who may use a service: its token, which an environment variable holds, and the addresses that need none."""

from __future__ import annotations

import ipaddress
import os
import re

from skillforge import UsageError


def token_in(name: str) -> str | None:
    """The token in the environment variable `name`; None where it is not set. Raises UsageError for one that is none."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise UsageError(
            "the option 'token_env' is not the name of an environment variable",
            "put the token into a variable, and give the variable's name",
        )
    token = os.environ.get(name, "").strip()
    if any(not "!" <= char <= "~" for char in token):
        raise UsageError(
            f"the token in the environment variable {name} has spaces or characters other than ASCII in it",
            "set it again",
        )
    return token or None


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the IP `address`."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
