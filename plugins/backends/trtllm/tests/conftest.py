"""A Triton server as `.ci/triton` starts it. Where there is none, tests skip, or fail if SKILLFORGE_REQUIRE_TRITON is set."""

from __future__ import annotations

import asyncio
import os
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from skillforge import Client, ModelRef, Target
from skillforge_trtllm import TrtllmBackend, TrtllmOptions

UNARY = ("ensemble_2023", "ensemble", "ensemble_2025", "tensorrt_llm")
STREAMED = tuple(f"{name}_stream" for name in UNARY)
PATIENCE = 120.0


class Triton(NamedTuple):
    """Where the server is, by gRPC, by HTTP, and for its metrics."""

    grpc: str
    http: str
    metrics: str

    def target(self, way: str = "grpc") -> Target:
        return Target(ModelRef("tiny", "tiny"), self.http if way == "http" else self.grpc)

    def ask(self, work: Callable[[Client], Awaitable[Any]], model: str | None, way: str = "grpc") -> Any:
        """What `work` returns, given a client of `model`."""

        async def run() -> Any:
            options = TrtllmOptions(model_name=model)
            async with asyncio.timeout(PATIENCE), TrtllmBackend().open(self.target(way), options) as client:
                return await work(client)

        return asyncio.run(run())

    def begun(self, model: str) -> float:
        """How many requests the server has begun to work on."""
        return self._count("begun_requests", model)

    def cancelled(self, model: str) -> float:
        """How many requests the server has ended because their client left."""
        return self._count("cancelled_requests", model)

    def _count(self, metric: str, model: str) -> float:
        with urllib.request.urlopen(self.metrics) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(f'{metric}{{model="{model}"'))


@pytest.fixture(scope="session")
def triton() -> Triton:
    names = ("SKILLFORGE_TRITON_URL", "SKILLFORGE_TRITON_HTTP_URL", "SKILLFORGE_TRITON_METRICS_URL")
    addresses = [os.environ.get(name, "") for name in names]
    if not all(addresses):
        reason = f"there is no Triton server ({names[0]} is not set): use `.ci/triton run pytest ...`"
        if os.environ.get("SKILLFORGE_REQUIRE_TRITON"):
            pytest.fail(f"SKILLFORGE_REQUIRE_TRITON is set, but {reason}", pytrace=False)
        pytest.skip(reason)
    return Triton(*addresses)
