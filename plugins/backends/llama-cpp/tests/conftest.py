"""llama.cpp as `.ci/llama-cpp` builds it. Where it is not, tests skip, or fail if SKILLFORGE_REQUIRE_LLAMA_CPP is set."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import pytest

from skillforge import Client, ModelRef, Target
from skillforge_llama_cpp import LlamaCppBackend, LlamaCppOptions

PATIENCE = 120.0
VARIABLES = {"llama-server": "SKILLFORGE_LLAMA_CPP_URL", "python": "SKILLFORGE_LLAMA_CPP_PYTHON_URL"}
MODEL = "SKILLFORGE_LLAMA_CPP_MODEL"


class Way(NamedTuple):
    """One of the ways to llama.cpp: a server, or the library."""

    name: str
    target: Target

    def ask(self, work: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
        """What `work` returns, given a client that has been checked."""

        async def run() -> Any:
            opened = LlamaCppBackend().open(self.target, LlamaCppOptions(**options))
            async with asyncio.timeout(PATIENCE), opened as client:
                await client.check()
                return await work(client)

        return asyncio.run(run())


def way_to(name: str) -> Way:
    if name == "library":
        file = needed(MODEL)
        if find_spec("llama_cpp") is None:
            missing("llama-cpp-python is not installed")
        return Way(name, Target(ModelRef(file, file)))
    return Way(name, Target(ModelRef("tiny", "tiny"), needed(VARIABLES[name])))


def needed(variable: str) -> str:
    return os.environ.get(variable) or missing(f"{variable} is not set")


def missing(what: str) -> Any:
    reason = f"{what}: use `.ci/llama-cpp run pytest ...`"
    if os.environ.get("SKILLFORGE_REQUIRE_LLAMA_CPP"):
        pytest.fail(f"SKILLFORGE_REQUIRE_LLAMA_CPP is set, but {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(params=["llama-server", "python", "library"])
def way(request: pytest.FixtureRequest) -> Way:
    return way_to(request.param)


@pytest.fixture
def llama_server() -> Way:
    return way_to("llama-server")


@pytest.fixture
def python_server() -> Way:
    return way_to("python")


@pytest.fixture
def library() -> Way:
    return way_to("library")
