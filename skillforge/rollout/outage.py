"""Outage: a server that is lost in mid-run is waited for, once for all the requests that miss it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import msgspec

from skillforge.errors import BackendUnusable, SkillForgeError
from skillforge.parts.backend import Client, Request

PAUSE_FIRST = 0.1
PAUSE_MOST = 5.0
READY_SECONDS = 15.0
"""A server that does not say within this time whether it is ready, is not."""


class Outages:
    """Waits for the server of `client`, up to `patience` seconds each time that it is lost; `tell` tells the user so."""

    def __init__(self, client: Client, patience: float, tell: Callable[[str], None]) -> None:
        self._client = client
        self._patience = patience
        self._tell = tell
        self._asking = asyncio.Lock()
        self._until: float | None = None
        """When the patience with a server that is lost now ends, in monotonic seconds."""
        self._rounds = 0
        self._was_lost = False

    async def sit_out(self, fault: str) -> bool:
        """After `fault`: whether the server was lost; it is back then. False where it has taken requests all the time.

        Raises BackendUnusable where the patience ends first.
        """
        if not self._patience:
            return False
        round_seen = self._rounds
        async with self._asking:
            if self._rounds == round_seen:  # else another request has just found it out
                self._was_lost = await self._wait(fault)
                self._rounds += 1
            return self._was_lost

    async def _wait(self, fault: str) -> bool:
        lost, pauses = False, growing_pauses()
        while not await takes_requests(self._client):
            lost, now = True, time.monotonic()
            if self._until is None:
                self._until = now + self._patience
                self._tell(f"{fault}; waiting up to {_duration(self._patience)} for the server to be back")
            if now >= self._until:
                lasting = f"{fault}, and nothing came back in {_duration(self._patience)}"
                raise BackendUnusable(lasting, "start the server again, then continue the run")
            await asyncio.sleep(min(next(pauses), self._until - now))
        if self._until is not None:
            self._until = None
            self._tell("the server answers again")
        return lost


def growing_pauses() -> Iterator[float]:
    """Seconds to wait before a lost server is asked again, time after time."""
    pause = PAUSE_FIRST
    while True:
        yield pause
        pause = min(2 * pause, PAUSE_MOST)


async def takes_requests(client: Client) -> bool:
    """Whether the server of `client` is there; silence and faults mean that it is not."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            return await client.ready()
    except (SkillForgeError, TimeoutError):
        return False


async def ask_again(client: Client, answered: Request) -> None:
    """Ask for a single token of what was `answered` before: does the server still do it? Raises TimeoutError, and what
    `client` raises."""
    sampling = msgspec.structs.replace(answered.sampling, max_tokens=1)
    async with asyncio.timeout(READY_SECONDS):
        await client.check()
        await client.uncached().complete(msgspec.structs.replace(answered, sampling=sampling))


async def is_unusable(client: Client, answered: Request) -> bool:
    """Whether no request can succeed any more, such as where a key has expired: the client finds it out, or it shows when
    one that was `answered` is asked again."""
    try:
        await ask_again(client, answered)
    except BackendUnusable:
        return True
    except Exception:  # whatever else: a fault of single requests
        pass
    return False


def _duration(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"
