"""Hostile programs against the sandbox: those that SkillForge brings, and further ones where they are at hand.

Each runs beside another session. Whatever it does, the other session's state, this machine's files, network, secrets and
processes must be as before (see `skillforge.testing.attacks`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from skillforge.testing.attacks import SUITE

FURTHER = Path(__file__).parents[5] / "shared" / "sandbox" / "attacks"
NOBODY = "4242"
SYSTEM_PYTHON = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
RUN = """
import site, sys
site.addsitedir(sys.argv.pop(1))
sys.path.insert(0, sys.argv.pop(1))
from skillforge.cli import main
main()
"""


def command_for(user: str) -> list[str]:
    """The start of a command line that runs `skillforge` as that user, with what is installed here."""
    if user == "myself":
        return [sys.executable, "-m", "skillforge"]
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("becoming another user needs root and setpriv")
    packages, project = sysconfig.get_path("purelib"), Path(__file__).parents[4]
    python = SYSTEM_PYTHON if Path(SYSTEM_PYTHON).exists() else sys.executable
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    command += ["env", "-i", "PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"]
    command += [python, "-c", RUN, packages, str(project)]
    if subprocess.run([*command, "--version"], capture_output=True, cwd="/").returncode:
        pytest.skip(f"user {NOBODY} cannot read this installation")
    return command


@pytest.mark.parametrize("user", ["myself", NOBODY])
@pytest.mark.parametrize("folder", [SUITE, FURTHER], ids=["own", "further"])
def test_hostile_programs_are_contained(folder: Path, user: str) -> None:
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    command = [*command_for(user), "sandbox", "attack", "--sandbox", "local", "--from", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=900)
    results = json.loads(done.stdout or "[]")
    assert len(results) == len(list(folder.glob("*.py"))), done.stderr
    assert [(result["name"], result["violations"]) for result in results if not result["contained"]] == []
