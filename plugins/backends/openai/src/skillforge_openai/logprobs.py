"""Log-probabilities in the two forms that servers answer, as the one form of the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

_T = TypeVar("_T")

IMPOSSIBLE = -9999.0
"""Stands for minus infinity, which JSON cannot hold and servers write as null."""


class _Likely(msgspec.Struct):
    token: str
    logprob: float | None = None


class TokenLogprob(msgspec.Struct):
    """A token of a chat answer."""

    token: str
    logprob: float | None = None
    top_logprobs: list[_Likely] | None = None


class _LikelyInPrompt(_Likely):
    token: str = msgspec.field(name="decoded_token")
    rank: int = 0


PromptLogprobs = list[dict[str, _LikelyInPrompt] | None]
"""vLLM's: for each token of the prompt, what could stand there, by the ids of the tokens."""


class Logprobs(msgspec.Struct):
    """`content` is the form of chat answers, the rest that of text completions; some servers give the first for both."""

    content: list[TokenLogprob] | None = None
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None

    def extended(self, more: Logprobs) -> Logprobs:
        """These, and those of a further piece of the answer."""
        return Logprobs(
            _chained(self.content, more.content),
            _chained(self.tokens, more.tokens),
            _chained(self.token_logprobs, more.token_logprobs),
            _chained(self.top_logprobs, more.top_logprobs),
        )


def _chained(first: list[_T] | None, then: list[_T] | None) -> list[_T] | None:
    return first if then is None else (first or []) + then


def normal_logprobs(given: Logprobs) -> list[dict[str, object]] | None:
    """Per token `{"token": str, "logprob": float, "top": {token: logprob}}`; None where the server gave none."""
    if given.content is not None:
        return [
            {"token": each.token, "logprob": _real(each.logprob), "top": _by_token(each.top_logprobs)}
            for each in given.content
        ]
    if given.tokens is None:
        return None
    count = len(given.tokens)
    logprobs = (given.token_logprobs or []) + [None] * count
    tops = (given.top_logprobs or []) + [None] * count
    return [
        {
            "token": token,
            "logprob": _real(logprob),
            "top": {name: _real(value) for name, value in (top or {}).items()},
        }
        for token, logprob, top in zip(given.tokens, logprobs, tops, strict=False)
    ]


def normal_prompt_logprobs(given: PromptLogprobs, alternatives: int) -> list[dict[str, object]]:
    """The same per token of the prompt but the first, for which null stands."""
    return [_of_prompt(list(likely.values()), alternatives) for likely in given if likely]


def _of_prompt(likely: list[_LikelyInPrompt], alternatives: int) -> dict[str, object]:
    """The first of `likely` is what stands in the prompt; it has its place among the others by its rank."""
    likeliest = sorted(likely, key=lambda each: each.rank)[:alternatives]
    return {"token": likely[0].token, "logprob": _real(likely[0].logprob), "top": _by_token(likeliest)}


def _by_token(likely: Sequence[_Likely] | None) -> dict[str, float]:
    """The first of several tokens with the same text counts: it is the likeliest."""
    found: dict[str, float] = {}
    for each in likely or ():
        found.setdefault(each.token, _real(each.logprob))
    return found


def _real(logprob: float | None) -> float:
    return IMPOSSIBLE if logprob is None else logprob
