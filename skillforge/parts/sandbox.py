"""Sandbox: runs code that a model wrote."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import msgspec

from skillforge.parts.part import Part


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """What running one block of code gave."""

    status: Literal["ok", "error", "timeout", "died"]
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0


class SandboxSession(ABC):
    """One isolated interpreter; state lives from block to block."""

    @abstractmethod
    async def run(self, code: str, timeout: float) -> Execution:
        """Run `code` for at most `timeout` seconds. Faults of the code are a status, never an exception."""


class Sandbox(Part):
    """A place where untrusted code can run without harm."""

    kind = "sandbox"

    def open(self, options: Any) -> AbstractAsyncContextManager[SandboxSession]:
        """A fresh session, ended with all its processes on leaving the context."""
        raise NotImplementedError
