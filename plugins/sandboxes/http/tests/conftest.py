"""A real service in a process of its own, and a server that answers what a test wrote down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from skillforge_http_sandbox import DEFAULT_TOKEN_ENV, HttpOptions, HttpSandbox


class Service:
    """`skillforge sandbox serve` on the loopback interface, in front of the sandbox `local`."""

    def __init__(self, *arguments: str, port: int = 0, env: dict[str, str] | None = None) -> None:
        self.arguments = arguments
        command = [sys.executable, "-m", "skillforge", "sandbox", "serve", "--sandbox", "local", "--port", str(port)]
        self.process = subprocess.Popen(
            [*command, "-o", "sandbox.preload=math", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        assert self.process.stdout
        self.line = self.process.stdout.readline()
        self.url = self.line.split()[-1] if self.line else ""
        assert self.url, self.process.communicate()[1]

    def kill(self) -> None:
        """End it without a chance to say anything."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def restarted(self) -> Service:
        """The same service anew, on the same port."""
        return Service(*self.arguments, port=int(self.url.rpartition(":")[2]))


@contextlib.contextmanager
def serving(*arguments: str, **settings: Any) -> Iterator[Service]:
    """A service with these arguments, ended afterwards."""
    service = Service(*arguments, **settings)
    try:
        yield service
    finally:
        service.kill()


def opened(service_or_url: Service | str, **options: Any) -> Any:
    """The sandbox `http`, open."""
    url = service_or_url.url if isinstance(service_or_url, Service) else service_or_url
    return HttpSandbox().open(HttpOptions(base_url=url, **options))


class Api:
    """The service's API, as any HTTP client uses it."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def ask(self, method: str, path: str, body: Any = None, **settings: Any) -> tuple[int, Any]:
        """(status, JSON) of one request below /v1."""
        async with self.http.request(method, f"{self.url}/v1{path}", json=body, **settings) as response:
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else None

    async def session(self) -> str:
        """The path of a new session."""
        status, answer = await self.ask("POST", "/sessions")
        assert status == 201, answer
        return f"/sessions/{answer['id']}"

    async def cell(self, session: str, code: str, id: str = "1", timeout: float = 10.0) -> tuple[int, Any]:
        """(status, JSON) of one cell."""
        return await self.ask("POST", f"{session}/cells", {"code": code, "timeout": timeout, "id": id})

    async def waiting(self) -> int:
        """The depth of the queue."""
        return int((await self.ask("GET", "/load"))[1]["waiting"])


@contextlib.asynccontextmanager
async def api(service: Service, **headers: str) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession(headers=headers) as http:
        yield Api(http, service.url)


async def until(condition: Callable[[], Any]) -> None:
    """Wait until `condition()`, or what awaiting it gives, is true."""
    async with asyncio.timeout(20):
        while True:
            found = condition()
            if await found if asyncio.iscoroutine(found) else found:
                return
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[str]:
    """The address of a server that gives one answer a connection, the last one for ever."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(left.pop(0) if len(left) > 1 else left[0])
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def cutting(url: str) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """(address, cut): passes connections on to `url`; `cut()` breaks those that are open."""
    open_ones: set[asyncio.StreamWriter] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = url.rpartition("/")[2].partition(":")
        upstream, to_upstream = await asyncio.open_connection(host, int(port))
        open_ones.update((writer, to_upstream))
        await asyncio.gather(pump(reader, to_upstream), pump(upstream, writer))

    def cut() -> None:
        for writer in open_ones:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", cut
        cut()


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """A service that the tests share."""
    with serving() as shared:
        yield shared


@pytest.fixture
def lab() -> SimpleNamespace:
    """The helpers above."""
    return SimpleNamespace(serving=serving, opened=opened, api=api, until=until, answering=answering, cutting=cutting)


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEFAULT_TOKEN_ENV, raising=False)
