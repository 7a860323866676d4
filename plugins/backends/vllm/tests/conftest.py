"""A real vLLM as `.ci/vllm` starts it. Where there is none, tests skip, or fail if SKILLFORGE_REQUIRE_VLLM is set.

What takes long to start is shared: a client stays open in a thread of its own, and tests use it from their own loops.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from skillforge import Backend, Client, Completion, DataSource, Message, ModelRef, Request, Target
from skillforge.testing import check_backend
from skillforge_vllm import VllmBackend, VllmOptions

sys.path.append(str(Path(__file__).parent / "support"))
pytest.register_assert_rewrite("vllm_answers")

PATIENCE = 240.0
PROBLEMS = 200
NAMES = ("SKILLFORGE_VLLM_URL", "SKILLFORGE_VLLM_PYTHON", "SKILLFORGE_VLLM_ARGS")


class Vllm(NamedTuple):
    """Where the server is, and what starts another vLLM."""

    url: str
    python: str
    arguments: str

    @property
    def target(self) -> Target:
        return Target(ModelRef("tiny", "tiny"), self.url)

    @property
    def weights(self) -> Target:
        tiny = pytest.importorskip("skillforge_tiny")
        return Target(ModelRef("tiny", str(tiny.WEIGHTS)))

    def options(self, **given: Any) -> VllmOptions:
        return VllmOptions(python=self.python, server_args=self.arguments, start_timeout=PATIENCE, **given)

    def ask(self, work: Callable[[Client], Awaitable[Any]], model: str = "tiny", **given: Any) -> Any:
        """What `work` returns, given a client of the running server with the options `given`."""

        async def run() -> Any:
            target = Target(ModelRef(model, model), self.url)
            async with asyncio.timeout(PATIENCE), VllmBackend().open(target, VllmOptions(**given)) as client:
                return await work(client)

        return asyncio.run(run())

    def at_work(self) -> int:
        """How many requests the server has, running or queued."""
        return self._counted("vllm:num_requests_running{", "vllm:num_requests_waiting{")

    def taken(self) -> int:
        """How many requests for completions of texts the server has answered."""
        return self._counted('http_requests_total{handler="/v1/completions"')

    def _counted(self, *names: str) -> int:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith(names)))


@pytest.fixture(scope="session")
def vllm() -> Vllm:
    values = [os.environ.get(name, "") for name in NAMES]
    if not all(values):
        reason = f"there is no vLLM ({NAMES[0]} is not set): use `.ci/vllm run pytest ...`"
        if os.environ.get("SKILLFORGE_REQUIRE_VLLM"):
            pytest.fail(f"SKILLFORGE_REQUIRE_VLLM is set, but {reason}", pytrace=False)
        pytest.skip(reason)
    return Vllm(*values)


class Background:
    """A client that is open in a thread of its own, as long as the fixture lives that made it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = contextlib.AsyncExitStack()
        self._client: Client | None = None

    def open(self, backend: Backend, target: Target, options: VllmOptions) -> None:
        self._client = self.run(self._stack.enter_async_context(backend.open(target, options)))

    @property
    def client(self) -> Client:
        assert self._client is not None
        return self._client

    def submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.submit(work).result(PATIENCE)

    def ask(self, work: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
        return self.run(work(self.client))

    def close(self) -> None:
        self.run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)


class ElsewhereClient(Client):
    """The client of a `Background`, from another loop; cancelling reaches it."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self.default_concurrency = background.client.default_concurrency

    async def _there(self, work: Coroutine[Any, Any, Any]) -> Any:
        return await asyncio.wrap_future(self._background.submit(work))

    async def check(self) -> None:
        await self._there(self._background.client.check())

    def capabilities(self) -> frozenset[str] | None:
        return self._background.client.capabilities()

    async def ready(self) -> bool:
        return bool(await self._there(self._background.client.ready()))

    async def models(self) -> Sequence[str]:
        names: Sequence[str] = await self._there(self._background.client.models())
        return names

    async def context_length(self) -> int | None:
        length: int | None = await self._there(self._background.client.context_length())
        return length

    async def versions(self) -> Mapping[str, str]:
        versions: Mapping[str, str] = await self._there(self._background.client.versions())
        return versions

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        completion: Completion = await self._there(self._background.client.complete(request, on_text))
        return completion


class OpenedElsewhere(VllmBackend):
    """The backend as it is, but for the model of a `Background`, which is open already."""

    def __init__(self, background: Background) -> None:
        self._background = background

    @contextlib.asynccontextmanager
    async def open(self, target: Target, options: VllmOptions) -> AsyncIterator[Client]:  # type: ignore[override]
        if target.model.name == "tiny":
            yield ElsewhereClient(self._background)
            return
        async with super().open(target, options) as client:
            yield client


@pytest.fixture(scope="module")
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


@pytest.fixture(scope="session")
def greedy(vllm: Vllm) -> dict[str, str]:
    """Question -> what the backend transformers answers it, in float32 as vLLM here."""
    pytest.importorskip("transformers")
    arith = pytest.importorskip("skillforge_forge_arith")
    from vllm_answers import GREEDY

    from skillforge_transformers import TransformersBackend, TransformersOptions

    benchmark = arith.skillforge_benchmark()
    problems = benchmark.problems(benchmark.default_split, benchmark.Options(), DataSource())
    questions = [problem.question for problem in islice(problems, PROBLEMS)]

    async def run() -> list[Completion]:
        async with TransformersBackend().open(vllm.weights, TransformersOptions(threads=1)) as client:
            asked = (Request((Message("user", question),), GREEDY) for question in questions)
            return list(await asyncio.gather(*map(client.complete, asked)))

    return {question: answer.text for question, answer in zip(questions, asyncio.run(run()), strict=True)}


def contract(record: Any, column: str, **given: Any) -> None:
    """Check the contract and record it."""
    results = check_backend(**given)
    passed = {result.name for result in results if result.state == "ok"}
    assert passed >= {
        "stream", "token_ids", "json_schema", "stop", "tells the stop string", "continues", "whole", "seed", "usage",
        "cancelling", "unknown model", "prompt_logprobs", "scoring",
    }  # fmt: skip
    told = {each.name: None if each.state == "ok" else each.detail for each in results}
    record(f"backend: vllm, {column}", json.dumps(told))


def writers(log: Path) -> list[int]:
    """The processes whose output goes to `log`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "fd" / "1").readlink() == log:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.fixture(scope="session")
def tools() -> Any:
    """What is above, for test modules, which cannot import this file."""

    class Tools:
        opened_elsewhere = OpenedElsewhere
        contract = staticmethod(contract)
        writers = staticmethod(writers)

    return Tools
