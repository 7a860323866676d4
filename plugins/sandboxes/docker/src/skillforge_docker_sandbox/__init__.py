"""The sandbox `docker`: Python sessions in containers; and `skillforge sandbox build`, which makes their image."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from skillforge import CommandPart, Finding, Sandbox, SandboxPool, hookimpl
from skillforge.parts.part import OPERATIONAL
from skillforge_local_sandbox import PRELOAD, SessionOptions

if TYPE_CHECKING:
    import click

SKILLFORGE_CONTRACT = 1

IMAGE = "skillforge-sandbox:latest"
"""The image that `skillforge sandbox build` makes and sessions use, unless told otherwise."""

Count = Annotated[int, Meta(ge=1)]


class DockerOptions(SessionOptions, frozen=True, kw_only=True):
    """Options of the sandbox `docker`. The limits are those of one session."""

    image: Annotated[str, Meta(description="Image of the containers; 'skillforge sandbox build' makes it.")] = IMAGE
    cpus: Annotated[Annotated[float, Meta(ge=0.01)], Meta(description="Processor cores that a session may use.")] = 1.0
    sessions: Annotated[
        Count, Meta(description="Most sessions at a time; further users wait for one.", extra=OPERATIONAL)
    ] = 32
    ready: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(description="Containers to keep started ahead of their users.", extra=OPERATIONAL),
    ] = 2
    sessions_per_container: Annotated[
        Count,
        Meta(
            description="Sessions that a container serves, one after another, before it is replaced. Between two, all "
            "processes are ended and all files removed. 1: a container of its own for each."
        ),
    ] = 1
    preload: Annotated[
        tuple[str, ...], Meta(description="Modules that are imported when a container starts, before its sessions.")
    ] = PRELOAD
    runtime: Annotated[
        str | None, Meta(description="Container runtime of the engine, such as 'runsc'. Default: the engine's own.")
    ] = None
    cgroup_parent: Annotated[
        str | None,
        Meta(description="Control group to put the containers into. Default: the engine's own.", extra=OPERATIONAL),
    ] = None


class DockerSandbox(Sandbox):
    """Containers with no network, no rights and a read-only root; inside, the worker of the sandbox `local`."""

    name = "docker"
    summary = "Python sessions in containers without network, rights or a writable disk; needs a Docker engine."
    source = "https://docs.docker.com/reference/api/engine/"
    licence = "Apache-2.0"
    Options = DockerOptions

    def open(self, options: DockerOptions) -> AbstractAsyncContextManager[SandboxPool]:
        from skillforge_docker_sandbox.pool import open_pool

        return open_pool(options)

    def diagnose(self) -> Sequence[Finding]:
        from skillforge_docker_sandbox.diagnosis import diagnose

        return diagnose(IMAGE)


class BuildCommand(CommandPart):
    """`skillforge sandbox build`."""

    name = "sandbox.build"
    summary = "Make the image of the sandbox 'docker'."

    def command(self) -> click.Command:
        from skillforge_docker_sandbox.command import build

        return build


@hookimpl
def skillforge_sandbox() -> Sandbox:
    """The sandbox `docker`."""
    return DockerSandbox()


@hookimpl
def skillforge_command() -> CommandPart:
    """The command `sandbox build`."""
    return BuildCommand()
