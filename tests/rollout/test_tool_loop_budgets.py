"""Budgets of the tool loop: executions, tokens, time, and the model's context."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_server import Reply
from tool_loops import ANSWER, TEXT, Workbench, asking, each_chat, fenced, tagged

from skillforge import Sampling
from skillforge.rollout.clock import Clock


@each_chat
def test_after_the_last_execution_the_model_writes_once_more(bench: Workbench, settings: dict[str, Any]) -> None:
    replies = [asking(settings, "print(1)"), asking(settings, "print(2)"), ANSWER]
    rolled = bench.roll("chat", replies, loop={"max_executions": 2}, **settings)
    assert (rolled.outputs, rolled.sample.finish_reason) == (["1", "2"], "stop")


@each_chat
def test_code_in_that_turn_is_not_run(bench: Workbench, settings: dict[str, Any]) -> None:
    replies = [asking(settings, "print(1)"), asking(settings, "print(2)")]
    rolled = bench.roll("chat", replies, loop={"max_executions": 1}, **settings)
    assert (rolled.outputs, rolled.sample.finish_reason) == (["1"], "executions")
    assert rolled.kinds[-1] == "code"


@each_chat
def test_without_a_last_turn_the_last_output_is_the_end(bench: Workbench, settings: dict[str, Any]) -> None:
    replies = [asking(settings, "print(1)"), asking(settings, "print(2)")]
    rolled = bench.roll("chat", replies, loop={"max_executions": 2, "last_turn": False}, **settings)
    assert (rolled.outputs, rolled.sample.finish_reason) == (["1", "2"], "executions")
    assert rolled.kinds[-1] == "output"


@each_chat
def test_with_no_execution_code_is_not_run(bench: Workbench, settings: dict[str, Any]) -> None:
    rolled = bench.roll("chat", [asking(settings, "print(1)")], loop={"max_executions": 0}, **settings)
    assert (rolled.outputs, rolled.sample.finish_reason) == ([], "executions")


@pytest.mark.parametrize(
    ("style", "executions"), [("openmath", 6), ("openmath-base", 3), ("tora", 4), ("qwen-math-tir", 10)]
)
def test_presets_that_end_with_their_last_output(bench: Workbench, style: str, executions: int) -> None:
    write = tagged if style.startswith("openmath") else fenced
    rolled = bench.roll(style, [write(f"print({number})") for number in range(executions)])
    assert rolled.outputs == [str(number) for number in range(executions)]
    assert rolled.sample.finish_reason == "executions"


def test_the_model_is_told_that_the_executions_are_used_up(bench: Workbench) -> None:
    replies = [fenced("print(1)"), fenced("print(2)")]
    rolled = bench.roll("tora", replies, loop={"max_executions": 2})
    assert [segment.exact for segment in rolled.written if segment.kind == "output"] == [
        "\n1\n```\n",
        "\n2\n```\n\nReach max function call limit.",
    ]


@each_chat
def test_all_turns_share_the_budget_of_tokens(bench: Workbench, settings: dict[str, Any]) -> None:
    replies = [asking(settings, f"print({n})", usage=(9, tokens)) for n, tokens in enumerate((30, 45, 25))]
    rolled = bench.roll("chat", replies, sampling=Sampling(max_tokens=100), loop={"turn_tokens": 50}, **settings)
    assert [body["max_tokens"] for body in rolled.bodies] == [50, 50, 25]
    assert (rolled.sample.finish_reason, rolled.sample.completion_tokens) == ("length", 100)
    assert rolled.outputs == ["0", "1", "2"]
    turns = [segment.tokens for segment in rolled.written if segment.kind == "code"]
    assert turns == [30, 45, 25]


@each_chat
def test_without_a_word_on_tokens_each_turn_has_them_all(bench: Workbench, settings: dict[str, Any]) -> None:
    replies = [asking(settings, "print(1)"), ANSWER]
    rolled = bench.roll("chat", replies, sampling=Sampling(max_tokens=100), **settings)
    assert [body["max_tokens"] for body in rolled.bodies] == [100, 100]
    assert rolled.sample.completion_tokens is None


@each_chat
@pytest.mark.parametrize("where", ["the model", "its code"])
def test_the_time_of_a_sample_ends_while_it_waits_for(bench: Workbench, settings: dict[str, Any], where: str) -> None:
    code = "print(1)" if where == "the model" else "import time; time.sleep(30)"
    replies = [asking(settings, code), Reply("Too late.", delay=30)]
    rolled = bench.roll("chat", replies, loop={"wall_time": 1.0, "timeout": 60.0}, **settings)
    assert (rolled.sample.state, rolled.sample.finish_reason) == ("done", "time")
    assert rolled.kinds == (["code", "output"] if where == "the model" else ["code"])
    assert len(rolled.bodies) == (2 if where == "the model" else 1)
    assert rolled.server.cancelled == (1 if where == "the model" else 0)


def test_a_clock_from_outside_ends_the_sample_as_well(bench: Workbench) -> None:
    clock = Clock()

    def script(body: dict[str, Any], number: int) -> Reply:
        if number == 1:
            bench.runner.get_loop().call_soon_threadsafe(clock.move, 0.0)
        return fenced("print(1)", delay=30 * number)

    rolled = bench.roll("chat", script, clock=clock, **TEXT)
    assert (rolled.sample.finish_reason, rolled.kinds) == ("time", ["code", "output"])


OVERFLOW = "This model's maximum context length is 100 tokens. However, your request has {} input tokens"
UNTOLD = "max_tokens=900 cannot be greater than max_model_len=100"


@each_chat
def test_a_context_that_the_prompt_alone_fills_is_an_error(bench: Workbench, settings: dict[str, Any]) -> None:
    rolled = bench.roll("chat", [Reply(OVERFLOW.format(120), status=400)], **settings)
    assert rolled.sample.state == "error" and "maximum context length is 100" in (rolled.sample.error or "")
    assert (rolled.written, rolled.sample.attempts) == ((), 1)


@each_chat
def test_a_context_that_is_full_later_ends_the_sample(bench: Workbench, settings: dict[str, Any]) -> None:
    replies = [asking(settings, "print(1)"), Reply(OVERFLOW.format(100), status=400)]
    rolled = bench.roll("chat", replies, **settings)
    assert (rolled.sample.state, rolled.sample.finish_reason, rolled.outputs) == ("done", "length", ["1"])


@each_chat
@pytest.mark.parametrize("turn", [0, 1])
def test_a_context_with_some_room_is_asked_to_fill_it(bench: Workbench, settings: dict[str, Any], turn: int) -> None:
    before = [asking(settings, "print(1)")] * turn
    replies = [*before, Reply(OVERFLOW.format(70), status=400), ANSWER]
    rolled = bench.roll("chat", replies, sampling=Sampling(max_tokens=900), **settings)
    *_, refused, sent_again = rolled.bodies
    assert refused["max_tokens"] == 900 and sent_again == {**refused, "max_tokens": 30}
    assert (rolled.sample.finish_reason, rolled.sample.state) == ("stop", "done")


@each_chat
def test_a_context_whose_room_is_not_told_is_asked_for_less_and_less(
    bench: Workbench, settings: dict[str, Any]
) -> None:
    refusals = [Reply(UNTOLD, status=400)] * 3
    rolled = bench.roll("chat", [*refusals, ANSWER], sampling=Sampling(max_tokens=128), **settings)
    assert [body["max_tokens"] for body in rolled.bodies] == [128, 64, 32, 16]
    assert rolled.sample.finish_reason == "stop"
    hopeless = bench.roll("chat", [Reply(UNTOLD, status=400)] * 4, sampling=Sampling(max_tokens=128), **settings)
    assert (hopeless.sample.state, len(hopeless.bodies)) == ("error", 4)
