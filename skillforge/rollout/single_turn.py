"""The simplest rollout: ask once, take the answer."""

from __future__ import annotations

import hashlib
import time

import msgspec

from skillforge.parts.backend import Completion, Request
from skillforge.parts.problem import Problem
from skillforge.parts.sample import Sample
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Prompt, Segment, Transcript, prompt_segments
from skillforge.rollout.dispatch import Dispatcher, GaveUp


class Job(msgspec.Struct, frozen=True):
    """One sample to make."""

    benchmark: str
    split: str
    problem: Problem
    sample_index: int
    prompt: Prompt
    seed: int | None


async def single_turn(job: Job, sampling: Sampling, dispatcher: Dispatcher) -> Sample:
    """The finished sample of `job`; one that failed for good has state `error`."""
    try:
        answer = await dispatcher.complete(Request(job.prompt, sampling, job.seed))
    except GaveUp as error:
        return Sample(
            benchmark=job.benchmark,
            split=job.split,
            problem=job.problem,
            sample_index=job.sample_index,
            state="error",
            error=str(error),
            transcript=Transcript(prompt_segments(job.prompt)),
            seed=job.seed,
            attempts=error.attempts,
            finished_at=time.time(),
        )
    completion = answer.completion
    return Sample(
        benchmark=job.benchmark,
        split=job.split,
        problem=job.problem,
        sample_index=job.sample_index,
        transcript=Transcript(prompt_segments(job.prompt) + _written(completion)),
        finish_reason=completion.finish_reason,
        seed=job.seed,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        logprobs=completion.logprobs,
        latency=round(answer.latency, 6),
        attempts=answer.attempts,
        finished_at=round(time.time(), 3),
    )


def sample_seed(run_seed: int | None, problem_id: str, sample_index: int) -> int | None:
    """The seed that one sample is sent: its own, and the same whenever the run is repeated or resumed. 31 bits."""
    if run_seed is None:
        return None
    digest = hashlib.blake2b(f"{run_seed}/{problem_id}/{sample_index}".encode("utf-8", "surrogatepass"), digest_size=4)
    return int.from_bytes(digest.digest(), "big") >> 1


def _written(completion: Completion) -> tuple[Segment, ...]:
    text = Segment("text", completion.text)
    return (text,) if completion.reasoning is None else (Segment("reasoning", completion.reasoning), text)
