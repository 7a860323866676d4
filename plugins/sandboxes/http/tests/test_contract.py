"""What every sandbox and every command does."""

from __future__ import annotations

from typing import Any

from skillforge.testing import check_command, check_sandbox
from skillforge_http_sandbox import HttpOptions, HttpSandbox, ServeCommand


def test_sandbox(service: Any) -> None:
    results = check_sandbox(HttpSandbox(), options=HttpOptions(base_url=service.url))
    assert {result.state for result in results} == {"ok"}


def test_command() -> None:
    check_command(ServeCommand())
