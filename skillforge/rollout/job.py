"""Job: one sample to make."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import msgspec

from skillforge.errors import RequestRefused
from skillforge.parts.backend import Completion
from skillforge.parts.problem import Problem
from skillforge.parts.sample import Sample, TurnIds
from skillforge.parts.transcript import Prompt, Segment, Transcript, prompt_segments
from skillforge.rollout.dispatch import GaveUp


class Job(msgspec.Struct, frozen=True):
    """One sample to make."""

    benchmark: str
    split: str
    problem: Problem
    sample_index: int
    prompt: Prompt
    seed: int | None

    def sample(self, written: tuple[Segment, ...], **facts: Any) -> Sample:
        """The finished sample: `written` follows the prompt."""
        return Sample(
            benchmark=self.benchmark,
            split=self.split,
            problem=self.problem,
            sample_index=self.sample_index,
            transcript=Transcript(prompt_segments(self.prompt) + written),
            seed=self.seed,
            finished_at=round(time.time(), 3),
            **facts,
        )

    def failed(self, error: RequestRefused, written: tuple[Segment, ...] = (), attempts: int = 0) -> Sample:
        """The sample in state `error`, after `attempts` that were made before."""
        attempts += error.attempts if isinstance(error, GaveUp) else 1
        return self.sample(written, state="error", error=str(error), attempts=attempts)


def turn_ids(completion: Completion) -> tuple[TurnIds, ...]:
    """The ids that `completion` came with, as a sample holds them; none where none were asked for."""
    if completion.token_ids is None:
        return ()
    return (TurnIds(completion.prompt_ids or (), completion.token_ids),)


def sample_seed(run_seed: int | None, problem_id: str, sample_index: int) -> int | None:
    """The seed that one sample is sent: its own, and the same whenever the run is repeated or resumed. 31 bits."""
    return None if run_seed is None else _seed(f"{run_seed}/{problem_id}/{sample_index}")


def later_seed(seed: int | None, turn: int) -> int | None:
    """The seed of turn number `turn` (from 0) of a sample; the first has the sample's own."""
    return seed if seed is None or turn == 0 else _seed(f"{seed}/{turn}")


def _seed(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4)
    return int.from_bytes(digest.digest(), "big") >> 1
