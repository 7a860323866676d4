"""The contract of a backend."""

from __future__ import annotations

import asyncio

from skillforge.parts.backend import Backend, Request, Target
from skillforge.parts.model import ModelRef
from skillforge.parts.part import PartOptions
from skillforge.parts.sampling import Sampling
from skillforge.testing.backend_asking import a_prompt
from skillforge.testing.backend_calls import check_calls
from skillforge.testing.declaration import begin
from skillforge.testing.report import CheckResult, Checks, GivenOptions, expect

CAPABILITIES = frozenset(("chat", "text", "continue", "tools", "stream", *Sampling.__struct_fields__))
"""What a backend can say that it is capable of."""


def check_backend(
    part: Backend,
    *,
    options: GivenOptions = None,
    target: Target | None = None,
    limit: float = 120.0,
) -> list[CheckResult]:
    """Check a backend: its declaration, and with a `target` real calls too, each of at most `limit` seconds.

    Not to be called from a running event loop. Raises ContractBroken.
    """
    checks, usable = begin(part, options)
    if usable is None:
        return checks.finish()
    able: frozenset[str] = frozenset()
    names = "'chat', 'text', 'continue', 'tools', 'stream' and names of Sampling fields"
    with checks.check("capabilities", f"return a frozenset of {names}"):
        able = part.capabilities(usable)
        expect(isinstance(able, frozenset), f"it is {type(able).__name__}")
        expect(able <= CAPABILITIES, f"unknown: {', '.join(sorted(map(str, able - CAPABILITIES)))}")
        expect(able & {"chat", "text"}, "neither 'chat' nor 'text' is among them")
        for name in sorted(able & {"continue", "tools"}):
            expect("chat" in able, f"'{name}' is about chats, and 'chat' is not among them")
        expect(part.capabilities(usable) == able, "a second call gives others")
    if not checks.results[-1].ok:
        return checks.finish()
    with checks.check("default_for", "say 'url', 'weights' or None"):
        expect(part.default_for in (None, "url", "weights"), f"it is {part.default_for!r}")
    _check_preview(checks, part, usable, able, target)
    if target is None:
        checks.skip("real calls", "no target was given")
    else:
        asyncio.run(check_calls(checks, part, usable, able, target, limit))
    return checks.finish()


def _check_preview(
    checks: Checks, part: Backend, options: PartOptions, able: frozenset[str], target: Target | None
) -> None:
    address = None if part.default_for == "weights" else "http://127.0.0.1:9/v1"
    where = target or Target(ModelRef("some-model", "some-model"), address)
    with checks.check("preview", "return what would be sent as str, or raise a SkillForgeError", may_refuse=True):
        shown = part.preview(Request(a_prompt(able), Sampling()), where, options)
        expect(isinstance(shown, str) and shown, f"it returned {type(shown).__name__}")
