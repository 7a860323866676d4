"""The simplest rollout: ask once, take the answer."""

from __future__ import annotations

from skillforge.errors import ContextOverflow
from skillforge.parts.backend import Completion, Request
from skillforge.parts.sample import Sample
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Segment
from skillforge.rollout.clock import Clock, TimeUp
from skillforge.rollout.context import complete_in_context
from skillforge.rollout.dispatch import Dispatcher, GaveUp
from skillforge.rollout.draft import Draft
from skillforge.rollout.job import Job, turn_ids


async def single_turn(
    job: Job, sampling: Sampling, dispatcher: Dispatcher, clock: Clock, draft: Draft | None = None
) -> Sample:
    """The finished sample of `job`; one that failed for good has state `error`, one whose time was up what `draft` holds."""
    try:
        async with clock.watching(None):
            answer = await complete_in_context(dispatcher, Request(job.prompt, sampling, job.seed), draft)
    except TimeUp:
        return job.sample((Segment("text", draft.text if draft else ""),), finish_reason="time")
    except (ContextOverflow, GaveUp) as error:
        return job.failed(error)
    completion = answer.completion
    return job.sample(
        _written(completion),
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        logprobs=completion.logprobs,
        prompt_logprobs=completion.prompt_logprobs,
        token_ids=turn_ids(completion),
        latency=answer.latency and round(answer.latency, 6),
        attempts=answer.attempts,
    )


def _written(completion: Completion) -> tuple[Segment, ...]:
    text = Segment("text", completion.text)
    return (text,) if completion.reasoning is None else (Segment("reasoning", completion.reasoning), text)
