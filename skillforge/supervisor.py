"""Runs one server for another process, and leaves nothing of it behind. A program of its own, with the standard library only.

A line of JSON on standard input says what to run. The server's output goes to standard error. What becomes of it is told
on standard output, in lines of JSON. Once standard input has ended, or the process that started this one is gone, however
that came, the server is stopped with all that it started.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

GRACE = 10.0
"""Seconds from SIGTERM to SIGKILL."""

POLL = 0.1
"""Seconds between looks at the server and at who is served."""


def main() -> None:
    served = os.getppid()
    work = json.loads(sys.stdin.buffer.readline() or b"null")
    if work is None:
        return
    _adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        server = subprocess.Popen(
            work["command"],
            env={**os.environ, **work["env"]},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        _tell(fault=getattr(error, "strerror", None) or str(error))
        return
    try:
        _tell(pid=server.pid)
        while server.poll() is None and os.getppid() == served and not select.select([0], [], [], POLL)[0]:
            pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _stop(server)
    _tell(status=server.returncode)


def _tell(**fact: object) -> None:
    with suppress(BrokenPipeError):
        print(json.dumps(fact), flush=True)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server, in good order where it can, and then all that is left of what it started."""
    if server.poll() is None:
        _signal_group(server, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(GRACE)
    _signal_group(server, signal.SIGKILL)
    server.wait()
    while left := _children():
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _signal_group(server: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(server.pid, number)


def _adopt_orphans() -> None:
    """Become the parent of what the server's processes leave behind, in whatever group or session. Linux only."""
    if sys.platform == "linux":
        import ctypes

        pr_set_child_subreaper = 36
        ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def _children() -> list[int]:
    """The processes that this one has to wait for; none where the kernel does not list them."""
    with suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    return []


if __name__ == "__main__":
    main()
