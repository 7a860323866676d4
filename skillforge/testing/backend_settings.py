"""Settings of sampling in the contract of a backend: whether each has its effect, as far as one answer shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from skillforge.errors import UsageError
from skillforge.parts.backend import Completion
from skillforge.testing.report import Checks, Skip, expect

_LEAVES_ONE_TOKEN = {"top_p": 0.001, "top_k": 1, "min_p": 1.0}
_PENALTIES = {"repetition_penalty": 1.2, "presence_penalty": 0.5, "frequency_penalty": 0.5}


async def check_settings(checks: Checks, ask: Callable[..., Awaitable[Completion]]) -> None:
    """Check each setting with answers of `ask(**sampling)`, which raises Skip for what the backend is not capable of."""
    await _draws_as_told(checks, ask)
    await _tells_logprobs(checks, ask)


async def _draws_as_told(checks: Checks, ask: Callable[..., Awaitable[Completion]]) -> None:
    for name, value in _LEAVES_ONE_TOKEN.items():
        with checks.check(name, f"send {name}: where it leaves one token to draw, the answer is the greedy one"):
            warm = await ask(temperature=1.0, max_tokens=8, **{name: value})
            greedy = await ask(temperature=0.0, max_tokens=8)
            expect(warm.text == greedy.text, f"with {name}={value:g} it is {warm.text!r}, and greedy {greedy.text!r}")
    for name, value in _PENALTIES.items():
        with checks.check(name, f"send {name}"):
            await ask(temperature=1.0, **{name: value})


async def _tells_logprobs(checks: Checks, ask: Callable[..., Awaitable[Completion]]) -> None:
    with checks.check("logprobs", "return a log-probability for each generated token"):
        completion = await ask(logprobs=0)
        told, count = completion.logprobs, completion.completion_tokens
        expect(told, f"logprobs is {told!r}")
        expect(count in (None, len(told or ())), f"{len(told or ())} entries came for {count} tokens")
        for each in told or ():
            token, logprob = each.get("token"), each.get("logprob")
            expect(isinstance(token, str) and isinstance(logprob, float) and logprob < 0.001, f"one is {each!r}")
    with checks.check("alternatives", "tell the likeliest tokens, as many as `logprobs` asks for"):
        try:
            completion = await ask(logprobs=2)
        except UsageError as refused:
            raise Skip(f"the backend is not capable of alternatives: {refused.what}") from None
        for each in completion.logprobs or ({},):
            top = each.get("top")
            expect(isinstance(top, dict) and 2 <= len(top) <= 3, f"the likeliest of 2 are {top!r}")
