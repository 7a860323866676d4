"""The contract between SkillForge and its plugins: one hook per kind of part, and a few that tell what happens.

A plugin is a module named by an entry point. The entry point's group says the kind, its name is the part's name:

    [project.entry-points."skillforge.benchmarks"]
    my-set = "skillforge_my_set"

The module states which contract it was written for and implements the hook of that kind:

    from skillforge import Benchmark, Problem, hookimpl

    SKILLFORGE_CONTRACT = 1

    class MySet(Benchmark):
        name = "my-set"
        ...

    @hookimpl
    def skillforge_benchmark():
        return MySet()

A module that brings several parts of one kind takes the argument `name` and returns the part of that name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from skillforge.parts.backend import Backend
    from skillforge.parts.benchmark import Benchmark
    from skillforge.parts.command import CommandPart
    from skillforge.parts.engine import Engine
    from skillforge.parts.filter import Filter
    from skillforge.parts.grader import Grader, Verdict
    from skillforge.parts.model import Model
    from skillforge.parts.prompt import PromptStyle
    from skillforge.parts.sample import Sample
    from skillforge.parts.sandbox import Sandbox
    from skillforge.parts.tracker import Tracker
    from skillforge.parts.trainer import Trainer
    from skillforge.parts.voter import Voter

CONTRACT_VERSION = 1
"""The contract that this file states. It grows by one when a plugin written for the one before may stop working."""

OLDEST_CONTRACT = 1
"""The oldest contract whose plugins still work."""

hookspec = pluggy.HookspecMarker("skillforge")
hookimpl = pluggy.HookimplMarker("skillforge")


# ---------------------------------------------------------------------------------------------------------------
# Parts: each returns one part of its kind.
# ---------------------------------------------------------------------------------------------------------------


@hookspec(firstresult=True)
def skillforge_benchmark(name: str) -> Benchmark | None:
    """A benchmark (group `skillforge.benchmarks`): problems, splits, default prompt and grader."""


@hookspec(firstresult=True)
def skillforge_prompt(name: str) -> PromptStyle | None:
    """A prompt style (group `skillforge.prompts`): how a model family is asked."""


@hookspec(firstresult=True)
def skillforge_model(name: str) -> Model | None:
    """A model (group `skillforge.models`): weights with their defaults."""


@hookspec(firstresult=True)
def skillforge_grader(name: str) -> Grader | None:
    """A grader (group `skillforge.graders`): judges a transcript."""


@hookspec(firstresult=True)
def skillforge_backend(name: str) -> Backend | None:
    """A backend (group `skillforge.backends`): turns a request into a completion."""


@hookspec(firstresult=True)
def skillforge_sandbox(name: str) -> Sandbox | None:
    """A sandbox (group `skillforge.sandboxes`): runs model-written code."""


@hookspec(firstresult=True)
def skillforge_voter(name: str) -> Voter | None:
    """A voter (group `skillforge.voters`): many samples to one answer."""


@hookspec(firstresult=True)
def skillforge_filter(name: str) -> Filter | None:
    """A filter (group `skillforge.filters`): keeps, drops or rewrites a sample."""


@hookspec(firstresult=True)
def skillforge_trainer(name: str) -> Trainer | None:
    """A trainer (group `skillforge.trainers`): training data to a checkpoint."""


@hookspec(firstresult=True)
def skillforge_engine(name: str) -> Engine | None:
    """An engine (group `skillforge.engines`): where shards of work run."""


@hookspec(firstresult=True)
def skillforge_tracker(name: str) -> Tracker | None:
    """A tracker (group `skillforge.trackers`): told of runs and metrics."""


@hookspec(firstresult=True)
def skillforge_command(name: str) -> CommandPart | None:
    """A command (group `skillforge.commands`) of the command line; one named `sandbox.serve` is `skillforge sandbox serve`."""


# ---------------------------------------------------------------------------------------------------------------
# Events: every plugin that the run uses is told; a fault in one is shown once and never harms the run.
# ---------------------------------------------------------------------------------------------------------------


@hookspec
def skillforge_run_started(run: Mapping[str, Any]) -> None:
    """A run begins or is resumed; `run` is the content of run.json."""


@hookspec
def skillforge_sample_finished(sample: Sample, verdict: Verdict) -> None:
    """One sample was stored and judged. Called in the event loop: return at once."""


@hookspec
def skillforge_run_finished(run: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
    """The run is done; `summary` is the content of summary.json."""
