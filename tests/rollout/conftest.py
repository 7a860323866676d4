"""Fixtures for the tests of rollouts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

STYLES = ("openmath", "numina", "tora", "qwen_math", "deepseek_math", "chat")
"""Packages of the prompt styles whose loops are tested."""


@pytest.fixture(scope="module")
def bench() -> Iterator[object]:
    """A Workbench, whose sandbox is opened once for the tests of a module."""
    for package in ("local_sandbox", "openai", *STYLES):
        pytest.importorskip(f"skillforge_{package}")
    from tool_loops import workbench

    with workbench() as opened:
        yield opened
