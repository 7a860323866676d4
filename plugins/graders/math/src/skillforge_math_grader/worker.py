"""A process that asks sympy, so that neither time nor memory of a hard pair is the caller's.

Sympy's algorithms have no bound on their time, and an alarm does not stop C code: the parent keeps the clock, and kills. A
spare process is kept warm, since importing sympy takes up to a second. The parent is trusted and sends pickled trees; the
worker, which has handled what a hostile text was made into, answers with one byte.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from skillforge_math_grader.tree import Node

LIMIT = 1.0
"""Seconds that a pair may take, with the wait for other threads."""

START_PATIENCE = 0.8
"""Seconds that a pair may take besides, where no process is ready yet; a longer start serves later pairs."""

MEMORY = 256 * 2**20
"""Bytes that a worker may take besides those that sympy takes once it is imported."""

CPU_SECONDS = 10
"""Of one pair: ends a worker whose parent is stopped, or died unnoticed."""

MAX_REQUEST = 60_000
"""Bytes; what is larger may not fit into a pipe, and the parent would wait for a worker that does not read."""

REQUESTS_OF_ONE = 500
"""Sympy's caches grow: after so many pairs a process is replaced."""

_READY, _EQUAL, _DIFFERENT, _UNDECIDED = b"R", b"=", b"!", b"?"
_DECISIONS: dict[bytes, bool | None] = {_EQUAL: True, _DIFFERENT: False, _UNDECIDED: None}


def symbolically_equal(first: Node, second: Node, limit: float = LIMIT) -> tuple[bool | None, float]:
    """Ask sympy whether two expressions are equal; None where it cannot tell, or not within `limit` seconds.

    Also gives the seconds that it took. The first pair, and one after a process was killed from outside, gets
    `START_PATIENCE` more, which do not count.
    """
    if limit <= 0:
        return None, 0.0
    try:
        request = pickle.dumps((first, second))
    except RecursionError:
        return None, 0.0
    lock = _lock
    started = time.monotonic()
    if len(request) > MAX_REQUEST or not lock.acquire(timeout=limit):
        return None, time.monotonic() - started
    try:
        return _workers.decide(request, limit - (time.monotonic() - started))
    finally:
        lock.release()


def is_warm() -> bool:
    """Whether a process is ready to be asked."""
    with _lock:
        return _workers.start().wait(time.monotonic())


def warm_up(patience: float) -> None:
    """Have a process ready, and wait so many seconds for it at most."""
    with _lock:
        _workers.start().wait(time.monotonic() + patience)


class _Worker:
    """One process."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "skillforge_math_grader.worker"]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, bufsize=0)
        assert self._process.stdin and self._process.stdout
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._readable = select.poll()
        self._readable.register(self._answers, select.POLLIN)
        self.is_ready = False
        self.decided = 0

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def wait(self, deadline: float) -> bool:
        """Whether sympy is imported by then."""
        self.is_ready = self.is_ready or self._read(deadline) == _READY
        return self.is_ready

    def decide(self, request: bytes, deadline: float) -> bytes | None:
        """The answer, or None from a process that is dead or too slow."""
        self.decided += 1
        try:
            self._requests.write(len(request).to_bytes(4, "big") + request)
        except OSError:
            return None
        return self._read(deadline)

    def _read(self, deadline: float) -> bytes | None:
        """A byte, None where none comes in time, an empty string where none will come."""
        readable = self._readable.poll(max(deadline - time.monotonic(), 0) * 1000)
        return self._answers.read(1) if readable else None

    def let_go(self) -> None:
        """Close this process's end of the pipes."""
        for stream in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                stream.close()

    def end(self) -> None:
        self._process.kill()
        self.let_go()
        self._process.wait()


class _Workers:
    """The process that is asked, and its spare."""

    def __init__(self) -> None:
        self._current: _Worker | None = None
        self._spare: _Worker | None = None

    def start(self) -> _Worker:
        """The process to ask, which may still be starting."""
        self._current = _living(self._current) or _living(self._spare) or _Worker()
        if self._spare is self._current:
            self._spare = None
        return self._current

    def decide(self, request: bytes, limit: float) -> tuple[bool | None, float]:
        """What sympy says within `limit` seconds, and the seconds that it took."""
        worker = self.start()
        if not worker.wait(time.monotonic() + START_PATIENCE + max(limit - LIMIT, 0.0)):
            return None, 0.0
        self._spare = _living(self._spare) or _Worker()
        answer, started = None, time.monotonic()
        try:
            answer = worker.decide(request, started + limit)
        finally:  # whatever happens, Ctrl-C too, an answer is read by nobody but who asked
            if answer not in _DECISIONS or worker.decided >= REQUESTS_OF_ONE:
                worker.end()
                self._current, self._spare = self._spare, None
        return _DECISIONS.get(answer or _UNDECIDED), time.monotonic() - started

    def all(self) -> list[_Worker]:
        return [worker for worker in (self._current, self._spare) if worker is not None]


def _living(worker: _Worker | None) -> _Worker | None:
    if worker is None or worker.is_alive():
        return worker
    worker.end()
    return None


_lock = threading.Lock()
_workers = _Workers()
_of_parents: list[_Workers] = []


def _forget() -> None:
    """In a forked process: the workers are the parent's, and so is the lock, whoever held it."""
    global _lock, _workers
    for worker in _workers.all():
        worker.let_go()  # so that they hear when their parent ends
    _of_parents.append(_workers)  # a destructor would wait for a process that is not our child
    _lock, _workers = threading.Lock(), _Workers()


def _end_all() -> None:
    for worker in _workers.all():
        worker.end()


os.register_at_fork(after_in_child=_forget)
atexit.register(_end_all)


# In the worker -----------------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer requests from standard input until it ends."""
    requests, answers = sys.stdin.buffer, os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)  # whatever sympy prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    threading.Thread(target=_end_with_parent, args=(requests.fileno(),), daemon=True).start()
    from skillforge_math_grader.symbolic import decide

    _limit(resource.RLIMIT_AS, _size() + MEMORY)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    os.write(answers, _READY)
    while size := requests.read(4):
        first, second = pickle.loads(requests.read(int.from_bytes(size, "big")))
        _limit(resource.RLIMIT_CPU, math.ceil(time.process_time()) + CPU_SECONDS)
        try:
            answer = {True: _EQUAL, False: _DIFFERENT, None: _UNDECIDED}[decide(first, second)]
        except MemoryError:
            os._exit(1)  # what holds the memory may be a cache
        except Exception:
            answer = _UNDECIDED
        os.write(answers, answer)


def _end_with_parent(requests: int) -> None:
    """End the process when the other end of its input is closed, even in the middle of a pair.

    The kernel's PR_SET_PDEATHSIG would end it with the parent's thread that started it.
    """
    ending = select.poll()
    ending.register(requests, 0)
    ending.poll()
    os._exit(0)


def _limit(kind: int, most: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def _size() -> int:
    """Bytes of address space of this process."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    return 2**30


if __name__ == "__main__":
    main()
