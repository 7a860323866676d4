"""The tool loop: the model writes, its code runs, it reads the output and goes on, under budgets.

Each sample goes at its own pace: there are no rounds in which one waits for another. What ends a sample stands in its
`finish_reason`: what the server said of the last turn (`stop`), or

- `length`: its tokens, or the model's context, are used up
- `executions`: it asked for code to be run once more than it may
- `time`: its time is over
- `code-error`: its code failed, and the rules say that this ends it
- `unclosed-code`: it ended within a block of code
- `invented-output`: it wrote an output itself, where no code stood before
"""

from __future__ import annotations

from typing import Any

import msgspec

from skillforge.errors import ContextOverflow
from skillforge.parts.backend import Completion, Request
from skillforge.parts.code import ToolLoop
from skillforge.parts.sample import Sample, TurnIds
from skillforge.parts.sampling import Sampling
from skillforge.rollout.clock import Clock, TimeUp
from skillforge.rollout.code_runner import CodeRunner, Tools
from skillforge.rollout.context import complete_in_context
from skillforge.rollout.conversation import Block, Conversation, conversation
from skillforge.rollout.dispatch import Answer, Dispatcher, GaveUp
from skillforge.rollout.draft import Draft
from skillforge.rollout.job import Job, later_seed, turn_ids


async def tool_loop(
    job: Job, sampling: Sampling, dispatcher: Dispatcher, tools: Tools, clock: Clock, draft: Draft | None = None
) -> Sample:
    """The finished sample of `job`; one that failed for good has state `error`, with what was written until then.

    One whose time is up ends with the turns that are done, and with what `draft` holds of the next.

    Raises BackendUnusable where no request, and SandboxUnusable where no code can succeed.
    """
    async with CodeRunner(tools) as runner:
        return await _Rollout(job, sampling, dispatcher, tools, runner, draft).run(clock)


def first_request(talk: Conversation, sampling: Sampling, seed: int | None, loop: ToolLoop) -> Request:
    """What is sent for the first turn of a sample, in the conversation `talk`."""
    stop = tuple(dict.fromkeys((*sampling.stop, *talk.stop)))
    sampling = msgspec.structs.replace(sampling, stop=stop, max_tokens=_least(sampling.max_tokens, loop.turn_tokens))
    return Request(talk.next_prompt(), sampling, seed, talk.tools, talk.whole)


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


