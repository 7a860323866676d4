"""Code: how the code is run that a prompt style's models ask for, resolved from what the user set."""

from __future__ import annotations

import msgspec

from skillforge.errors import UsageError
from skillforge.options import parse
from skillforge.parts.code import CodeProtocol, ToolLoop, ToolProtocol
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.voter import VotePlan
from skillforge.pipeline.resolve import Chosen, choose, default_sandbox
from skillforge.pipeline.settings import EvalSettings
from skillforge.registry import Registry


class Code(msgspec.Struct, frozen=True):
    """How code is run."""

    protocol: CodeProtocol | ToolProtocol
    loop: ToolLoop
    sandbox: Chosen


def find_code(settings: EvalSettings, prompt: Chosen, vote: VotePlan, registry: Registry) -> Code | None:
    """How the code of `prompt` is run; None for a style whose models run none. Raises UsageError for what does not fit."""
    style: PromptStyle = prompt.part
    protocol = style.code_protocol(prompt.options)
    if protocol is None:
        if vote.needs_code:
            raise UsageError(
                f"the voter '{settings.voter}' counts samples that have run code, and models are not asked for any with the"
                f" prompt style '{style.name}'",
                f"choose another --prompt, or see the voter's options: skillforge plugins show {settings.voter}",
            )
        _refuse_needless(settings, style)
        return None
    loop = _loop(settings, prompt, vote)
    told = style.tool_loop(prompt.options).max_executions
    if style.tells_executions and loop.max_executions != told:
        raise UsageError(
            f"the prompt tells the model that it has {told} executions, and rollout.max_executions, or the voter, gives it"
            f" {loop.max_executions}",
            f"set the same with the option of the prompt style (see 'skillforge plugins show {style.name}')",
        )
    sandbox = choose("sandbox", settings.sandbox or default_sandbox(registry), settings, registry)
    return Code(protocol, loop, sandbox)


def _loop(settings: EvalSettings, prompt: Chosen, vote: VotePlan) -> ToolLoop:
    """The user's budgets and rules over the vote's over the prompt style's."""
    style: PromptStyle = prompt.part
    preset = msgspec.to_builtins(style.tool_loop(prompt.options))
    return parse(ToolLoop, {**preset, **vote.loop, **settings.options.get("rollout", {})}, "rollout.")


def _refuse_needless(settings: EvalSettings, style: PromptStyle) -> None:
    given = {"sandbox": settings.sandbox or settings.options.get("sandbox"), "rollout": settings.options.get("rollout")}
    for kind, value in given.items():
        if value:
            raise UsageError(
                f"models are not asked for code with the prompt style '{style.name}', so there is no {kind} to set",
                "leave it out, or choose another --prompt",
            )
