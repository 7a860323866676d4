"""The simplest rollout: ask once, take the answer."""

from __future__ import annotations

from skillforge.errors import ContextOverflow
from skillforge.parts.backend import Completion, Request
from skillforge.parts.sample import Sample
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Segment
from skillforge.rollout.clock import Clock, TimeUp
from skillforge.rollout.dispatch import Dispatcher, GaveUp
from skillforge.rollout.job import Job


async def single_turn(job: Job, sampling: Sampling, dispatcher: Dispatcher, clock: Clock) -> Sample:
    """The finished sample of `job`; one that failed for good has state `error`, one whose time was up is empty."""
    try:
        async with clock.watching(None):
            answer = await dispatcher.complete(Request(job.prompt, sampling, job.seed))
    except TimeUp:
        return job.sample((Segment("text", ""),), finish_reason="time")
    except (ContextOverflow, GaveUp) as error:
        return job.failed(error)
    completion = answer.completion
    return job.sample(
        _written(completion),
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        logprobs=completion.logprobs,
        latency=round(answer.latency, 6),
        attempts=answer.attempts,
    )


def _written(completion: Completion) -> tuple[Segment, ...]:
    text = Segment("text", completion.text)
    return (text,) if completion.reasoning is None else (Segment("reasoning", completion.reasoning), text)
