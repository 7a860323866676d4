"""Accuracy of model folders on forge-arith, greedy and by vote: `python -m skillforge_tiny.measure [FOLDER ...]`.

What `skillforge eval` measures, for the splits and groups of the model cards.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from skillforge.metrics.intervals import wilson
from skillforge_tiny import WEIGHTS, skillforge_model
from skillforge_tiny.python import PYTHON_WEIGHTS
from skillforge_tiny.python import skillforge_model as skillforge_python_model

if TYPE_CHECKING:
    from skillforge import Model, Sample
    from skillforge.metrics.summary import Summary
    from skillforge.pipeline.settings import EvalSettings
    from skillforge_tiny.answers import Form

SPLITS = ("validation", "test", "test-seen")
MODELS: Mapping[Form, Model] = {"text": skillforge_model(), "python": skillforge_python_model()}
"""Form of the answers -> the model whose prompt style and limits fit."""

VOTE_TEMPERATURE: Mapping[Form, float] = {"text": 0.3, "python": 1.0}
"""Form of the answers -> the temperature of samples for a vote, chosen on `validation`."""


class Score(NamedTuple):
    """So many right of so many."""

    right: int
    total: int

    @property
    def share(self) -> float:
        return self.right / self.total

    def __str__(self) -> str:
        """The share with its 95 % interval, in percent."""
        interval = wilson(self.right, self.total)
        assert interval is not None  # a group is made by its first problem
        return f"{_percent(self.share, *interval)} n={self.total}"


def form_of(folder: Path) -> Form:
    """The form of answers that the model in `folder` was trained for."""
    form: Form = json.loads((folder / "training.json").read_text(encoding="utf-8"))["settings"]["form"]
    return form


def settings_for(folder: Path, split: str, size: int, seed: int = 0) -> EvalSettings:
    """The settings of a greedy evaluation of the model in `folder`."""
    from skillforge.pipeline.settings import EvalSettings

    model = MODELS[form_of(folder)]
    return EvalSettings(
        benchmark="forge-arith",
        split=split,
        model=str(folder),
        prompt=model.default_prompt,
        backend=model.default_backend,
        max_tokens=model.default_sampling.max_tokens,
        temperature=0.0,
        options={
            "benchmark": {"size": size, "seed": seed},
            "backend": {**model.default_backend_options, "batch_size": 128},
        },
    )


def measure(settings: EvalSettings, path: Path) -> dict[str, Score]:
    """Scores by group: `all`, then `level 1` and so on, `one step +` and so on, `range small` and so on.

    The run directory `path` is made, or continued.
    """
    from skillforge.runs.directory import RunDirectory

    _evaluate(settings, path)
    run = RunDirectory.open(path)
    verdicts = run.verdicts()
    tally: dict[str, list[bool]] = {"all": []}
    for sample in run.samples():
        for group in _groups(sample):
            tally.setdefault(group, []).append(verdicts[sample.key].state == "correct")
    everything = tally.pop("all")
    ordered = [("all", everything), *sorted(tally.items())]
    return {group: Score(sum(marks), len(marks)) for group, marks in ordered}


def vote(settings: EvalSettings, path: Path, samples: int, temperature: float) -> dict[str, str]:
    """Accuracy of one of `samples` samples, and of their majority, each with its 95 % interval in percent."""
    from msgspec.structs import replace

    summary = _evaluate(replace(settings, repeats=samples, temperature=temperature, seed=0), path)
    one, majority = summary.accuracy, summary.maj_at[str(samples)]
    return {
        f"1 of {samples}": f"{_percent(one.value, one.low, one.high)} n={one.n}",
        f"maj@{samples}": f"{_percent(majority.value, majority.low, majority.high)} n={majority.problems}",
    }


def _evaluate(settings: EvalSettings, path: Path) -> Summary:
    from skillforge.pipeline.evaluate import evaluate
    from skillforge.pipeline.observer import Silent
    from skillforge.pipeline.plan import Plan
    from skillforge.registry import default_registry

    registry = default_registry()
    return evaluate(Plan(settings, registry), path, registry, Silent())


def _groups(sample: Sample) -> Iterator[str]:
    metadata = sample.problem.metadata
    yield from ("all", f"level {metadata['level']}", f"range {metadata['range']}")
    if metadata["level"] == "1":
        yield f"one step {metadata['operations']}"


def _percent(share: float | None, low: float | None, high: float | None) -> str:
    assert share is not None and low is not None and high is not None  # every sample here is graded
    return f"{100 * share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m skillforge_tiny.measure", description=__doc__)
    parser.add_argument(
        "folder", type=Path, nargs="*", default=[WEIGHTS, PYTHON_WEIGHTS], help="default: both of this package"
    )
    parser.add_argument(
        "--split", action="append", choices=("train", *SPLITS), help="repeatable; default: all but train"
    )
    parser.add_argument("--size", type=int, default=1000, help="problems per split (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the problems (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=1, help="also vote over this many samples of each problem")
    parser.add_argument("--runs", type=Path, help="keep the run directories in this folder, and continue those there")
    choice = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as temporary:
        runs: Path = choice.runs or Path(temporary)
        for number, folder in enumerate(choice.folder):
            print(folder, flush=True)
            for split in choice.split or SPLITS:
                asked = settings_for(folder, split, choice.size, choice.seed)
                lines = {group: str(score) for group, score in measure(asked, runs / f"{number}-{split}").items()}
                if choice.samples > 1:
                    path = runs / f"{number}-{split}-{choice.samples}"
                    lines |= vote(asked, path, choice.samples, VOTE_TEMPERATURE[form_of(folder)])
                for group, line in lines.items():
                    print(f"  {split:<11} {group:<13} {line}", flush=True)


if __name__ == "__main__":
    main()
