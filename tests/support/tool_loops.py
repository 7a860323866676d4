"""Samples of the tool loop in tests: a scripted server answers, a real sandbox runs the code.

with workbench() as bench:
    rolled = bench.roll("tora", [Reply("```python\\nprint(4)\\n```\\n", stop_reason="```output"), Reply("It is 4.")])
assert rolled.prompts[1] == "..."
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from scripted_server import Reply, Script, ScriptedServer, scripted_server

from skillforge import ModelRef, Problem, PromptStyle, Sample, Sampling, SandboxPool, Target, ToolCall
from skillforge.registry import Registry
from skillforge.rollout.clock import Clock
from skillforge.rollout.code_runner import Tools
from skillforge.rollout.dispatch import Dispatcher
from skillforge.rollout.job import Job
from skillforge.rollout.limiter import Limiter
from skillforge.rollout.tool_loop import tool_loop

QUESTION = "What is 12 * 12?"
SOON = {"Retry-After": "0"}
"""Headers of a fault that is not to slow the tests down."""


class Rolled(msgspec.Struct, frozen=True):
    """A finished sample, and what was asked for it."""

    sample: Sample
    server: ScriptedServer

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Of all requests, without the model's name."""
        return [{name: value for name, value in body.items() if name != "model"} for body in self.server.requests]

    @property
    def prompts(self) -> list[Any]:
        """Of all requests: the text, or the messages."""
        return [body["prompt"] if "prompt" in body else body["messages"] for body in self.bodies]

    @property
    def kinds(self) -> list[str]:
        """Of the segments that follow the prompt."""
        return [segment.kind for segment in self.written]

    @property
    def written(self) -> tuple[Any, ...]:
        """The segments that follow the prompt."""
        return tuple(segment for segment in self.sample.transcript.segments if segment.kind != "prompt")

    @property
    def outputs(self) -> list[str]:
        """What the model was shown."""
        return [segment.text for segment in self.written if segment.kind == "output"]

    @property
    def exact(self) -> str:
        """All that follows the prompt."""
        return "".join(segment.exact for segment in self.written)


class Workbench:
    """An event loop and a sandbox that is open in it."""

    def __init__(self, registry: Registry, runner: asyncio.Runner, pool: SandboxPool) -> None:
        self.runner = runner
        self.pool = pool
        self._registry = registry

    def roll(
        self,
        style: str | PromptStyle,
        replies: Script | Sequence[Reply | dict[str, Any]],
        *,
        options: Mapping[str, Any] = {},
        loop: Mapping[str, Any] = {},
        sampling: Sampling | None = None,
        backend: Mapping[str, Any] = {},
        seed: int | None = None,
        clock: Clock | None = None,
        pool: SandboxPool | None = None,
    ) -> Rolled:
        """One sample in `style` for QUESTION: `loop` goes over the style's budgets and rules."""
        part: PromptStyle = self._registry.get("prompt", style) if isinstance(style, str) else style
        chosen = msgspec.convert(dict(options), part.Options)
        protocol = part.code_protocol(chosen)
        assert protocol is not None
        rules = msgspec.structs.replace(part.tool_loop(chosen), **loop)
        tools = Tools(protocol, rules, part, chosen, pool or self.pool)
        problem = Problem(id="p", question=QUESTION, expected_answer="144")
        job = Job("bench", "test", problem, 0, part.render(problem, (), chosen), seed)
        sampling = sampling or Sampling()
        sampling = msgspec.structs.replace(sampling, stop=(*sampling.stop, *part.stop_strings(chosen)))
        client_part = self._registry.get("backend", "openai")

        async def made(server: ScriptedServer) -> Sample:
            target = Target(ModelRef("mock", "mock"), server.base_url)
            async with client_part.open(target, msgspec.convert(dict(backend), client_part.Options)) as client:
                dispatcher = Dispatcher(client, Limiter(4), retries=3)
                return await tool_loop(job, sampling, dispatcher, tools, clock or Clock())

        with scripted_server(replies) as server:
            sample = self.runner.run(asyncio.wait_for(made(server), 60))
        return Rolled(sample, server)


@contextlib.contextmanager
def workbench() -> Iterator[Workbench]:
    """A workbench with the sandbox `local`."""
    registry = Registry()
    sandbox = registry.get("sandbox", "local")
    with asyncio.Runner() as runner:
        opened = contextlib.AsyncExitStack()
        pool = runner.run(opened.enter_async_context(sandbox.open(sandbox.Options())))
        try:
            yield Workbench(registry, runner, pool)
            assert pool.load().in_use == 0, "a sample has kept its session"
        finally:
            runner.run(opened.aclose())


# How a model asks for code ---------------------------------------------------------------------------------------------

TEXT: dict[str, Any] = {"options": {"python": "text"}, "backend": {"continue_final_message": True}}
RAW: dict[str, Any] = {"options": {"python": "text", "format": "text"}}
TOOLS: dict[str, Any] = {"options": {"python": "tools"}}
"""Settings of `chat`: Python in the text of a chat, in raw text, and as a tool."""

each_chat = pytest.mark.parametrize("settings", [TEXT, RAW, TOOLS], ids=["chat", "text", "tools"])

ANSWER = Reply("It is \\boxed{144}.", stop_reason=None)


def fenced(code: str, **more: Any) -> Reply:
    return Reply(f"```python\n{code}\n```\n", stop_reason="```output", **more)


def tagged(code: str, **more: Any) -> Reply:
    return Reply(f"<llm-code>\n{code}\n", stop_reason="</llm-code>", **more)


def called(*codes: str, **more: Any) -> Reply:
    calls = [call(f"c{number}", f'{{"code": "{code}"}}') for number, code in enumerate(codes, 1)]
    return Reply(None, "tool_calls", tool_calls=calls, **more)


def call(id: str, arguments: str, name: str = "python") -> ToolCall:
    return ToolCall(id, name, arguments)


def asking(settings: dict[str, Any], code: str, **more: Any) -> Reply:
    """A turn of `chat` that asks for `code`, which is to stand in JSON as it is, in the form of `settings`."""
    return called(code, **more) if settings is TOOLS else fenced(code, **more)
