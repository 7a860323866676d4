"""The worker's process: started with a connection to it, watched, and ended with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from skillforge import BackendUnusable, Target
from skillforge.child import HEAD, framed
from skillforge.server import RunningProgram, running_program
from skillforge_vllm.arguments import engine_arguments, environment
from skillforge_vllm.installation import python_with_vllm

if TYPE_CHECKING:
    from skillforge_vllm import VllmOptions

_WORKER = Path(__file__).with_name("worker.py")

_END_PATIENCE = 5.0
"""Seconds from the end of the worker's connection to that of its process."""

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Connection:
    """Messages to and from the worker."""

    def __init__(self, streams: _Streams, worker: RunningProgram) -> None:
        self._reader, self._writer = streams
        self._worker = worker

    def send(self, message: bytes) -> None:
        """Hand `message` to the worker. One that has died shows it at the next `receive`."""
        if not self._writer.is_closing():
            self._writer.write(framed(message))

    async def receive(self) -> bytes:
        """The worker's next message. Raises BackendUnusable once it has gone."""
        try:
            size = int.from_bytes(await self._reader.readexactly(HEAD), "big")
            return await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            with contextlib.suppress(TimeoutError):
                raise await asyncio.wait_for(self._worker.ended(), _END_PATIENCE) from None
            raise self.error("closed its connection") from None

    def error(self, how: str) -> BackendUnusable:
        """The error that says what became of the worker, with the last lines that it wrote."""
        return self._worker.error(how)

    def close(self) -> None:
        self._writer.close()


@contextlib.asynccontextmanager
async def worker_process(target: Target, options: VllmOptions, log: Path) -> AsyncIterator[Connection]:
    """A worker with the model of `target`, whose output goes to `log`: it is ready once it connects.

    Raises BackendUnusable where it ends before that, or takes longer than the user allows.
    """
    with tempfile.TemporaryDirectory(prefix="skillforge-vllm-") as folder:
        socket = Path(folder, "socket")
        command = [python_with_vllm(options.python), str(_WORKER), str(socket), "--model", target.model.location]
        arrived: asyncio.Future[_Streams] = asyncio.get_running_loop().create_future()
        listener = await asyncio.start_unix_server(lambda *streams: arrived.set_result(streams), socket)
        with contextlib.closing(listener):
            async with running_program(
                "vLLM",
                [*command, *engine_arguments(options)],
                environment(target),
                ready=lambda: arrived,
                log=log,
                patience=options.start_timeout,
            ) as worker:
                with contextlib.closing(Connection(arrived.result(), worker)) as connection:
                    yield connection
