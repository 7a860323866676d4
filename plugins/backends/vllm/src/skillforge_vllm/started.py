"""A server of vLLM that lives as long as the run: started, known to be ready by its health, watched, always stopped."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

import msgspec

from skillforge import Client, Completion, Request, RequestFailed, Target
from skillforge.server import RunningProgram, running
from skillforge.server_command import free_port
from skillforge_vllm.client import VllmClient
from skillforge_vllm.log import Log, log_of
from skillforge_vllm.serve import OPENAI, openai_options, server_of

if TYPE_CHECKING:
    from skillforge_vllm import VllmOptions

_HOST = "127.0.0.1"


@contextlib.asynccontextmanager
async def open_started(target: Target, options: VllmOptions) -> AsyncIterator[Client]:
    """Start a server of the model of `target`, and give its client; on leaving, stop it."""
    server = server_of(target, options, _HOST, free_port(_HOST))
    opened = openai_options(options)
    # Before the server is started, which takes minutes: options that make no sense are refused here.
    served = msgspec.structs.replace(target, base_url=server.base_url)
    opening = OPENAI.open(served, opened)
    with log_of(options.log) as log:
        async with running(server, log=log.path, patience=options.start_timeout) as started, opening as client:
            yield StartedClient(client, OPENAI.capabilities(opened), started, log)


class StartedClient(VllmClient):
    """The client of a server of our own: where that is gone for good, a lost connection is not to be tried again."""

    def __init__(self, client: Client, able: frozenset[str], server: RunningProgram, log: Log) -> None:
        super().__init__(client, able)
        self._server = server
        self._log = log

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """Raises BackendUnusable, with the last lines of the server's output, once it has ended."""
        try:
            return await super().complete(request, on_text)
        except RequestFailed as failed:
            if failed.connection and (fault := self._server.fault):
                self._log.named = True
                raise fault from failed
            raise
