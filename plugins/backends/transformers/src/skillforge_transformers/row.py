"""Row: one request on its way through the model. It keeps all its state, so any batch can go on with it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TypeVar

from skillforge import Completion, Sampling, SkillForgeError
from skillforge_transformers.stops import Stops
from skillforge_transformers.stream import Stream

T = TypeVar("T")

DEFAULT_MAX_TOKENS = 1024
_COLDEST = 1e-5  # below this, dividing by the temperature leaves nothing but the likeliest token


@dataclass(eq=False, slots=True)
class Row:
    """A request as token ids, and what has been generated for it so far.

    `max_tokens` is what was asked for, cut down to what fits in the context. `lead_ids` are prompt tokens that the new
    ones are decoded after, so that a leading space survives where the answer has to go on with the prompt's very text.
    """

    prompt_ids: list[int]
    sampling: Sampling
    max_tokens: int
    seed: int
    stops: Stops
    future: asyncio.Future[Completion]
    lead_ids: list[int] = field(default_factory=list)
    reasoning_opened: bool = False
    whole: bool = False
    """Reasoning stays in the text."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[tuple[int, float, list[tuple[int, float]]]] = field(default_factory=list)
    """Per generated token: its id, its log-probability, and the likeliest (id, log-probability) pairs."""

    finish_reason: str | None = None
    ended_by_token: bool = False
    """The last token is an end mark (EOS, or a stop string that is a token) and no part of the text."""

    stream: Stream | None = None
    """Who is told the answer while it comes."""

    cancelled: bool = False
    submitted: float = field(default_factory=time.monotonic)
    arrived: float = 0.0
    """When it was queued last."""

    first_token: float | None = None
    """Seconds from `submitted` to the first token."""

    @property
    def length(self) -> int:
        """Tokens that the model must read before it writes the next one."""
        return len(self.prompt_ids) + len(self.tokens)

    @property
    def open(self) -> bool:
        """Whether there is more to generate, for somebody who still waits."""
        return self.finish_reason is None and not self.cancelled

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is always taken."""
        temperature = self.sampling.temperature
        return temperature is None or temperature < _COLDEST or self.sampling.top_k == 1

    def resolve(self, outcome: Completion | SkillForgeError) -> None:
        """Hand the outcome to the waiting task. Called in the worker's thread."""
        self.finish_reason = self.finish_reason or "error"
        if self.stream is not None and isinstance(outcome, Completion):
            self.stream.end(outcome.text)
        settle(self.future, outcome)


def settle(future: asyncio.Future[T], outcome: T | SkillForgeError) -> None:
    """Give `future` its result or error, from a thread other than its event loop's."""

    def in_loop() -> None:
        if future.done():
            return
        if isinstance(outcome, SkillForgeError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody waits any more
        future.get_loop().call_soon_threadsafe(in_loop)
