"""What requests need a backend to be capable of, refused by name before anything is asked."""

from __future__ import annotations

from skillforge.errors import UsageError
from skillforge.parts.backend import Backend
from skillforge.parts.code import ToolProtocol
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Prompt
from skillforge.pipeline.code import Code
from skillforge.pipeline.resolve import Chosen

LACKS = {
    "chat": ("takes no chat prompts", "choose another --prompt or --backend"),
    "text": ("takes no text prompts", "choose another --prompt or --backend"),
    "continue": (
        "does not continue an assistant's message, which code in the text of a chat needs after each output",
        "set -o backend.continue_final_message=true where the server can, or choose a prompt style that writes raw text or"
        " calls tools",
    ),
    "tools": ("offers no tools to the model", "choose another --prompt or --backend"),
}
"""Capability that is no sampling setting -> what a backend without it does, and what to do then."""


def refuse_incapable(backend: Chosen, sampling: Sampling, prompt: Prompt, code: Code | None) -> None:
    """Raises UsageError where requests like `prompt`, and those of later turns, need what the backend lacks."""
    part: Backend = backend.part
    for name in sorted((sampling.asked() | _needed_of_prompts(prompt, code)) - part.capabilities(backend.options)):
        if name in LACKS:
            what, fix = LACKS[name]
        else:
            what = f"cannot do --{name.replace('_', '-')}"
            fix = f"leave it out, or see 'skillforge plugins show {part.name}'"
        raise UsageError(f"the backend '{part.name}' {what}", fix)


def _needed_of_prompts(prompt: Prompt, code: Code | None) -> set[str]:
    if isinstance(prompt, str):
        return {"text"}
    if code is None:
        return {"chat"}
    return {"chat", "tools" if isinstance(code.protocol, ToolProtocol) else "continue"}
