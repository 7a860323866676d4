"""The contracts of a trainer and of an engine."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from skillforge.errors import SkillForgeError
from skillforge.parts.engine import Engine, Shard, ShardResult
from skillforge.parts.model import ModelRef
from skillforge.parts.part import PartOptions
from skillforge.parts.trainer import Trainer
from skillforge.testing.declaration import begin
from skillforge.testing.report import CheckResult, Checks, GivenOptions, expect


def check_trainer(
    part: Trainer,
    *,
    options: GivenOptions = None,
    data: Path | str | None = None,
    base: ModelRef | None = None,
    exercise: bool = True,
) -> list[CheckResult]:
    """Check a trainer: that it refuses missing data, and with `data` and `base` that it trains and can go on.

    Without `exercise` only the declaration is checked. Raises ContractBroken.
    """
    checks, usable = begin(part, options, exercise=exercise)
    if usable is None:
        return checks.finish()
    with tempfile.TemporaryDirectory() as folder:
        _check_missing_data(checks, part, usable, Path(folder) / "refused")
        if data is None or base is None:
            checks.skip("trains", "no data and base model were given")
        else:
            _check_training(checks, part, usable, Path(data), base, Path(folder) / "trained")
    return checks.finish()


def _check_missing_data(checks: Checks, part: Trainer, options: PartOptions, output: Path) -> None:
    missing = output.parent / "no-such-data.jsonl"
    with checks.check("missing data", "raise a SkillForgeError that names the file, before anything is loaded"):
        try:
            part.train(missing, ModelRef("no-such-model", str(output.parent / "no-such-model")), output, options)
        except SkillForgeError as error:
            expect(error.fix, f"the error '{error.what}' does not say what to do")
        else:
            expect(False, f"it trained on {missing.name}, which is not there")


def _check_training(
    checks: Checks, part: Trainer, options: PartOptions, data: Path, base: ModelRef, output: Path
) -> None:
    before = data.read_bytes()
    with checks.check("trains", "return the folder of the checkpoint, inside `output`"):
        checkpoint = part.train(data, base, output, options)
        expect(isinstance(checkpoint, Path), f"it returned {type(checkpoint).__name__}, not Path")
        expect(checkpoint.is_dir(), f"{checkpoint} is not a folder")
        expect(checkpoint.resolve().is_relative_to(output.resolve()), f"{checkpoint} is not inside {output}")
        expect(any(checkpoint.iterdir()), "the checkpoint is empty")
        expect(data.read_bytes() == before, "it changed the training data")
    with checks.check("goes on", "continue, or find the work done, when called again with the same output"):
        again = part.train(data, base, output, options)
        expect(again.is_dir() and any(again.iterdir()), f"{again} is not a checkpoint")


def check_engine(part: Engine, *, options: GivenOptions = None, exercise: bool = True) -> list[CheckResult]:
    """Check an engine by running small commands with it. Without `exercise` only the declaration is checked.

    Raises ContractBroken.
    """
    checks, usable = begin(part, options, exercise=exercise)
    if usable is None:
        return checks.finish()
    with tempfile.TemporaryDirectory() as folder:
        _check_results(checks, part, usable, Path(folder))
        _check_closing(checks, part, usable, Path(folder))
    return checks.finish()


def _shard(number: int, code: str, folder: Path) -> Shard:
    return Shard(number, (sys.executable, "-c", code), folder / f"shard-{number}")


def _check_results(checks: Checks, part: Engine, options: PartOptions, folder: Path) -> None:
    with checks.check("no shards", "yield nothing where there is nothing to run", may_refuse=True):
        results = list(part.run([], options))
        expect(not results, f"no shards gave {len(results)} results")
    with checks.check("reports exit codes", "yield a ShardResult for each shard, with its exit code", may_refuse=True):
        shards = [
            _shard(0, "print('said by shard 0')", folder),
            _shard(1, "import sys; print('said by shard 1'); sys.exit(3)", folder),
        ]
        results = list(part.run(shards, options))
        expect(all(isinstance(result, ShardResult) for result in results), f"it yielded {results!r}")
        found = {result.number: result.exit_code for result in results}
        expect(len(results) == 2 and found == {0: 0, 1: 3}, f"exit codes 0 and 3 came back as {found}")
        for result in results:
            said = result.log.read_text() if result.log.is_file() else ""
            expect(f"said by shard {result.number}" in said, f"what shard {result.number} printed is not in its log")
    with checks.check("a command that is not there", "report it as an exit code, not as an exception", may_refuse=True):
        results = list(part.run([Shard(0, (str(folder / "no-such-command"),), folder / "absent")], options))
        expect(len(results) == 1 and results[0].exit_code != 0, f"it gave {results!r}")


def _check_closing(checks: Checks, part: Engine, options: PartOptions, folder: Path) -> None:
    with checks.check("stops when closed", "end what still runs when the iterator is closed", may_refuse=True):
        mark = folder / "ran-to-its-end"
        code = f"import time; time.sleep(2); open({str(mark)!r}, 'w').close()"
        running = part.run([_shard(0, "pass", folder), _shard(1, code, folder)], options)
        first = next(iter(running))
        expect(first.number == 0, f"the shard that takes long came first ({first!r})")
        close = getattr(running, "close", None)
        expect(close is not None, f"`run` returns {type(running).__name__}, which cannot be closed")
        assert close is not None
        close()
        time.sleep(2.2)
        expect(not mark.exists(), "a shard ran on after the iterator was closed")
