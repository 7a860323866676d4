"""The file that the output of vLLM goes to."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from skillforge import BackendUnusable, UsageError


class Log:
    """A file that output is added to. `named`: an error names it, so that it has to stay."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.named = False


@contextlib.contextmanager
def log_of(given: str | None) -> Iterator[Log]:
    """The file `given`, or one of our own, which goes with the run unless an error names it."""
    log = Log(_usable(given) if given else _own())
    try:
        yield log
    except BackendUnusable:
        log.named = True
        raise
    finally:
        if not given and not log.named:
            log.path.unlink(missing_ok=True)


def _usable(given: str) -> Path:
    path = Path(given).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        what = f"the log '{given}' cannot be written ({os.strerror(error.errno or 0)})"
        raise UsageError(what, "give another file with -o backend.log=FILE") from None
    return path


def _own() -> Path:
    descriptor, name = tempfile.mkstemp(prefix="skillforge-vllm-", suffix=".log")
    os.close(descriptor)
    return Path(name)