class _Rollout:
    """One sample on its way."""

    def __init__(
        self,
        job: Job,
        sampling: Sampling,
        dispatcher: Dispatcher,
        tools: Tools,
        runner: CodeRunner,
        draft: Draft | None,
    ) -> None:
        self._job = job
        self._draft = draft
        self._dispatcher = dispatcher
        self._loop = tools.loop
        self._runner = runner
        self._talk = conversation(job.prompt, tools.protocol, tools.loop)
        self._first = first_request(self._talk, sampling, job.seed, tools.loop)
        self._max_tokens = sampling.max_tokens
        self._executions = 0
        self._turns = 0
        self._spent = _Spent()

    async def run(self, clock: Clock) -> Sample:
        try:
            async with clock.watching(self._loop.wall_time):
                finish_reason = await self._take_turns()
        except TimeUp:
            finish_reason = "time"
            if self._draft is not None and self._draft.text:
                turn = self._talk.read(Completion(text=self._draft.text, finish_reason=finish_reason))
                self._talk.segments += turn.segments
        except (ContextOverflow, GaveUp) as error:
            return self._job.failed(error, tuple(self._talk.segments), self._spent.attempts)
        return self._job.sample(tuple(self._talk.segments), finish_reason=finish_reason, **self._spent.facts())

    async def _take_turns(self) -> str | None:
        """Turn after turn, until something ends the sample: what this was."""
        while True:
            if (room := self._room()) == 0:
                return "length"
            try:
                answer = await self._ask(room)
            except ContextOverflow:
                if self._turns == 0:
                    raise
                return "length"
            turn = self._talk.read(answer.completion)
            self._talk.add_turn(turn, answer.latency or 0.0, answer.completion.completion_tokens)
            self._turns += 1
            if not turn.blocks:
                return turn.finish_reason
            if (ended := await self._run_all(turn.blocks)) is not None:
                return ended

    def _room(self) -> int | None:
        """Tokens that the next turn may have; None where nothing limits them."""
        left = None if self._max_tokens is None else max(0, self._max_tokens - self._spent.completion_tokens)
        return _least(left, self._loop.turn_tokens)

    async def _ask(self, room: int | None) -> Answer:
        """The next turn. Raises ContextOverflow, GaveUp."""
        sampling = msgspec.structs.replace(self._first.sampling, max_tokens=room)
        if self._turns:
            sampling = msgspec.structs.replace(sampling, prompt_logprobs=None)
        seed = later_seed(self._job.seed, self._turns)
        prompt = self._talk.next_prompt()
        request = msgspec.structs.replace(self._first, prompt=prompt, sampling=sampling, seed=seed)
        answer = await complete_in_context(self._dispatcher, request, self._draft)
        self._spent.add(answer)
        return answer

    async def _run_all(self, blocks: tuple[Block, ...]) -> str | None:
        """Run what a turn asks for. Returns what ends the sample, if something does."""
        if self._executions >= self._loop.max_executions:
            return "executions"
        failed = False
        for block in blocks:
            failed |= not await self._run(block)
        if failed and self._loop.on_error == "stop":
            return "code-error"
        if self._executions >= self._loop.max_executions and not self._loop.last_turn:
            return "executions"
        return None

    async def _run(self, block: Block) -> bool:
        """Run one block and show its output; whether it went well. One that may not be run is answered with why.

        A call with a fault counts as an execution: a model that never gets it right comes to an end.
        """
        if self._executions >= self._loop.max_executions:
            return self._refuse(block, "Error: not run, there are no executions left.")
        self._executions += 1
        if block.fault is not None:
            return self._refuse(block, block.fault)
        execution = await self._runner.run(block.code)
        if execution.status == "sandbox-error":
            raise GaveUp(f"the sandbox failed: {execution.detail or 'without saying why'}", 1)
        shown = self._runner.shown(execution)
        seconds = round(execution.seconds, 6)
        self._talk.add_output(block, shown, self._left, status=execution.status, seconds=seconds)
        return execution.fine

    def _refuse(self, block: Block, fault: str) -> bool:
        self._talk.add_output(block, fault, self._left, status="error")
        return False

    @property
    def _left(self) -> int:
        return self._loop.max_executions - self._executions


class _Spent:
    """What the turns of a sample took together."""

    def __init__(self) -> None:
        self.attempts = 0
        self.completion_tokens = 0
        self._prompt_tokens = 0
        self._counted = True
        self._latency: float | None = None
        self._logprobs: list[dict[str, object]] | None = None
        self._prompt_logprobs: list[dict[str, object]] | None = None
        self._token_ids: tuple[TurnIds, ...] = ()

    def add(self, answer: Answer) -> None:
        completion = answer.completion
        self.attempts += answer.attempts
        if answer.latency is not None:
            self._latency = (self._latency or 0.0) + answer.latency
        self._counted &= completion.completion_tokens is not None and completion.prompt_tokens is not None
        self.completion_tokens += completion.completion_tokens or 0
        self._prompt_tokens += completion.prompt_tokens or 0
        if completion.logprobs is not None:
            self._logprobs = (self._logprobs or []) + completion.logprobs
        self._prompt_logprobs = self._prompt_logprobs or completion.prompt_logprobs
        self._token_ids += turn_ids(completion)

    def facts(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self._prompt_tokens if self._counted else None,
            "completion_tokens": self.completion_tokens if self._counted else None,
            "logprobs": self._logprobs,
            "prompt_logprobs": self._prompt_logprobs,
            "token_ids": self._token_ids,
            "latency": self._latency and round(self._latency, 6),
            "attempts": self.attempts,
        }
