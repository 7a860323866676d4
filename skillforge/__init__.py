"""SkillForge: measure and improve the skills of language models.

What a plugin author or a script needs is importable from here; each name is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_EXPORTS = {
    "skillforge.errors": (
        "BackendUnusable", "BrokenPlugin", "CannotVote", "ContextOverflow", "RequestFailed", "RequestRefused",
        "SandboxUnusable", "SkillForgeError", "UsageError",
    ),
    "skillforge.hookspecs": ("hookimpl",),
    "skillforge.data": ("DataSource", "HubDataset", "Row"),
    "skillforge.parts.backend": ("Backend", "Client", "Completion", "Request", "Server", "Target"),
    "skillforge.parts.benchmark": ("Benchmark",),
    "skillforge.parts.command": ("CommandPart",),
    "skillforge.parts.engine": ("Engine", "Shard", "ShardResult"),
    "skillforge.parts.filter": ("Dropped", "Filter"),
    "skillforge.parts.grader": ("Grader", "ModelGrader", "ModelGraderOptions", "Question", "Step", "Verdict"),
    "skillforge.parts.model": ("Model", "ModelRef"),
    "skillforge.parts.part": ("Finding", "Part", "PartOptions"),
    "skillforge.parts.problem": ("Problem",),
    "skillforge.parts.code": ("CodeProtocol", "ToolLoop", "ToolProtocol"),
    "skillforge.parts.prompt": ("PromptStyle",),
    "skillforge.parts.reasoning": ("ReasoningTags",),
    "skillforge.parts.sample": ("Sample", "SampleKey"),
    "skillforge.parts.sampling": ("Sampling",),
    "skillforge.parts.sandbox": (
        "Execution", "OutputListener", "Sandbox", "SandboxLoad", "SandboxPool", "SandboxSession",
    ),
    "skillforge.parts.tracker": ("Tracker",),
    "skillforge.parts.trainer": ("Trainer",),
    "skillforge.parts.transcript": ("Message", "Prompt", "Segment", "ToolCall", "Transcript"),
    "skillforge.parts.voter": ("MAKING", "Ballot", "ModelVoter", "Vote", "VotePlan", "Voter"),
}  # fmt: skip

_HOME = {name: module for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'skillforge' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return ["__version__", *sorted(_HOME)]


if TYPE_CHECKING:
    from skillforge.data import DataSource as DataSource
    from skillforge.data import HubDataset as HubDataset
    from skillforge.data import Row as Row
    from skillforge.errors import BackendUnusable as BackendUnusable
    from skillforge.errors import BrokenPlugin as BrokenPlugin
    from skillforge.errors import CannotVote as CannotVote
    from skillforge.errors import ContextOverflow as ContextOverflow
    from skillforge.errors import RequestFailed as RequestFailed
    from skillforge.errors import RequestRefused as RequestRefused
    from skillforge.errors import SandboxUnusable as SandboxUnusable
    from skillforge.errors import SkillForgeError as SkillForgeError
    from skillforge.errors import UsageError as UsageError
    from skillforge.hookspecs import hookimpl as hookimpl
    from skillforge.parts.backend import Backend as Backend
    from skillforge.parts.backend import Client as Client
    from skillforge.parts.backend import Completion as Completion
    from skillforge.parts.backend import Request as Request
    from skillforge.parts.backend import Server as Server
    from skillforge.parts.backend import Target as Target
    from skillforge.parts.benchmark import Benchmark as Benchmark
    from skillforge.parts.code import CodeProtocol as CodeProtocol
    from skillforge.parts.code import ToolLoop as ToolLoop
    from skillforge.parts.code import ToolProtocol as ToolProtocol
    from skillforge.parts.command import CommandPart as CommandPart
    from skillforge.parts.engine import Engine as Engine
    from skillforge.parts.engine import Shard as Shard
    from skillforge.parts.engine import ShardResult as ShardResult
    from skillforge.parts.filter import Dropped as Dropped
    from skillforge.parts.filter import Filter as Filter
    from skillforge.parts.grader import Grader as Grader
    from skillforge.parts.grader import ModelGrader as ModelGrader
    from skillforge.parts.grader import ModelGraderOptions as ModelGraderOptions
    from skillforge.parts.grader import Question as Question
    from skillforge.parts.grader import Step as Step
    from skillforge.parts.grader import Verdict as Verdict
    from skillforge.parts.model import Model as Model
    from skillforge.parts.model import ModelRef as ModelRef
    from skillforge.parts.part import Finding as Finding
    from skillforge.parts.part import Part as Part
    from skillforge.parts.part import PartOptions as PartOptions
    from skillforge.parts.problem import Problem as Problem
    from skillforge.parts.prompt import PromptStyle as PromptStyle
    from skillforge.parts.reasoning import ReasoningTags as ReasoningTags
    from skillforge.parts.sample import Sample as Sample
    from skillforge.parts.sample import SampleKey as SampleKey
    from skillforge.parts.sampling import Sampling as Sampling
    from skillforge.parts.sandbox import Execution as Execution
    from skillforge.parts.sandbox import OutputListener as OutputListener
    from skillforge.parts.sandbox import Sandbox as Sandbox
    from skillforge.parts.sandbox import SandboxLoad as SandboxLoad
    from skillforge.parts.sandbox import SandboxPool as SandboxPool
    from skillforge.parts.sandbox import SandboxSession as SandboxSession
    from skillforge.parts.tracker import Tracker as Tracker
    from skillforge.parts.trainer import Trainer as Trainer
    from skillforge.parts.transcript import Message as Message
    from skillforge.parts.transcript import Prompt as Prompt
    from skillforge.parts.transcript import Segment as Segment
    from skillforge.parts.transcript import ToolCall as ToolCall
    from skillforge.parts.transcript import Transcript as Transcript
    from skillforge.parts.voter import MAKING as MAKING
    from skillforge.parts.voter import Ballot as Ballot
    from skillforge.parts.voter import ModelVoter as ModelVoter
    from skillforge.parts.voter import Vote as Vote
    from skillforge.parts.voter import VotePlan as VotePlan
    from skillforge.parts.voter import Voter as Voter
