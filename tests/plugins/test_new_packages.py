"""The packages that `plugins new` writes: each installs, is clean, and passes its tests at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skillforge.kinds import KINDS
from skillforge.scaffold import write_package

pytestmark = pytest.mark.xdist_group("new packages")

NAMES = {kind: f"new-{kind}" for kind in KINDS} | {"grader": "grader", "voter": "7b", "model": "new-2.5-model"}
"""Names that could upset a template too: a kind's own, one that starts with a digit, one with a version."""


def run(*command: str, path: Path | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if path is not None:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(path), os.environ.get("PYTHONPATH"))))
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd)


def succeed(*command: str, path: Path | None = None, cwd: Path | None = None) -> str:
    done = run(*command, path=path, cwd=cwd)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with one package of each kind."""
    folder = tmp_path_factory.mktemp("packages")
    for kind, name in NAMES.items():
        write_package(kind, name, folder, 'Ann "A" O\'Hara')
    yield folder


def install(python: str | Path, *arguments: str) -> None:
    """With uv where it is at hand, for it is faster; as pip does it, from what is here alone."""
    uv = Path(sys.executable).with_name("uv")
    tool = (str(uv), "pip") if uv.exists() else (sys.executable, "-m", "pip")
    target = ("install", "--python", str(python)) if uv.exists() else ("--python", str(python), "install")
    succeed(*tool, *target, "--quiet", "--no-deps", "--no-build-isolation", *arguments)


@pytest.fixture(scope="module")
def installed(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which all of them are installed."""
    folder = tmp_path_factory.mktemp("installed")
    sources = [str(package) for package in sorted(packages.iterdir())]
    install(sys.executable, "--target", str(folder), *sources)
    return folder


def test_their_tests_pass_at_once(packages: Path, installed: Path) -> None:
    tests = [str(package / "tests") for package in sorted(packages.iterdir())]
    pytest_ = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib")
    out = succeed(*pytest_, *tests, path=installed, cwd=packages)
    assert f"{2 * len(KINDS)} passed" in out


def test_all_are_listed_and_work(installed: Path) -> None:
    rows = json.loads(succeed(sys.executable, "-m", "skillforge", "plugins", "list", "--json", path=installed))
    states = {(row["kind"], row["name"]): row["state"] for row in rows}
    assert {states[kind, name] for kind, name in NAMES.items()} == {"ok"}


def test_a_new_benchmark_can_be_evaluated_with_a_new_backend_and_grader(installed: Path, tmp_path: Path) -> None:
    parts = ("--benchmark", "new-benchmark", "--backend", "new-backend", "--grader", "grader", "--prompt", "new-prompt")
    out = tmp_path / "run"
    command = (sys.executable, "-m", "skillforge", "eval", *parts, "--model", "echo", "--out", str(out))
    succeed(*command, path=installed, cwd=tmp_path)
    assert len((out / "samples.jsonl").read_text().splitlines()) == 5


def test_they_are_clean(packages: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed")
    succeed(str(ruff), "check", "--no-cache", str(packages))
    succeed(str(ruff), "format", "--no-cache", "--check", str(packages))


def test_one_installs_editable_in_a_fresh_environment(packages: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    succeed(sys.executable, "-m", "venv", "--without-pip", str(environment))
    python = environment / "bin" / "python"
    (purelib,) = environment.glob("lib/python*/site-packages")
    # The core, pytest and hatchling are taken from here; what is installed goes into the new environment.
    here = next(folder for folder in sys.path if (Path(folder) / "pytest").is_dir())
    (purelib / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    package = packages / "skillforge-new-benchmark"
    install(python, "-e", str(package))
    assert "2 passed" in succeed(str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=package)
    out = succeed(str(python), "-m", "skillforge", "plugins", "check", "skillforge-new-benchmark")
    assert "1 checked, 0 broken" in out
    assert list(purelib.glob("skillforge_new_benchmark-*.dist-info"))
