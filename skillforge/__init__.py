"""SkillForge: measure and improve the skills of language models.

What a plugin author or a script needs is importable from here; each name is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_EXPORTS = {
    "skillforge.errors": (
        "BackendUnusable", "BrokenPlugin", "RequestFailed", "RequestRefused", "SkillForgeError", "UsageError",
    ),
    "skillforge.hookspecs": ("hookimpl",),
    "skillforge.data": ("DataSource", "HubDataset", "Row"),
    "skillforge.parts.backend": ("Backend", "Client", "Completion", "Request", "Target"),
    "skillforge.parts.benchmark": ("Benchmark",),
    "skillforge.parts.command": ("CommandPart",),
    "skillforge.parts.engine": ("Engine", "Shard", "ShardResult"),
    "skillforge.parts.filter": ("Dropped", "Filter"),
    "skillforge.parts.grader": ("Grader", "Verdict"),
    "skillforge.parts.model": ("Model", "ModelRef"),
    "skillforge.parts.part": ("Part", "PartOptions"),
    "skillforge.parts.problem": ("Problem",),
    "skillforge.parts.prompt": ("CodeProtocol", "PromptStyle"),
    "skillforge.parts.sample": ("Sample", "SampleKey"),
    "skillforge.parts.sampling": ("Sampling",),
    "skillforge.parts.sandbox": ("Execution", "Sandbox", "SandboxSession"),
    "skillforge.parts.tracker": ("Tracker",),
    "skillforge.parts.trainer": ("Trainer",),
    "skillforge.parts.transcript": ("Message", "Prompt", "Segment", "Transcript"),
    "skillforge.parts.voter": ("Voter",),
}  # fmt: skip

_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'skillforge' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


if TYPE_CHECKING:
    from skillforge.data import DataSource, HubDataset, Row
    from skillforge.errors import (
        BackendUnusable,
        BrokenPlugin,
        RequestFailed,
        RequestRefused,
        SkillForgeError,
        UsageError,
    )
    from skillforge.hookspecs import hookimpl
    from skillforge.parts.backend import Backend, Client, Completion, Request, Target
    from skillforge.parts.benchmark import Benchmark
    from skillforge.parts.command import CommandPart
    from skillforge.parts.engine import Engine, Shard, ShardResult
    from skillforge.parts.filter import Dropped, Filter
    from skillforge.parts.grader import Grader, Verdict
    from skillforge.parts.model import Model, ModelRef
    from skillforge.parts.part import Part, PartOptions
    from skillforge.parts.problem import Problem
    from skillforge.parts.prompt import CodeProtocol, PromptStyle
    from skillforge.parts.sample import Sample, SampleKey
    from skillforge.parts.sampling import Sampling
    from skillforge.parts.sandbox import Execution, Sandbox, SandboxSession
    from skillforge.parts.tracker import Tracker
    from skillforge.parts.trainer import Trainer
    from skillforge.parts.transcript import Message, Prompt, Segment, Transcript
    from skillforge.parts.voter import Voter
