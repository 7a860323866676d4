"""A server on the loopback interface that answers what a test wrote down, asked through the real LiteLLM.

LiteLLM lives in an environment of its own: `.ci/litellm run pytest plugins/backends/litellm`. Elsewhere the tests that
need it skip, or fail if SKILLFORGE_REQUIRE_LITELLM is set.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest

from skillforge import Client, Completion, Message, ModelRef, Request, Sampling, SkillForgeError, Target
from skillforge_litellm import LiteLLMBackend, LiteLLMOptions

QUESTION = Request((Message("user", "What is two plus two, in one word?"),), Sampling())


class Server:
    """Gives each request the same answer: bytes; None closes unanswered, "hang" never ends."""

    def __init__(self, answer: bytes | str | None) -> None:
        self._answer = answer
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.lost = asyncio.Event()
        """A client went away while it waited."""

    async def __aenter__(self) -> Server:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.paths.append(head.split()[1])
            length = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:"))
            self.bodies.append(json.loads(await reader.readexactly(length)))
            if isinstance(self._answer, str):
                await reader.read()
                self.lost.set()
            elif self._answer is not None:
                writer.write(self._answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Outcome(NamedTuple):
    """What one call gave: the completion or the error, and what the server saw."""

    completion: Completion | None
    error: SkillForgeError | None
    server: Server


Call = Callable[[Client], Awaitable[Any]]


async def _outcome(answer: Any, call: Call, model: str) -> Outcome:
    async with Server(answer) as server:
        try:
            target = Target(ModelRef(model, model), server.url)
            async with LiteLLMBackend().open(target, LiteLLMOptions(timeout=20)) as client:
                return Outcome(await call(client), None, server)
        except SkillForgeError as error:
            return Outcome(None, error, server)


def _ask(answer: Any, request: Request = QUESTION, call: Call | None = None, model: str = "openai/m") -> Outcome:
    return asyncio.run(_outcome(answer, call or (lambda client: client.complete(request)), model))


@pytest.fixture
def ask() -> Callable[..., Outcome]:
    """Serve one answer, make one completion (or `call`), and tell what came of it."""
    require_litellm()
    return _ask


@pytest.fixture
def litellm() -> None:
    require_litellm()


def require_litellm() -> None:
    if find_spec("litellm") is None:
        reason = "LiteLLM is not installed: use `.ci/litellm run pytest ...`"
        if os.environ.get("SKILLFORGE_REQUIRE_LITELLM"):
            pytest.fail(f"SKILLFORGE_REQUIRE_LITELLM is set, but {reason}", pytrace=False)
        pytest.skip(reason)
