"""Hostile programs against every sandbox: those that SkillForge brings, and further ones where they are at hand.

Each runs beside another session. Whatever it does, the other session's state, this machine's files, network, secrets and
processes must be as before (see `skillforge.testing.attacks`).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from skillforge.registry import default_registry
from skillforge.testing.attacks import SUITE

PROJECT = Path(__file__).parents[2]
FURTHER = PROJECT.parent / "shared" / "sandbox" / "attacks"
NOBODY = "4242"
SYSTEM_PYTHON = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
SOME = [
    pytest.param(SUITE, "myself", id="own-myself"),
    pytest.param(FURTHER, "myself", id="further-myself"),
    pytest.param(FURTHER, NOBODY, id=f"further-{NOBODY}"),
]
RUN = """
import site, sys
site.addsitedir(sys.argv.pop(1))
sys.path.insert(0, sys.argv.pop(1))
from skillforge.cli import main
main()
"""

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="attacks can be judged on Linux only"),
    pytest.mark.xdist_group("attacks"),  # they listen on one port
]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a service that a test starts knows, too, and must not give away."""
    monkeypatch.setenv("SF_CANARY_KEY", secrets.token_hex(16))


def skillforge_of(user: str) -> list[str]:
    """The start of a command line that runs `skillforge` as that user, with what is installed here."""
    if user == "myself":
        return [sys.executable, "-m", "skillforge"]
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("becoming another user needs root and setpriv")
    packages = sysconfig.get_path("purelib")
    python = SYSTEM_PYTHON if Path(SYSTEM_PYTHON).exists() else sys.executable
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    kept = (f"{name}={os.environ[name]}" for name in ("SF_CANARY_KEY", "DOCKER_HOST") if name in os.environ)
    command += ["env", "-i", "PATH=/usr/bin:/bin", *kept]
    command += [python, "-B", "-c", RUN, packages, str(PROJECT)]
    if subprocess.run([*command, "--version"], capture_output=True, cwd="/").returncode:
        pytest.skip(f"user {NOBODY} cannot read this installation")
    return command


def check_contained(skillforge: list[str], folder: Path, *options: str) -> None:
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    command = [*skillforge, "sandbox", "attack", "--from", str(folder), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=900)
    results = json.loads(done.stdout or "[]")
    assert len(results) == len(list(folder.glob("*.py"))), done.stderr
    assert [(result["name"], result["violations"]) for result in results if not result["contained"]] == []


def require(sandbox: str) -> None:
    if sandbox not in {entry.name for entry in default_registry().entries("sandbox")}:
        pytest.skip(f"the sandbox {sandbox} is not installed")


@pytest.mark.parametrize("user", ["myself", NOBODY])
@pytest.mark.parametrize("folder", [SUITE, FURTHER], ids=["own", "further"])
def test_local(folder: Path, user: str) -> None:
    require("local")
    check_contained(skillforge_of(user), folder, "--sandbox", "local")


@pytest.mark.parametrize(("folder", "user"), SOME)
def test_http(folder: Path, user: str) -> None:
    require("http")
    with service(skillforge_of(user)) as address:
        check_contained(skillforge_of(user), folder, "--sandbox", "http", "-o", f"sandbox.base_url={address}")


@pytest.mark.parametrize(("folder", "user"), SOME)
def test_docker(folder: Path, user: str) -> None:
    require("docker")
    if missing := [
        found for found in default_registry().get("sandbox", "docker").diagnose() if found.state == "missing"
    ]:
        assert not os.environ.get("SKILLFORGE_REQUIRE_DOCKER"), missing
        pytest.skip(f"{missing[0].name}: {missing[0].detail}")
    place = os.environ.get("DOCKER_HOST", "").removeprefix("unix://")
    if user == NOBODY and not (place.startswith("/") and Path(place).stat().st_mode & 0o006 == 0o006):
        pytest.skip(f"user {NOBODY} may not use the engine at {place or 'its default address'}")
    check_contained(skillforge_of(user), folder, "--sandbox", "docker")


@contextlib.contextmanager
def service(skillforge: list[str]) -> Iterator[str]:
    """The address of `skillforge sandbox serve`."""
    command = [*skillforge, "sandbox", "serve", "--sandbox", "local", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        try:
            assert process.stdout is not None
            yield next(word for word in process.stdout.readline().split() if word.startswith("http://"))
        finally:
            process.terminate()
