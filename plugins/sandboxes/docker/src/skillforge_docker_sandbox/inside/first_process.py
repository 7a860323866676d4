"""The first process of a container: imports what sessions need, starts one after the other, and carries their channels."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import types
from pathlib import Path
from typing import Any, NoReturn

from skillforge_docker_sandbox.inside.session import SHARED_MEMORY, become_session
from skillforge_docker_sandbox.inside.wire import (
    END,
    INIT,
    MAIN,
    READY,
    START,
    STDERR,
    STDOUT,
    WORKER,
    Pieces,
    Setup,
    piece,
)
from skillforge_sandbox_jail import linux, rootfs
from skillforge_sandbox_jail.processes import run_child

READ_BYTES = 64 * 1024

SETUP_PATIENCE = 20
"""Seconds in which the supervisor must have sent the Setup."""

MOST_DRAINED = 2**20
"""Bytes of output carried ahead of what else is to be told: a pipe holds no more."""


class FirstProcess:
    """Carries pieces until stdin closes; then it ends, and all of the container with it."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._sources: dict[int, int] = {}
        """Descriptor -> channel, of the session that runs."""
        self._sinks: dict[int, socket.socket] = {}
        self._setup: Setup | None = None
        self._variables: dict[str, Any] = {}

    def serve(self) -> None:
        if not self._poll.poll(1000 * SETUP_PATIENCE):
            return  # who started this container was killed before the engine could see it
        pieces = Pieces()
        while True:
            ready = {number for number, _ in self._poll.poll()}
            if 0 in ready:
                data = os.read(0, READ_BYTES)
                if not data:
                    return
                for channel, content in pieces.feed(data):
                    self._deliver(channel, content)
            for number in ready:
                if number in self._sources:  # one that was carried may have shown the end of another
                    self._carry(number)

    def _deliver(self, channel: int, data: bytes) -> None:
        if channel in self._sinks:
            with contextlib.suppress(OSError):  # who is gone hears nothing; that it is gone is told
                self._sinks[channel].sendall(data)
        elif channel == MAIN:
            self._obey(data)

    def _obey(self, order: bytes) -> None:
        if self._setup is None:
            self._setup = Setup(**json.loads(order))
            _require_no_network()
            self._warm_up(self._setup)
            self._tell(MAIN, READY)
        elif order == START:
            self._start_session(self._setup)
        elif order == END:
            self._end_session()
            self._tell(MAIN, END)

    def _carry(self, number: int) -> None:
        """Hand on what is there to be read; before what a process says, the output that it wrote earlier."""
        channel = self._sources[number]
        if channel in self._sinks:
            for output in [output for output, kind in self._sources.items() if kind in (STDOUT, STDERR)]:
                carried = 0
                while carried < MOST_DRAINED and (size := self._carry_once(output)):
                    carried += size
        self._carry_once(number)

    def _carry_once(self, number: int) -> int:
        try:
            data = os.read(number, READ_BYTES)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(number)
            channel = self._sources.pop(number)
            if channel not in self._sinks:
                os.close(number)
                return 0
        else:
            channel = self._sources[number]
        self._tell(channel, data)
        return len(data)

    def _tell(self, channel: int, data: bytes) -> None:
        message = memoryview(piece(channel, data))
        while message:
            message = message[os.write(1, message) :]

    # Sessions ------------------------------------------------------------------------------------------------------

    def _warm_up(self, setup: Setup) -> None:
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        self._variables = main.__dict__
        gc.disable()  # what is imported stays: looking for garbage in it takes a sixth of the time
        for name in setup.preload:
            importlib.import_module(name)
        exec(compile(setup.prelude, "<prelude>", "exec"), self._variables)
        gc.freeze()
        gc.enable()

    def _start_session(self, setup: Setup) -> None:
        """Fork the init of a session, which forks the worker."""
        Path(rootfs.WORK).mkdir()
        pairs = {WORKER: socket.socketpair(), INIT: socket.socketpair()}
        pipes = {STDOUT: os.pipe(), STDERR: os.pipe()}
        given = [pairs[INIT][1].detach(), pairs[WORKER][1].detach(), pipes[STDOUT][1], pipes[STDERR][1]]
        if os.fork() == 0:
            for ours, _ in pairs.values():
                ours.close()
            for number, _ in pipes.values():
                os.close(number)
            run_child(lambda: become_session(setup, self._variables, given))
        for number in given:
            os.close(number)
        self._sinks = {channel: pair[0] for channel, pair in pairs.items()}
        self._sources = {
            **{pair[0].fileno(): channel for channel, pair in pairs.items()},
            **{pipe[0]: channel for channel, pipe in pipes.items()},
        }
        for number in self._sources:
            self._poll.register(number, select.POLLIN)
            if self._sources[number] in pipes:
                os.set_blocking(number, False)

    def _end_session(self) -> None:
        """End all other processes of the container, and remove all files."""
        if os.getpid() != 1:
            raise RuntimeError("all processes would be ended, and this is not a container's first")
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
        for number in self._sources:
            self._poll.unregister(number)
            if self._sources[number] in (STDOUT, STDERR):
                os.close(number)
        for sink in self._sinks.values():
            sink.close()
        self._sources, self._sinks = {}, {}
        for folder in (rootfs.WRITABLE, SHARED_MEMORY):
            empty(Path(folder))


def _require_no_network() -> None:
    """That there is none is the engine's work, and worth a look."""
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    if routes:
        raise RuntimeError(f"the container has a network: {routes[0].split()[0]}")


def empty(folder: Path) -> None:
    """Remove all that is in `folder`, at whatever depth and with whatever rights. Raises OSError."""
    found = list(folder.iterdir())
    moved = 0
    while found:
        path = found.pop()
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
            for inner in path.iterdir():  # a level up: no recursion, no path that gets too long
                if inner.is_dir() and not inner.is_symlink():
                    inner.chmod(0o700)
                moved += 1
                found.append(inner.rename(folder / f".moved-{os.getpid()}-{moved}"))
            path.rmdir()
        else:
            path.unlink()


def main() -> NoReturn:
    """Be a container's first process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # which does nothing to a first process, even from inside
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    sys.argv[:] = [""]
    run_child(lambda: FirstProcess().serve())
