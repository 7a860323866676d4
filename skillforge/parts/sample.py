"""Sample: one attempt at one problem, a line of samples.jsonl."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from skillforge.parts.problem import Problem
from skillforge.parts.transcript import Transcript


class SampleKey(NamedTuple):
    """What identifies a sample within a run: the problem's id and the number of the attempt, from 0.

    (Benchmark and split, the rest of the key, are the same for all samples of one run.)
    """

    problem_id: str
    sample_index: int


class TurnIds(msgspec.Struct, frozen=True):
    """The ids of the tokens of one request, as the model was given them and wrote them."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the model said to one problem, once. Facts only: judgement is a Verdict."""

    benchmark: str
    split: str
    problem: Problem
    sample_index: int
    state: Literal["done", "error"] = "done"
    error: str | None = None
    """Why there is no answer, where state is `error`."""

    transcript: Transcript = Transcript()
    finish_reason: str | None = None
    """`stop`, `length` (cut at max_tokens or by the context), what the server said, or what ended a sample whose code is run:
    see `skillforge.rollout.tool_loop`."""

    seed: int | None = None
    prompt_tokens: int | None = None
    """Of all requests together: with code, each turn sends the turns before it again."""

    completion_tokens: int | None = None
    logprobs: list[dict[str, object]] | None = None
    """Per generated token, where asked for: `{"token": str, "logprob": float, "top": {token: logprob}}`."""

    prompt_logprobs: list[dict[str, object]] | None = None
    """The same of each token of the prompt but the first; of several turns, of the first one's prompt."""

    token_ids: tuple[TurnIds, ...] = ()
    """Of each turn, where asked for; the prompt of a later one holds the turns before it."""

    reward: float | None = None
    """What a reward model gave it, in that model's own scale, where it is known."""

    latency: float | None = None
    """Seconds from sending the request that succeeded to its last byte; of all turns together. None where all that was
    asked came from a cache."""

    attempts: int = 1
    """Requests that were sent, with those that failed; 0 where all that was asked came from a cache."""

    restarts: int = 0
    """How often the sample was begun anew because a vote could not have counted it."""

    finished_at: float = 0.0
    """Unix time in seconds."""

    @property
    def key(self) -> SampleKey:
        return SampleKey(self.problem.id, self.sample_index)

    @property
    def truncated(self) -> bool:
        """Whether the model was cut off before it ended by itself."""
        return self.finish_reason == "length"
