"""A real server on the loopback interface that answers what a test wrote down, byte for byte."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from skillforge import Client, Completion, Message, ModelRef, Request, Sampling, SkillForgeError, Target
from skillforge_openai import OpenAIBackend, OpenAIOptions

sys.path.append(str(Path(__file__).parent / "support"))

QUESTION = Request((Message("user", "2 + 2?"),), Sampling())


class Received(NamedTuple):
    """One request as it arrived; header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


class Server:
    """Answers requests with `answers` in turn, the last one for ever: bytes; None closes unanswered, "hang" never ends."""

    def __init__(self, *answers: bytes | str | None) -> None:
        self._answers = list(answers)
        self.received: list[Received] = []
        self.connections = 0
        self.lost = asyncio.Event()
        """A client went away while it waited."""

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.received.append(await _read(reader))
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if answer is None:
                    break
                if isinstance(answer, str):
                    await reader.read()
                    self.lost.set()
                    break
                writer.write(answer)
                if b"\r\nConnection: close" in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Received:
    line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest if each)}
    return Received(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def http(status: int, body: Any = b"", **headers: str) -> bytes:
    """An HTTP answer; `body` that is not bytes goes as JSON, `_` in header names stands for `-`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def chat(content: Any = "4", finish_reason: str | None = "stop", **fields: Any) -> bytes:
    """A good chat answer; `fields` go into the message."""
    message = {"role": "assistant", "content": content, **fields}
    return http(200, {"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]})


class Outcome(NamedTuple):
    """What one call gave: the completion or the error, and what the server saw."""

    completion: Completion | None
    error: SkillForgeError | None
    server: Server

    @property
    def sent(self) -> Received:
        return self.server.received[-1]


Call = Callable[[Client], Awaitable[Any]]


async def _outcome(answers: tuple[Any, ...], call: Call, options: OpenAIOptions, url: Callable[[str], str]) -> Outcome:
    async with Server(*answers) as server:
        target = Target(ModelRef("m", "m"), url(server.url))
        try:
            async with OpenAIBackend().open(target, options) as client:
                return Outcome(await call(client), None, server)
        except SkillForgeError as error:
            return Outcome(None, error, server)


def ask(
    *answers: Any,
    request: Request = QUESTION,
    call: Call | None = None,
    url: Callable[[str], str] = str,
    **options: Any,
) -> Outcome:
    """Serve `answers`, make one completion (or `call`), and tell what came of it."""
    return asyncio.run(
        _outcome(answers, call or (lambda client: client.complete(request)), OpenAIOptions(**options), url)
    )


@pytest.fixture
def lab() -> SimpleNamespace:
    """The helpers above."""
    return SimpleNamespace(ask=ask, chat=chat, http=http, Server=Server, QUESTION=QUESTION)


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    yield
