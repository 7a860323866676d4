"""A process that asks sympy, so that neither time nor memory of a hard pair is the caller's.

Sympy's algorithms have no bound on their time, and an alarm does not stop C code: the parent keeps the clock, and kills. A
spare process is kept warm, since importing sympy takes most of a second. The parent is trusted and sends pickled trees; the
worker, which has handled what a hostile text was made into, answers with one byte.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import threading
import time

from skillforge_math_grader.tree import Node

LIMIT = 1.0
"""Seconds that a pair may take."""

START_LIMIT = 10.0
"""Seconds that a new process may take until sympy is imported."""

MEMORY = 1 << 30
"""Bytes of address space of a worker; sympy itself takes about a fifth."""

REQUESTS_OF_ONE = 500
"""Sympy's caches grow: after so many pairs a process is replaced."""

_READY, _EQUAL, _DIFFERENT, _UNDECIDED = b"R", b"=", b"!", b"?"
_DECISIONS: dict[bytes, bool | None] = {_EQUAL: True, _DIFFERENT: False, _UNDECIDED: None}


def symbolically_equal(first: Node, second: Node, limit: float = LIMIT) -> bool | None:
    """Ask sympy whether two expressions are equal; None where it cannot tell, or not within `limit` seconds."""
    with _lock:
        return _workers.decide(first, second, limit)


def warm_up() -> None:
    """Start the processes before they are needed."""
    with _lock:
        _workers.start()


class _Worker:
    """One process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "skillforge_math_grader.worker"]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, bufsize=0)
        self._ready = False
        self.requests = 0

    def decide(self, request: bytes, limit: float) -> bytes | None:
        """The answer, or None from a process that is dead or too slow, and is to be killed."""
        if not self._ready and self._read(START_LIMIT) != _READY:
            return None
        self._ready = True
        self.requests += 1
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(len(request).to_bytes(4, "big") + request)
        except OSError:
            return None
        return self._read(limit)

    def _read(self, limit: float) -> bytes | None:
        assert self._process.stdout is not None
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._process.stdout], [], [], left)[0]:
                return self._process.stdout.read(1) or None
        return None

    def end(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        self._process.wait()


class _Workers:
    """The process that is asked, and its spare."""

    def __init__(self) -> None:
        self._current: _Worker | None = None
        self._spare: _Worker | None = None

    def start(self) -> None:
        self._current = self._current or self._spare or _Worker()
        self._spare = _Worker() if self._spare in (None, self._current) else self._spare

    def decide(self, first: Node, second: Node, limit: float) -> bool | None:
        self.start()
        assert self._current is not None
        answer = self._current.decide(pickle.dumps((first, second)), limit)
        if answer not in _DECISIONS or self._current.requests >= REQUESTS_OF_ONE:
            self._current.end()
            self._current = None
            self.start()
        return _DECISIONS.get(answer or _UNDECIDED)

    def end(self) -> None:
        for worker in (self._current, self._spare):
            if worker is not None:
                worker.end()
        self._current = self._spare = None


_lock = threading.Lock()
_workers = _Workers()
_of_parents: list[_Workers] = []


def _forget() -> None:
    """In a forked process: the workers are the parent's, and so is the lock, whoever held it."""
    global _lock, _workers
    _of_parents.append(_workers)  # their destructors must not close what the parent uses
    _lock, _workers = threading.Lock(), _Workers()


os.register_at_fork(after_in_child=_forget)
atexit.register(lambda: _workers.end())


# In the worker ---------------------------------------------------------------------------------------------------------


def main() -> None:
    """Answer requests from standard input until it ends."""
    requests, answers = sys.stdin.buffer, os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)  # whatever sympy prints is no answer
    _bind_to_parent()
    from skillforge_math_grader.symbolic import decide

    _limit_resources()
    os.write(answers, _READY)
    while size := requests.read(4):
        first, second = pickle.loads(requests.read(int.from_bytes(size, "big")))
        try:
            answer = {True: _EQUAL, False: _DIFFERENT, None: _UNDECIDED}[decide(first, second)]
        except (Exception, RecursionError, MemoryError):
            answer = _UNDECIDED
        os.write(answers, answer)


def _bind_to_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _limit_resources() -> None:
    for limit, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))


if __name__ == "__main__":
    main()
