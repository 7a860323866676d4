"""What requests need a backend to be capable of, refused by name before anything is asked."""

from __future__ import annotations

from collections.abc import Collection

from skillforge.errors import UsageError
from skillforge.parts.code import ToolProtocol
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Prompt
from skillforge.pipeline.code import Code

LACKS = {
    "chat": (
        "takes no chat prompts",
        "send raw text instead: -o prompt.format=text where the prompt style has it, or another --prompt; or choose another"
        " --backend",
    ),
    "text": ("takes no text prompts", "choose another --prompt or --backend"),
    "continue": (
        "does not continue an assistant's message, which code in the text of a chat needs after each output",
        "set -o backend.continue_final_message=true where the server can, or choose a prompt style that writes raw text or"
        " calls tools",
    ),
    "tools": ("offers no tools to the model", "choose another --prompt or --backend"),
}
"""Capability that is no sampling setting -> what a backend without it does, and what to do then."""


def needed(sampling: Sampling, prompt: Prompt, code: Code | None) -> frozenset[str]:
    """What requests like `prompt`, and those of later turns, ask of a backend."""
    return sampling.asked() | _needed_of_prompts(prompt, code)


def refuse_lacking(lacking: Collection[str], who: str, backend: str) -> None:
    """Raises UsageError where `who`, which `backend` brings, lacks something."""
    for name in sorted(lacking):
        fix = LACKS[name][1] if name in LACKS else f"leave it out, or see 'skillforge plugins show {backend}'"
        raise UsageError(f"{who} {lack_of(name)}", fix)


def lack_of(name: str) -> str:
    """What is told of a backend or a model without the capability `name`."""
    return LACKS[name][0] if name in LACKS else f"cannot do --{name.replace('_', '-')}"


def _needed_of_prompts(prompt: Prompt, code: Code | None) -> frozenset[str]:
    if isinstance(prompt, str):
        return frozenset({"text"})
    if code is None:
        return frozenset({"chat"})
    return frozenset({"chat", "tools" if isinstance(code.protocol, ToolProtocol) else "continue"})
