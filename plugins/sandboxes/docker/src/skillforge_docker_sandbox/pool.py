"""The pool: keeps containers started ahead of their users, lets users wait where all are taken, leaves none behind."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from skillforge import SandboxLoad, SandboxPool, SandboxSession, SandboxUnusable
from skillforge_docker_sandbox import DockerOptions, image, leftovers
from skillforge_docker_sandbox.container import Container, ContainerLink
from skillforge_docker_sandbox.containers import MB, OPEN_FILES, Containers
from skillforge_docker_sandbox.engine import connect
from skillforge_docker_sandbox.inside.wire import Setup
from skillforge_local_sandbox.link import Link
from skillforge_local_sandbox.places import Places
from skillforge_local_sandbox.pool import KB, LEAST_ADDRESS_SPACE
from skillforge_local_sandbox.session import Limits, Session

CALLS = 4
"""Calls of the engine that may be under way at a time; more of them do not start containers any faster."""

ATTEMPTS = 2
START_FIX = "see whether the engine is well and has memory left, and what the options preload and prelude import"


@asynccontextmanager
async def open_pool(options: DockerOptions) -> AsyncIterator[SandboxPool]:
    """Reach the engine, remove what dead processes left there, and start containers; in the end, end all of them."""
    pool = await asyncio.to_thread(_prepare, options)
    try:
        await pool.start()
        yield pool
    finally:
        await pool.close()


def _prepare(options: DockerOptions) -> DockerPool:
    client = connect(CALLS)
    image.require(client, options.image)
    leftovers.reap(client)
    return DockerPool(Containers(client, options, secrets.token_hex(8)), options)


class DockerPool(SandboxPool):
    """Sessions in containers. Starts as many as its users wait for, and some ahead."""

    def __init__(self, containers: Containers, options: DockerOptions) -> None:
        self._containers = containers
        self._setup = _setup(options)
        self._limits = Limits(options.output * KB, options.output_limit * MB, options.checkpoint)
        self._sessions_per_container = options.sessions_per_container
        self._ahead = min(options.ready, options.sessions)
        self._places = Places(options.sessions)
        self._ready: asyncio.Queue[ContainerLink | SandboxUnusable] = asyncio.Queue()
        self._takers = 0
        """Users that wait for a container, having a place."""
        self._starting = 0
        self._started = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._start_slots = asyncio.Semaphore(CALLS)
        self._threads = ThreadPoolExecutor(CALLS, thread_name_prefix="skillforge-docker")

    async def start(self) -> None:
        """Start the first container, to see that this can be done, and more in the background. Raises SandboxUnusable."""
        self._ready.put_nowait(await self._start_container())
        self._start_what_is_wanted()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[SandboxSession]:
        async with self._places.taken():
            link = await self.take()
            lease = _Lease(self, link)
            session = Session(link, lease.fresh_link, self._limits)
            try:
                yield session
            finally:
                try:
                    await session.close()
                finally:
                    self.give_back(lease.container)

    def load(self) -> SandboxLoad:
        waiting = self._places.waiting + self._takers
        return SandboxLoad(in_use=self._places.in_use, ready=self._ready.qsize(), waiting=waiting)

    async def take(self) -> ContainerLink:
        """A link to a fresh session in a container that nobody else uses. Raises SandboxUnusable."""
        self._takers += 1
        try:
            while True:
                self._start_what_is_wanted()
                found = await self._ready.get()
                if isinstance(found, SandboxUnusable):
                    raise found
                if found.container.alive:
                    return found
                self.discard(found.container)
        finally:
            self._takers -= 1
            self._start_what_is_wanted()

    def give_back(self, container: Container) -> None:
        """Its session has ended: have it serve another one, or remove it."""
        container.served += 1
        if container.alive and container.served < self._sessions_per_container:
            self._supply(partial(self._renewed, container))
        else:
            self.discard(container)

    def discard(self, container: Container) -> None:
        """End a container, in the background."""
        container.close()
        self._in_background(self._remove(container.name))

    async def close(self) -> None:
        """End everything that was started."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._ready.empty():
            if isinstance(link := self._ready.get_nowait(), ContainerLink):
                link.container.close()
        await asyncio.to_thread(self._threads.shutdown)  # a container that was being started is there only then
        await asyncio.to_thread(self._containers.remove_all)

    # In the background ---------------------------------------------------------------------------------------------

    def _wants_more(self) -> bool:
        return self._ready.qsize() + self._starting < self._takers + self._ahead

    def _start_what_is_wanted(self) -> None:
        while self._wants_more():
            self._supply(self._start_container)

    def _supply(self, source: Callable[[], Awaitable[ContainerLink]]) -> None:
        self._starting += 1
        self._in_background(self._make_ready(source))

    async def _make_ready(self, source: Callable[[], Awaitable[ContainerLink]]) -> None:
        """Make what `source` brings available; where it fails, one of those who wait is told."""
        try:
            self._ready.put_nowait(await source())
        except SandboxUnusable as error:
            if self._takers:
                self._ready.put_nowait(error)
        finally:
            self._starting -= 1

    async def _renewed(self, container: Container) -> ContainerLink:
        """A link to the next session of `container`, or to the first one of another."""
        try:
            return await container.session()
        except (OSError, TimeoutError):
            self.discard(container)
            return await self._start_container()

    async def _start_container(self) -> ContainerLink:
        """A link to the first session of a new container. Raises SandboxUnusable."""
        async with self._start_slots:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return await self._try_to_start()
                except (OSError, TimeoutError) as error:
                    why = str(error) or "it takes too long"
                    if attempt == ATTEMPTS:
                        raise SandboxUnusable(f"a container does not start: {why}", START_FIX) from error
        raise AssertionError

    async def _try_to_start(self) -> ContainerLink:
        self._started += 1
        name = f"{self._containers.prefix}-{self._started}"
        container = await Container.open(name, await self._open_stream(name), self._setup)
        try:
            return await container.session()
        except BaseException:
            self.discard(container)
            raise

    async def _open_stream(self, name: str) -> socket.socket:
        """Have a container started. Where nobody waits for it any more, it ends again."""
        job = asyncio.get_running_loop().run_in_executor(self._threads, self._containers.start, name)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            job.add_done_callback(_close)
            raise

    async def _remove(self, name: str) -> None:
        with contextlib.suppress(SandboxUnusable):  # it is tried again in the end
            await asyncio.get_running_loop().run_in_executor(self._threads, self._containers.remove, name)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _close(started: asyncio.Future[socket.socket]) -> None:
    if not started.cancelled() and started.exception() is None:
        started.result().close()


class _Lease:
    """What one session has: a container, or another one where it is lost."""

    def __init__(self, pool: DockerPool, link: ContainerLink) -> None:
        self._pool = pool
        self.container = link.container

    async def fresh_link(self) -> Link:
        """A link to a fresh interpreter, in the same container if that is still there."""
        if self.container.alive:
            with contextlib.suppress(OSError, TimeoutError):
                return await self.container.session()
        self._pool.discard(self.container)
        link = await self._pool.take()
        self.container = link.container
        return link


def _setup(options: DockerOptions) -> Setup:
    """What the containers are told of their sessions."""
    return Setup(
        preload=list(options.preload),
        prelude=options.prelude,
        memory=options.memory * MB,
        address_space=max(4 * options.memory * MB, LEAST_ADDRESS_SPACE),
        file_size=options.disk * MB,
        open_files=OPEN_FILES,
    )
