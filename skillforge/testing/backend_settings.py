"""Settings of sampling in the contract of a backend: whether each has its effect, as far as one answer shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from skillforge.errors import UsageError
from skillforge.parts.backend import Completion
from skillforge.testing.report import Checks, Skip, expect

_LEAVES_ONE_TOKEN = {"top_p": 0.001, "top_k": 1, "min_p": 1.0}
_PENALTIES = {"repetition_penalty": 1.2, "presence_penalty": 0.5, "frequency_penalty": 0.5}
_ROUNDING = 0.25
"""How far two log-probabilities of one token may lie apart: bfloat16 counts logits above 16 in steps of 0.125."""


async def check_settings(checks: Checks, ask: Callable[..., Awaitable[Completion]]) -> None:
    """Check each setting with answers of `ask(prompt_ids=None, **sampling)`, which raises Skip for what the backend is not
    capable of.
    """
    await _draws_as_told(checks, ask)
    await _tells_logprobs(checks, ask)
    await _tells_prompt_logprobs(checks, ask)


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
        _expect_entries(told)
    with checks.check("alternatives", "tell the likeliest tokens, as many as `logprobs` asks for"):
        try:
            completion = await ask(logprobs=2)
        except UsageError as refused:
            raise Skip(f"the backend is not capable of alternatives: {refused.what}") from None
        for each in completion.logprobs or ({},):
            top = each.get("top")
            expect(isinstance(top, dict) and 2 <= len(top) <= 3, f"the likeliest of 2 are {top!r}")


async def _tells_prompt_logprobs(checks: Checks, ask: Callable[..., Awaitable[Completion]]) -> None:
    fix = "return a log-probability for each token of the prompt but the first, and the likeliest tokens in its place"
    with checks.check("prompt_logprobs", fix):
        completion = await ask(prompt_logprobs=2)
        told, count = completion.prompt_logprobs, completion.prompt_tokens
        expect(told, f"prompt_logprobs is {told!r}")
        expect(count in (None, len(told or ()) + 1), f"{len(told or ())} entries came for a prompt of {count} tokens")
        _expect_entries(told)
        for each in told or ():
            top = each.get("top")
            expect(isinstance(top, dict) and 1 <= len(top) <= 3, f"the likeliest of 2 are {top!r}")
    fix = "give an answer that stands at the end of a prompt the log-probabilities that it was generated with"
    with checks.check("scoring", fix):
        written = await ask(temperature=0.0, token_ids=True, logprobs=0, prompt_logprobs=0)
        ids = (*(written.prompt_ids or ()), *(written.token_ids or ()))
        scored = await ask(prompt_ids=ids, prompt_logprobs=0)
        before = [*_values(written.prompt_logprobs), *_values(written.logprobs)]
        now = _values(scored.prompt_logprobs)
        alike = len(now) == len(before) and all(abs(a - b) < _ROUNDING for a, b in zip(now, before, strict=True))
        expect(alike, f"they were {before}, and are {now}")


def _expect_entries(told: list[dict[str, object]] | None) -> None:
    for each in told or ():
        token, logprob = each.get("token"), each.get("logprob")
        expect(isinstance(token, str) and isinstance(logprob, float) and logprob < 0.001, f"one is {each!r}")


def _values(told: list[dict[str, object]] | None) -> list[float]:
    return [value for each in told or () if isinstance(value := each.get("logprob"), float)]
