"""The Python that the sessions run in: how it is started, and what it must be able to see."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from skillforge import SandboxUnusable

JAIL = str(Path(__file__).parents[1])
"""The folder that holds the package `skillforge_sandbox_jail`."""

_PLACES = "import json, os, sys; print(json.dumps([sys.prefix, sys.base_prefix, os.path.realpath(sys.executable), *sys.path]))"
_START_LIMIT = 20.0
_FIX = "set sandbox.python to a Python 3.11 or later"

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp/work",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",  # else each thread maps 64 MB of the address space that is limited
    "MPLBACKEND": "Agg",
}
"""All that a session sees of an environment: the same everywhere, and none of the user's."""


def find(python: str) -> str:
    """The path of an interpreter given by path or name. Raises SandboxUnusable."""
    found = shutil.which(python)
    if found is None:
        raise SandboxUnusable(f"cannot start {python}: there is no such program", _FIX)
    return str(Path(found).absolute())


def command(python: str, code: str, *arguments: str) -> list[str]:
    """Run `code`, which may import `skillforge_sandbox_jail`, in a clean interpreter."""
    setup = f"import sys; sys.path.insert(0, {JAIL!r})\n"
    tidy = f"\nsys.path.remove({JAIL!r})\n"
    first, _, rest = code.partition("\n")
    return [python, "-P", "-s", "-c", setup + first + tidy + rest, *arguments]


def environment(preload: Sequence[str], python: str) -> dict[str, str]:
    """ENVIRONMENT, and where this very process finds `preload`, if it is the one whose interpreter is used."""
    if python != sys.executable:
        return ENVIRONMENT
    own = (sys.prefix + os.sep, sys.base_prefix + os.sep)
    folders = {folder for name in preload if (folder := _folder_of(name)) and not folder.startswith(own)}
    return {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path in folders)}


def libraries(python: str, env: dict[str, str]) -> list[str]:
    """The folders that `python` must see to work. Raises SandboxUnusable."""
    try:
        done = subprocess.run([python, "-P", "-s", "-c", _PLACES], env=env, capture_output=True, timeout=_START_LIMIT)
        prefix, base, executable, *path = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise SandboxUnusable(f"cannot start {python}: {error}", _FIX) from error
    packages = [folder for folder in path if Path(folder).name in ("site-packages", "dist-packages")]
    given = env.get("PYTHONPATH", "").split(os.pathsep)
    found = [prefix, base, str(Path(executable).parent), *packages, *given]
    return sorted({str(Path(folder).absolute()) for folder in found if folder and Path(folder).is_dir()})


def require_readable(folders: Sequence[str]) -> None:
    """Raise SandboxUnusable where root's sessions, which without namespaces run as other users, could not read these."""
    if os.geteuid() != 0:
        return
    for folder in folders:
        for place in (Path(folder), *Path(folder).parents):
            if not place.stat().st_mode & 0o001:
                raise SandboxUnusable(
                    f"without namespaces, sessions run as other users, who cannot read {place}",
                    "set sandbox.python to an interpreter that everybody can read",
                )


def _folder_of(module: str) -> str | None:
    """The folder of `sys.path` that a module is found in; importing none."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None or spec.origin is None or not Path(spec.origin).is_absolute():
        return None
    return str(Path(spec.origin).parents[1 if spec.submodule_search_locations else 0])
