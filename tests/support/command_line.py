"""Running the command line in tests: in this process where only the outcome counts, else in one of its own."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import msgspec

from skillforge.cli import main


class Ended(msgspec.Struct, frozen=True):
    """How a command ended."""

    code: int
    out: str
    err: str


def skillforge(*arguments: object) -> Ended:
    """`skillforge ARGUMENTS` in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        mock.patch.object(sys, "argv", ["skillforge", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    return Ended(code, _written(out), _written(err))


def _written(stream: io.TextIOWrapper) -> str:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


@contextlib.contextmanager
def started(*arguments: object, cwd: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """`skillforge ARGUMENTS` in a process of its own, killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "skillforge", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def separately(*arguments: object, cwd: Path, env: Mapping[str, str]) -> Ended:
    """`skillforge ARGUMENTS` in a process of its own, to its end."""
    with started(*arguments, cwd=cwd, env=env) as process:
        out, err = process.communicate(timeout=120)
        return Ended(process.returncode, out, err)
