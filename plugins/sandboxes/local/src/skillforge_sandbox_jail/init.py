"""The first process of a session: runs no foreign code; ends, counts and watches the processes that do.

The supervisor's orders and this process's events are frames of JSON. Orders: `interrupt` and `kill` (a pid), `sweep` (end
what a cell has left), `restore` (wake a snapshot), `watch` and `rest` (how closely to look at the memory).
Events: `ended` (a worker, with its exit code or signal), `swept`, `oom`.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from contextlib import suppress
from typing import Any

from skillforge_sandbox_jail import processes
from skillforge_sandbox_jail.frames import framed, read_frame

WATCHING, RESTING = 0.05, 0.25
"""Seconds between two looks at the session's memory: while a cell runs, and between cells."""

SWEEP_PATIENCE = 0.3
"""Seconds after which a fork bomb has won against being ended process by process; the whole session is ended then."""

MEASURING_SHARE = 0.25
"""The most of a core's time that exact measuring of memory may take."""


class SessionInit:
    """Waits for orders, ended children and the time to look at the memory."""

    def __init__(self, control: socket.socket, worker: int, memory: int, *, kernel_limits: bool = False) -> None:
        """`kernel_limits`: whether a cgroup of the session holds its memory too, so that nobody need look between cells."""
        self._control = control
        self._workers = {worker}
        self._watched = 0
        self._memory = processes.MemoryGauge(worker)
        self._limit = memory
        self._resting = None if kernel_limits else RESTING
        self._kept: list[int] = []
        self._tick: float | None = None
        self._next_exact = 0.0
        self._child_ended = _wakeups()

    def serve(self) -> None:
        """Go on until the supervisor closes."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._child_ended, select.POLLIN)
        while True:
            ready = dict(poll.poll(None if self._tick is None else 1000 * self._tick))
            if self._child_ended in ready:
                os.read(self._child_ended, 512)
                self._reap()
            if self._control.fileno() in ready:
                try:
                    self._obey(json.loads(read_frame(self._control)))
                except (EOFError, OSError):
                    return
            elif self._tick is not None:
                self._look_for_branch()
                self._check_memory()

    def end_all(self) -> None:
        """End every process of the session, where no namespace ends with this one."""
        while not self._sweep(0, []):
            pass

    def _obey(self, order: dict[str, Any]) -> None:
        do = order["do"]
        if do in ("watch", "rest"):
            self._tick = WATCHING if do == "watch" else self._resting
            self._kept, self._watched = order["keep"], order.get("of", 0)
        elif do == "sweep":
            clean = self._sweep(order["of"], order["keep"])
            self._tell({"event": "swept", "of": order["of"], "clean": clean})
        else:
            number = {"interrupt": signal.SIGINT, "kill": signal.SIGKILL, "restore": signal.SIGUSR2}[do]
            if do == "restore":
                self._workers.add(order["pid"])
            if order["pid"] in processes.descendants():  # the number may come from a worker, which may lie
                with suppress(ProcessLookupError):
                    os.kill(order["pid"], number)

    def _sweep(self, worker: int, keep: list[int]) -> bool:
        """End what `worker` has started, and what has no parent any more; whether all is gone."""
        end = time.monotonic() + SWEEP_PATIENCE
        while found := processes.left_by(worker, keep):
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._reap()
            if time.monotonic() > end:
                return False
        return True

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid in self._workers:
                    code = os.waitstatus_to_exitcode(status)
                    self._tell(
                        {"event": "ended", "of": pid, "code": code if code >= 0 else None, "signal": max(-code, 0)}
                    )

    def _look_for_branch(self) -> None:
        """A branch of the session is not a child of this process: that it has ended shows only when it is looked for."""
        if self._watched and not processes.is_alive(self._watched):
            self._reap()  # it may be a child after all, and then how it has ended is told first
            self._tell({"event": "ended", "of": self._watched})
            self._watched = 0

    def _check_memory(self) -> None:
        now = time.monotonic()
        if self._memory.at_most() <= self._limit or now < self._next_exact:
            return
        begun = time.process_time()
        held = self._memory.measure(enough=self._limit)
        self._next_exact = now + (time.process_time() - begun) / MEASURING_SHARE
        if held > self._limit:
            self._tell({"event": "oom", "bytes": held})
            self._sweep(0, self._kept)

    def _tell(self, event: dict[str, Any]) -> None:
        with suppress(OSError):
            self._control.sendall(framed(json.dumps(event).encode()))


def _wakeups() -> int:
    """A descriptor that becomes readable when a child has ended."""
    ours, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    return ours
