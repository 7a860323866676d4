"""The worker's process: started with a connection to it, watched, and ended with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from skillforge import Target, supervisor
from skillforge.child import HEAD, framed
from skillforge_vllm.arguments import engine_arguments, environment
from skillforge_vllm.installation import python_with_vllm
from skillforge_vllm.log import Log

if TYPE_CHECKING:
    from skillforge_vllm import VllmOptions

_WORKER = Path(__file__).with_name("worker.py")


class Connection:
    """Messages to and from the worker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: Log) -> None:
        self._reader = reader
        self._writer = writer
        self._log = log

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
            raise self._log.error("ended") from None

    def close(self) -> None:
        self._writer.close()


@contextlib.asynccontextmanager
async def worker_process(target: Target, options: VllmOptions, log: Log) -> AsyncIterator[Connection]:
    """A worker with the model of `target`, whose output goes to `log`.

    The core's supervisor runs it: the worker, and what it started, end with this process, however that ends. Raises
    BackendUnusable where the worker ends before it connects, or takes longer than the user allows.
    """
    with tempfile.TemporaryDirectory(prefix="skillforge-vllm-") as folder:
        socket = Path(folder, "socket")
        command = [python_with_vllm(options.python), str(_WORKER), str(socket), *_arguments(target, options)]
        arrived: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.set_result(Connection(reader, writer, log))

        listener = await asyncio.start_unix_server(greet, socket)
        with log.path.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", supervisor.__file__),
                stdin=PIPE,
                stdout=DEVNULL,
                stderr=output,
                start_new_session=True,
            )
        assert process.stdin is not None
        try:
            work = {"command": command, "env": {"PYTHONUNBUFFERED": "1", **environment(target)}}
            process.stdin.write(msgspec.json.encode(work) + b"\n")
            gone = asyncio.ensure_future(process.wait())
            either: list[asyncio.Future[Any]] = [arrived, gone]
            await asyncio.wait(either, timeout=options.start_timeout, return_when=asyncio.FIRST_COMPLETED)
            listener.close()
            if not arrived.done():
                how = "ended" if gone.done() else f"was not ready within {options.start_timeout:g} s and was stopped"
                raise log.error(how)
            with contextlib.closing(arrived.result()) as connection:
                yield connection
        finally:
            process.stdin.close()
            await process.wait()


def _arguments(target: Target, options: VllmOptions) -> list[str]:
    return ["--model", target.model.location, *engine_arguments(options)]
