"""Code as calls of a function: several at once, and those that make no sense."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_server import Reply
from tool_loops import ANSWER, TOOLS, Workbench, call, called

from skillforge import ToolCall


def tool_outputs(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(message["tool_call_id"], message["content"]) for message in messages if message["role"] == "tool"]


def test_several_calls_at_once_are_run_in_order(bench: Workbench) -> None:
    rolled = bench.roll("chat", [called("x = 2", "x * 3", "print(x)"), ANSWER], **TOOLS)
    assert tool_outputs(rolled.prompts[1]) == [("c1", ""), ("c2", "6"), ("c3", "2")]
    assert [message["role"] for message in rolled.prompts[1]] == ["user", "assistant", "tool", "tool", "tool"]
    assert len(rolled.prompts[1][1]["tool_calls"]) == 3


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (call("c1", '{"code": "1"}', name="search"), "Error: there is no function 'search', only 'python'."),
        (call("c1", '{"code": "1"'), "Error: the arguments are not a JSON object."),
        (call("c1", "[1]"), "Error: the arguments are not a JSON object."),
        (call("c1", "[" * 100_000), "Error: the arguments are not a JSON object."),
        (call("c1", '{"source": "1"}'), "Error: the argument 'code' is missing or no text."),
        (call("c1", '{"code": 1}'), "Error: the argument 'code' is missing or no text."),
    ],
)
def test_a_call_that_makes_no_sense_is_answered(bench: Workbench, asked: ToolCall, told: str) -> None:
    replies = [Reply(None, "tool_calls", tool_calls=[asked, call("c2", '{"code": "2 + 2"}')]), ANSWER]
    rolled = bench.roll("chat", replies, **TOOLS)
    assert tool_outputs(rolled.prompts[1]) == [("c1", told), ("c2", "4")]
    assert rolled.prompts[1][1]["tool_calls"][0]["function"] == {"name": asked.name, "arguments": asked.arguments}
    assert rolled.sample.finish_reason == "stop"


def test_calls_beyond_the_executions_are_answered_and_not_run(bench: Workbench) -> None:
    rolled = bench.roll("chat", [called("1", "2", "3"), ANSWER], loop={"max_executions": 2}, **TOOLS)
    none_left = "Error: not run, there are no executions left."
    last = "\n\nNo executions are left. Give the final answer now."
    assert tool_outputs(rolled.prompts[1]) == [("c1", "1"), ("c2", f"2{last}"), ("c3", none_left + last)]
    assert [segment.status for segment in rolled.written if segment.kind == "output"] == ["ok", "ok", "error"]


def test_a_model_that_never_gets_its_call_right_comes_to_an_end(bench: Workbench) -> None:
    replies = [Reply(None, "tool_calls", tool_calls=[call("c1", "{", name="python")])] * 4
    rolled = bench.roll("chat", replies, loop={"max_executions": 3}, **TOOLS)
    assert (rolled.sample.finish_reason, len(rolled.bodies)) == ("executions", 4)


def test_a_call_that_was_cut_off_is_not_run(bench: Workbench) -> None:
    rolled = bench.roll("chat", [Reply("Hm.", "length", tool_calls=[call("c1", '{"code": "1"}')])], **TOOLS)
    assert (rolled.sample.finish_reason, rolled.kinds) == ("length", ["text", "code"])


def test_reasoning_before_a_call_is_recorded(bench: Workbench) -> None:
    replies = [Reply("", "tool_calls", tool_calls=[call("c1", '{"code": "1"}')], reasoning="Why?"), ANSWER]
    assert bench.roll("chat", replies, **TOOLS).kinds == ["reasoning", "code", "output", "text"]
