"""A Docker engine with the image in it. Where there is none, tests are skipped, or fail if SKILLFORGE_REQUIRE_DOCKER is set."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from skillforge import Execution, SandboxPool, SandboxSession, SandboxUnusable
from skillforge_docker_sandbox import IMAGE, DockerOptions, DockerSandbox
from skillforge_docker_sandbox.build import build
from skillforge_docker_sandbox.engine import connect

PATIENCE = 120.0


IMAGE_OF_TESTS = "skillforge-sandbox:test"
"""Made from the code as it is now, upon the image that is there, whatever code that holds."""


@pytest.fixture(scope="session")
def engine() -> Any:
    """A client of the engine, which has IMAGE_OF_TESTS."""
    try:
        client = connect()
        build(client, IMAGE_OF_TESTS, base=IMAGE, base_tar=None, say=lambda line: None)
    except SandboxUnusable as error:
        if os.environ.get("SKILLFORGE_REQUIRE_DOCKER"):
            pytest.fail(f"SKILLFORGE_REQUIRE_DOCKER is set, but {error}", pytrace=False)
        pytest.skip(f"{error}; or use `.ci/docker run pytest ...`")
    return client


class Docker:
    """Runs code in the sandbox, with few containers and modules, so that tests are quick."""

    image = IMAGE_OF_TESTS

    @staticmethod
    def options(**options: Any) -> DockerOptions:
        return DockerOptions(**{"image": IMAGE_OF_TESTS, "ready": 0, "preload": ("json",), **options})

    def in_pool(self, work: Callable[[SandboxPool], Awaitable[Any]], **options: Any) -> Any:
        """What `work` returns, given an open pool."""

        async def run() -> Any:
            async with asyncio.timeout(PATIENCE), DockerSandbox().open(self.options(**options)) as pool:
                return await work(pool)

        return asyncio.run(run())

    def cells(self, *cells: str, timeout: float = 20.0, **options: Any) -> list[Execution]:
        """What the cells of one session come to."""

        async def run(pool: SandboxPool) -> list[Execution]:
            async with pool.session() as session:
                return [await session.run(code, timeout) for code in cells]

        return list(self.in_pool(run, **options))

    def in_session(self, work: Callable[[SandboxSession], Awaitable[Any]], **options: Any) -> Any:
        """What `work` returns, given a session."""

        async def run(pool: SandboxPool) -> Any:
            async with pool.session() as session:
                return await work(session)

        return self.in_pool(run, **options)


@pytest.fixture(scope="session")
def docker(engine: Any) -> Docker:
    return Docker()
