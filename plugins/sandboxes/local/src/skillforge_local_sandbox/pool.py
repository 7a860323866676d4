"""The pool of sessions: keeps some ready, lets users wait where all are taken."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import msgspec

from skillforge import SandboxLoad, SandboxPool, SandboxSession, SandboxUnusable
from skillforge_local_sandbox import LocalOptions, interpreter, tiers
from skillforge_local_sandbox.cgroups import Groups
from skillforge_local_sandbox.link import Link
from skillforge_local_sandbox.places import Places
from skillforge_local_sandbox.session import Limits, Session
from skillforge_local_sandbox.zygote import Zygote
from skillforge_sandbox_jail.settings import Settings

MB, KB = 2**20, 2**10
LEAST_ADDRESS_SPACE = 4 * 2**30
"""Bytes that a process may map at least: threads and libraries map much more than they use."""

INODES_PER_MB = 64
OPEN_FILES = 512
ATTEMPTS = 3


@asynccontextmanager
async def open_pool(options: LocalOptions) -> AsyncIterator[SandboxPool]:
    """Start a zygote, and end it with all its sessions."""
    python = interpreter.find(options.python or sys.executable)
    walls = await asyncio.to_thread(tiers.find_walls, python)
    tiers.require(walls, options.minimum_tier)
    env = interpreter.environment(options.preload, python)
    libraries = await asyncio.to_thread(interpreter.libraries, python, env)
    if walls.namespaces:
        interpreter.require_readable(libraries)
    scratch = "" if not walls.namespaces else tempfile.mkdtemp(prefix="skillforge-sandbox-")
    groups = Groups.find((options.memory + options.disk) * MB)
    settings = Settings(
        namespaces=not walls.namespaces,
        landlock=walls.landlock,
        seccomp=walls.seccomp,
        libraries=libraries,
        preload=[name for name in options.preload if name],
        prelude=options.prelude,
        memory=options.memory * MB,
        address_space=max(4 * options.memory * MB, LEAST_ADDRESS_SPACE),
        processes=options.processes,
        open_files=OPEN_FILES,
        disk=options.disk * MB,
        inodes=options.disk * INODES_PER_MB,
        cgroups=str(groups.folder) if groups is not None else "",
        scratch=scratch,
    )
    pool = LocalPool(options, python, env, settings, groups)
    try:
        await pool.start()
        yield pool
    finally:
        await pool.close()


class LocalPool(SandboxPool):
    """Sessions of one zygote."""

    def __init__(
        self, options: LocalOptions, python: str, env: dict[str, str], settings: Settings, groups: Groups | None
    ) -> None:
        self._python, self._env, self._settings, self._groups = python, env, settings, groups
        self._limits = Limits(options.output * KB, options.output_limit * MB, options.checkpoint)
        self._wanted = min(options.ready, options.sessions)
        self._places = Places(options.sessions)
        self._ready: deque[Link] = deque()
        self._refill: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._zygote: Zygote | None = None
        self._closed = False

    async def start(self) -> None:
        """Start the zygote. Raises SandboxUnusable."""
        self._zygote = await Zygote.start(self._python, self._env, self._settings, self._groups)
        self._refill_in_background()

    def session(self) -> AbstractAsyncContextManager[SandboxSession]:
        return self._session(self._limits)

    def disposable(self) -> AbstractAsyncContextManager[SandboxSession]:
        return self._session(msgspec.structs.replace(self._limits, checkpoint=False))

    @asynccontextmanager
    async def _session(self, limits: Limits) -> AsyncIterator[SandboxSession]:
        async with self._places.taken():
            session = Session(await self._fresh_link(), self._fresh_link, limits)
            try:
                yield session
            finally:
                await session.close()

    def load(self) -> SandboxLoad:
        return SandboxLoad(in_use=self._places.in_use, ready=len(self._ready), waiting=self._places.waiting)

    async def close(self) -> None:
        """End everything that was started."""
        self._closed = True
        if self._refill is not None:
            self._refill.cancel()
            await asyncio.gather(self._refill, return_exceptions=True)
        async with self._starting:
            await asyncio.gather(*(link.close() for link in self._ready), return_exceptions=True)
            self._ready.clear()
            if self._zygote is not None:
                await self._zygote.close()
        if self._groups is not None:
            self._groups.close()

    async def _fresh_link(self) -> Link:
        while self._ready:
            link = self._ready.popleft()
            if link.alive:
                break
            await link.close()
        else:
            link = await self._start_session()
        self._refill_in_background()
        return link

    async def _start_session(self) -> Link:
        for attempt in range(1, ATTEMPTS + 1):
            zygote = await self._living_zygote()
            try:
                return await zygote.session()
            except (OSError, TimeoutError) as error:
                if attempt == ATTEMPTS:
                    raise SandboxUnusable(
                        f"a session does not start: {error}", "free memory, or lower sandbox.sessions"
                    ) from error
        raise AssertionError

    async def _living_zygote(self) -> Zygote:
        async with self._starting:
            if self._closed:
                raise SandboxUnusable("the sandbox has been closed", "open it again")
            if self._zygote is None or not self._zygote.alive:
                if self._zygote is not None:
                    await self._zygote.close()
                self._zygote = await Zygote.start(self._python, self._env, self._settings, self._groups)
            return self._zygote

    def _refill_in_background(self) -> None:
        if len(self._ready) < self._wanted and not self._closed and (self._refill is None or self._refill.done()):
            self._refill = asyncio.create_task(self._fill())

    async def _fill(self) -> None:
        with contextlib.suppress(SandboxUnusable):  # whoever needs a session meets the fault and reports it
            while len(self._ready) < self._wanted:
                self._ready.append(await self._start_session())
