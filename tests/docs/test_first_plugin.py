"""Runs docs/first-plugin.md as a reader would: writes its files, types its commands, in an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "first-plugin.md"
BLOCK = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables of a fresh virtual environment that sees the packages of this one, so that nothing is installed into it."""
    venv.create(tmp_path / "venv", symlinks=True)
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    here = sysconfig.get_paths()["purelib"]
    # addsitedir also follows the .pth files through which the workspace is installed.
    (site / "workspace.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    scripts = tmp_path / "venv" / "bin"
    for program in ("skillforge", "pip"):
        (scripts / program).write_text(f'#!/bin/sh\nexec "{scripts}/python" -m {program} "$@"\n')
        (scripts / program).chmod(0o755)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return variables | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(tmp_path / "venv"),
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this as "without isolation": hatchling is at hand
        "PIP_NO_DEPENDENCIES": "1",
    }


def test_walk_through(tmp_path: Path, environment: dict[str, str]) -> None:
    outputs: dict[str, str] = {}
    for step in _steps(PAGE.read_text(encoding="utf-8")):
        if isinstance(step, str):
            outputs[step] = _type(step, tmp_path, environment)
        else:
            path, content = step
            assert (tmp_path / path).exists(), f"'plugins new' did not write {path}, which the page replaces"
            (tmp_path / path).write_text(content, encoding="utf-8")
    assert "shop-sums" in outputs["skillforge plugins list --kind benchmark"]
    assert "aisle" in outputs["skillforge plugins show shop-sums"]
    assert "2 passed" in outputs["python -m pytest -q ./skillforge-shop-sums"]
    assert "A kettle costs 34" in outputs["skillforge eval --benchmark shop-sums --dry-run"]
    assert "By aisle" in outputs["skillforge report runs/shop"]


def _steps(page: str) -> Iterator[str | tuple[str, str]]:
    """The commands to type, and the files to write as (path, content), in order."""
    for block in BLOCK.finditer(page):
        if block["file"]:
            yield block["file"], block["text"]
        elif block["language"] == "console":
            yield from (line[2:] for line in block["text"].splitlines() if line.startswith("$ "))


def _type(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, f"$ {command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_page_has_steps() -> None:
    assert len(list(_steps(PAGE.read_text(encoding="utf-8")))) > 10
