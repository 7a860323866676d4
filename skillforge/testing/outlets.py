"""The contracts of a tracker and of a command."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from skillforge.parts.command import CommandPart
from skillforge.parts.part import PartOptions
from skillforge.parts.tracker import Tracker
from skillforge.testing.declaration import begin, check_declaration
from skillforge.testing.report import CheckResult, Checks, GivenOptions, expect
from skillforge.text import one_line


def check_tracker(part: Tracker, *, options: GivenOptions = None, exercise: bool = True) -> list[CheckResult]:
    """Check a tracker by telling it of two small runs, from an empty working directory that is removed afterwards.

    Without `exercise` only the declaration is checked. Raises ContractBroken.
    """
    checks, usable = begin(part, options, exercise=exercise)
    if usable is None:
        return checks.finish()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for number, what in enumerate(("tracks a run", "tracks another run"), 1):
            with checks.check(what, "take start, log and finish in this order, once for each run", may_refuse=True):
                _tell_of_a_run(part, usable, Path(folder) / f"run-{number}")
    return checks.finish()


def _tell_of_a_run(part: Tracker, options: PartOptions, directory: Path) -> None:
    directory.mkdir()
    run = {"name": directory.name, "directory": str(directory), "benchmark": "contract-test", "settings": {"seed": 1}}
    part.start(run, options)
    for step in (1, 2, 10):
        part.log({"accuracy": step / 10, "errors": 0.0, "pass@1": 1.0}, step)
    part.log({}, 11)
    part.finish({"accuracy": 1.0, "samples": 11, "intervals": {"accuracy": [0.9, 1.0]}})


def check_command(part: CommandPart) -> list[CheckResult]:
    """Check a command: that it is one, and that `--help` and a wrong option work. Raises ContractBroken."""
    import click

    checks = Checks(part)
    check_declaration(checks)
    command = None
    with checks.check("command", "return a click.Command from `command`, called as the part is"):
        made = part.command()
        expect(isinstance(made, click.Command), f"it returned {type(made).__name__}")
        command = made
        expect(made.name in (None, part.name, part.name.rpartition(".")[2]), f"it is called {made.name!r}")
    if command is not None:
        _check_invoking(checks, part, command)
    return checks.finish()


def _check_invoking(checks: Checks, part: CommandPart, command: Any) -> None:
    from click.testing import CliRunner

    with checks.check("--help", "give the command a docstring, and do nothing before --help is answered"):
        result = CliRunner().invoke(command, ["--help"], prog_name=f"skillforge {part.name}")
        expect(result.exit_code == 0, f"it ends with {result.exit_code} ({one_line(str(result.exception))})")
        expect(result.output.startswith("Usage:"), f"it prints {one_line(result.output, 80)!r}")
        expect(command.help or command.short_help, "it does not say what the command does")
    with checks.check("a wrong option", "leave the refusal of unknown options to click"):
        result = CliRunner().invoke(command, ["--no-such-option-here"], prog_name=f"skillforge {part.name}")
        expect(result.exit_code == 2, f"it ends with {result.exit_code}, not 2")
