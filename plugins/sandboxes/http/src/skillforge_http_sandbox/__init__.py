"""SkillForge sandbox `http`, which runs code in a service elsewhere, and `skillforge sandbox serve`, which is that service."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from skillforge import CommandPart, PartOptions, Sandbox, SandboxPool, hookimpl
from skillforge.parts.part import NAME_OF_SECRET, OPERATIONAL

if TYPE_CHECKING:
    import click

SKILLFORGE_CONTRACT = 1

DEFAULT_PORT = 8700
DEFAULT_TOKEN_ENV = "SKILLFORGE_SANDBOX_TOKEN"


class HttpOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the sandbox `http`."""

    base_url: Annotated[
        str, Meta(description="Where 'skillforge sandbox serve' listens: http://HOST:PORT.", extra=OPERATIONAL)
    ] = f"http://127.0.0.1:{DEFAULT_PORT}"
    token_env: Annotated[
        str,
        Meta(
            description="Environment variable that holds the service's token. Without the default one, none is sent; another "
            "has to be set.",
            extra=NAME_OF_SECRET,
        ),
    ] = DEFAULT_TOKEN_ENV
    patience: Annotated[
        Annotated[float, Meta(ge=0)],
        Meta(
            description="Seconds for which a session tries to reach a service that is being restarted.",
            extra=OPERATIONAL,
        ),
    ] = 60.0


class HttpSandbox(Sandbox):
    """Sessions of a service that `skillforge sandbox serve` runs, on this machine or another."""

    name = "http"
    summary = "Sessions of a sandbox service, 'skillforge sandbox serve', on this machine or another."
    Options = HttpOptions

    def open(self, options: HttpOptions) -> AbstractAsyncContextManager[SandboxPool]:
        from skillforge_http_sandbox.client import open_pool

        return open_pool(options)


class ServeCommand(CommandPart):
    """`skillforge sandbox serve`."""

    name = "sandbox.serve"
    summary = "Offer the sessions of a sandbox over HTTP."

    def command(self) -> click.Command:
        from skillforge_http_sandbox.command import serve

        return serve


@hookimpl
def skillforge_sandbox() -> Sandbox:
    """The sandbox `http`."""
    return HttpSandbox()


@hookimpl
def skillforge_command() -> CommandPart:
    """The command `sandbox serve`."""
    return ServeCommand()
