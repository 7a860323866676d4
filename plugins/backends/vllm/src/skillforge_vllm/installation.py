"""Where vLLM is installed, found without importing it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from skillforge import UsageError

_ASK_SECONDS = 20.0
_VERSION = "import importlib.metadata; print(importlib.metadata.version('vllm'))"
_IS_THERE = "from importlib.util import find_spec; print(find_spec('vllm') is not None)"
_HOW = (
    "install it in an environment of its own and give -o backend.python=ENVIRONMENT/bin/python, "
    "or start `vllm serve` and give its --base-url"
)


def python_with_vllm(given: str | None) -> str:
    """The Python that runs vLLM: the one `given`, this one, or that of the program `vllm`.

    Raises UsageError without one, and where the one `given` has no vLLM.
    """
    if given is None:
        if (found := find_python()) is None:
            raise UsageError("vLLM is not installed where it could be started from", _HOW)
        return found
    python = _chosen(given)
    # By the module, which builds of vLLM under other names have too; what tells nothing shows at its start what it is.
    if _told(_IS_THERE, python, "-P") == "False":
        raise UsageError(f"the option 'backend.python' names a Python without vLLM ({given})", _HOW)
    return python


def find_python() -> str | None:
    """This Python where it has vLLM, else the one of the program `vllm` that PATH leads to."""
    if find_spec("vllm") is not None:
        return sys.executable
    program = shutil.which("vllm")
    return _interpreter_of(Path(program)) if program else None


def version_in(python: str) -> str | None:
    """The version of vLLM that `python` has; None where it has none, or tells none in time."""
    return _told(_VERSION, python, "-I") or None


def _told(program: str, python: str, *how: str) -> str | None:
    """What `program` prints, run by `python`; None where it fails, or takes too long."""
    try:
        told = subprocess.run(
            [python, *how, "-c", program], capture_output=True, text=True, timeout=_ASK_SECONDS, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return told.stdout.strip()


def _chosen(given: str) -> str:
    path = Path(given).expanduser()
    if path.is_dir():
        path = path / "bin" / "python"
    if not os.access(path, os.X_OK) or path.is_dir():
        raise UsageError(f"the option 'backend.python' names no program ({given})", "give ENVIRONMENT/bin/python")
    # Not resolved: a virtual environment is known by the link that its Python is.
    return str(path.absolute())


def _interpreter_of(program: Path) -> str | None:
    """The Python named in the first line of the script `program`."""
    try:
        with program.open("rb") as script:
            words = shlex.split(script.readline(4096).decode())
    except (OSError, ValueError):
        return None
    python = words[0].removeprefix("#!") if words and words[0].startswith("#!") else ""
    return python if "python" in Path(python).name and os.access(python, os.X_OK) else None
