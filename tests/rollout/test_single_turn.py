"""One question, one answer: cut to what the context has room for, and stored with the ids that were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from skillforge import Client, Completion, ContextOverflow, Problem, Request, RequestFailed, Sample, Sampling
from skillforge.parts.sample import TurnIds
from skillforge.registry import Registry
from skillforge.rollout.clock import Clock
from skillforge.rollout.code_runner import Tools
from skillforge.rollout.dispatch import Dispatcher
from skillforge.rollout.draft import Draft
from skillforge.rollout.job import Job
from skillforge.rollout.limiter import Limiter
from skillforge.rollout.single_turn import single_turn
from skillforge.rollout.tool_loop import tool_loop

JOB = Job("bench", "test", Problem(id="p", question="2+2=", expected_answer="4"), 0, "2+2=", 7)
PROMPT: list[dict[str, object]] = [{"token": "=", "logprob": -0.5, "top": {}}]
ANSWER: list[dict[str, object]] = [{"token": "4", "logprob": -0.25, "top": {"4": -0.25}}]


class Narrow(Client):
    """A model whose context has room for so many tokens of an answer, which it tells or not."""

    def __init__(self, room: int, *, tells: bool) -> None:
        self.room = room
        self.tells = tells
        self.asked: list[int | None] = []

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        wanted = request.sampling.max_tokens
        self.asked.append(wanted)
        if wanted is None or wanted > self.room:
            raise ContextOverflow("too long", room=self.room if self.tells else None)
        return Completion(
            text="4", finish_reason="stop", prompt_ids=(1, 2), token_ids=(3,), logprobs=ANSWER, prompt_logprobs=PROMPT
        )


def rolled(client: Client, **sampling: object) -> Sample:
    dispatcher = Dispatcher(client, Limiter(1), 0)
    return asyncio.run(single_turn(JOB, Sampling(**sampling), dispatcher, Clock()))


@pytest.mark.parametrize(("tells", "asked"), [(True, [1024, 300]), (False, [1024, 512, 256])])
def test_an_answer_gets_fewer_tokens_where_the_context_has_no_room_for_all(tells, asked) -> None:
    client = Narrow(300, tells=tells)
    sample = rolled(client, max_tokens=1024)
    assert (sample.state, sample.transcript.answer_text, client.asked) == ("done", "4", asked)


@pytest.mark.parametrize("tells", [True, False])
def test_a_prompt_that_leaves_no_room_costs_one_sample(tells) -> None:
    sample = rolled(Narrow(0, tells=tells), max_tokens=64)
    assert (sample.state, sample.error) == ("error", "too long")


def test_the_ids_of_prompt_and_answer_are_stored() -> None:
    assert rolled(Narrow(300, tells=True), max_tokens=10, token_ids=True).token_ids == (TurnIds((1, 2), (3,)),)


def test_the_log_probabilities_of_prompt_and_answer_are_stored() -> None:
    sample = rolled(Narrow(300, tells=True), max_tokens=10, logprobs=1, prompt_logprobs=0)
    assert (sample.prompt_logprobs, sample.logprobs) == (PROMPT, ANSWER)


class Slow(Client):
    """Writes a few words, and never comes to an end; the first time it breaks off."""

    def __init__(self) -> None:
        self.written = asyncio.Event()
        self.broken = False

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        assert on_text is not None
        on_text("The answer")
        if not self.broken:
            self.broken = True
            raise RequestFailed("broken off", retry_after=0.0)
        on_text(" is 4,")
        self.written.set()
        await asyncio.Event().wait()
        raise AssertionError


def ended_by_time(work: Callable[[Dispatcher, Clock], Coroutine[None, None, Sample]]) -> Sample:
    """What a sample comes to whose time is up while the model writes."""

    async def run() -> Sample:
        client, clock = Slow(), Clock()
        sample = asyncio.create_task(work(Dispatcher(client, Limiter(1), 1), clock))
        await client.written.wait()
        clock.move(asyncio.get_running_loop().time())
        return await sample

    return asyncio.run(run())


def test_an_answer_whose_time_is_up_is_kept_as_far_as_it_is_written() -> None:
    sample = ended_by_time(lambda dispatcher, clock: single_turn(JOB, Sampling(), dispatcher, clock, Draft()))
    assert (sample.finish_reason, sample.transcript.answer_text) == ("time", "The answer is 4,")


def test_so_is_a_turn_of_the_tool_loop() -> None:
    style = Registry().get("prompt", "tora")
    options = style.Options()
    tools = Tools(style.code_protocol(options), style.tool_loop(options), style, options, None)
    sample = ended_by_time(lambda dispatcher, clock: tool_loop(JOB, Sampling(), dispatcher, tools, clock, Draft()))
    assert (sample.finish_reason, sample.transcript.answer_text) == ("time", "The answer is 4,")
