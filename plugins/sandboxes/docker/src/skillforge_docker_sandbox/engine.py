"""The Docker engine: reaching it, and what its errors mean to a user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skillforge import SandboxUnusable
from skillforge.text import one_line

if TYPE_CHECKING:
    from docker import APIClient

CALL_PATIENCE = 60
"""Seconds that the engine may take for one answer; for a step of a build, the time without any output."""

START_IT = "start one (`systemctl start docker`, Docker Desktop), or set DOCKER_HOST to where one listens"


@contextmanager
def faults(doing: str) -> Iterator[None]:
    """Turn what the SDK raises into SandboxUnusable."""
    import docker.errors
    import requests

    try:
        yield
    except docker.errors.NotFound as error:
        raise SandboxUnusable(f"{doing}: {_said(error)}") from error
    except docker.errors.APIError as error:
        raise SandboxUnusable(f"{doing}: the Docker engine refuses: {_said(error)}") from error
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise SandboxUnusable(f"{doing}: {one_line(str(error))}", "see whether the Docker engine is well") from error


def connect(connections: int = 4) -> APIClient:
    """A client of the engine that DOCKER_HOST names, or of this machine's. Raises SandboxUnusable.

    `connections`: how many calls may be under way at a time.
    """
    import docker
    import docker.errors
    import docker.utils
    import requests

    settings = docker.utils.kwargs_from_env()
    try:
        return docker.APIClient(version="auto", timeout=CALL_PATIENCE, max_pool_size=connections, **settings)
    except (docker.errors.DockerException, requests.RequestException, ValueError) as error:
        where = settings.get("base_url", "its usual place")
        raise SandboxUnusable(f"no Docker engine answers at {where}: {one_line(str(error))}", START_IT) from error


def _said(error: Exception) -> str:
    return one_line(str(getattr(error, "explanation", None) or error))
