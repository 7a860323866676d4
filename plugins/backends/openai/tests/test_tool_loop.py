"""What a tool loop needs: which stop string ended a turn, whole texts, messages that go on, calls of functions."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import Message, Request, Sampling, ToolCall, ToolProtocol, UsageError
from skillforge_openai import OpenAIBackend, OpenAIOptions

ASKED = (Message("system", "Use Python."), Message("user", "2 + 2?"))
STOPS = Sampling(stop=("```output", "\n```\n"))
UNSENT = "not sent"


def text_answer(lab: SimpleNamespace, text: str, **fields: Any) -> bytes:
    return lab.http(200, {"choices": [{"index": 0, "text": text, "finish_reason": "stop"} | fields]})


# Stop strings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"])
@pytest.mark.parametrize(
    ("told", "finish_reason", "stop"),
    [
        ("```output", "stop", "```output"),
        ("\n```\n", "stop", "\n```\n"),
        (None, "stop", ""),
        (151645, "stop", ""),
        (None, "tool_calls", ""),
        (None, "length", None),
        ("end_turn", "stop", None),
        (UNSENT, "stop", None),
    ],
)
def test_which_stop_string_ended_the_answer(
    lab: SimpleNamespace, field: str, told: Any, finish_reason: str, stop: str | None
) -> None:
    fields = {"finish_reason": finish_reason} | ({} if told == UNSENT else {field: told})
    text = lab.ask(text_answer(lab, "print(4)", **fields), request=Request("2 + 2", STOPS)).completion
    assert (text.text, text.stop) == ("print(4)", stop)
    choice = {"message": {"content": "print(4)"}, **fields}
    chat = lab.ask(lab.http(200, {"choices": [choice]}), request=Request(ASKED, STOPS)).completion
    assert (chat.text, chat.stop) == ("print(4)", stop)


def test_an_odd_stop_reason_harms_nothing(lab: SimpleNamespace) -> None:
    completion = lab.ask(text_answer(lab, "4", stop_reason={"type": "eos"}), request=Request("2 + 2", STOPS)).completion
    assert (completion.text, completion.stop) == ("4", "")


# Whole texts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["<think>hm</think>4", "hm</think>4", "<think>hm", "4"])
def test_reasoning_stays_in_a_whole_text(lab: SimpleNamespace, written: str) -> None:
    for prompt, answer in (("2 + 2?<think>", text_answer(lab, written)), (ASKED, lab.chat(written))):
        completion = lab.ask(answer, request=Request(prompt, Sampling(), whole=True)).completion
        assert (completion.text, completion.reasoning, completion.finish_reason) == (written, None, "stop")


def test_reasoning_in_a_field_of_its_own_is_told_with_a_whole_text(lab: SimpleNamespace) -> None:
    answer = lab.chat("<think>4", reasoning_content="hm")
    completion = lab.ask(answer, request=Request(ASKED, Sampling(), whole=True)).completion
    assert (completion.text, completion.reasoning) == ("<think>4", "hm")


# Messages that go on ----------------------------------------------------------------------------------------------


def test_an_assistants_message_is_continued_where_the_server_can(lab: SimpleNamespace) -> None:
    begun = Request((*ASKED, Message("assistant", "```python\nprint(4)\n```\n")), Sampling())
    body = json.loads(lab.ask(lab.chat(), request=begun, continue_final_message=True).sent.body)
    assert body["messages"][-1] == {"role": "assistant", "content": "```python\nprint(4)\n```\n"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    plain = lab.ask(lab.chat(), request=Request(ASKED, Sampling()), continue_final_message=True).sent.body
    assert plain == lab.ask(lab.chat(), request=Request(ASKED, Sampling())).sent.body


def test_continuing_is_a_capability_of_servers_that_are_said_to_have_it() -> None:
    assert "continue" not in OpenAIBackend().capabilities(OpenAIOptions())
    assert "continue" in OpenAIBackend().capabilities(OpenAIOptions(continue_final_message=True))


# Calls of functions -----------------------------------------------------------------------------------------------


def calls(*made: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [{"type": "function", **call} for call in made]}


def test_tools_are_offered_in_openais_form(lab: SimpleNamespace) -> None:
    tool = ToolProtocol(name="python", description="Runs code.", argument="code")
    sent = lab.ask(lab.chat(), request=Request(ASKED, Sampling(), tools=(tool,))).sent
    assert json.loads(sent.body)["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "python",
                "description": "Runs code.",
                "parameters": {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
            },
        }
    ]


def test_calls_and_their_answers_are_sent_to_the_byte(lab: SimpleNamespace) -> None:
    call = ToolCall("c1", "python", '{"code": "print(4)"}')
    prompt = (
        Message("user", "2 + 2?"),
        Message("assistant", "", (call,)),
        Message("tool", "4\n", tool_call_id="c1"),
        Message("assistant", "Once more.", (call, ToolCall("c2", "python", "no JSON"))),
    )
    sent = lab.ask(lab.chat(), request=Request(prompt, Sampling())).sent
    one = r'{"id":"c1","type":"function","function":{"name":"python","arguments":"{\"code\": \"print(4)\"}"}}'
    two = r'{"id":"c2","type":"function","function":{"name":"python","arguments":"no JSON"}}'
    assert sent.body.decode() == (
        '{"model":"m","messages":[{"role":"user","content":"2 + 2?"},'
        '{"role":"assistant","content":null,"tool_calls":[' + one + "]},"
        r'{"role":"tool","content":"4\n","tool_call_id":"c1"},'
        '{"role":"assistant","content":"Once more.","tool_calls":[' + one + "," + two + "]}]}"
    )


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ('{"code": "print(4)"}', '{"code": "print(4)"}'),
        ("print(4)", "print(4)"),
        ('{"code": "print(', '{"code": "print('),
        ({"code": "print('é')"}, '{"code":"print(\'é\')"}'),
        (None, "{}"),
        ("", ""),
    ],
)
def test_calls_are_read_as_the_model_wrote_them(lab: SimpleNamespace, arguments: Any, read: str) -> None:
    made = calls({"id": "c1", "function": {"name": "python", "arguments": arguments}})
    completion = lab.ask(lab.chat(None, "tool_calls", **made)).completion
    assert completion.tool_calls == (ToolCall("c1", "python", read),)
    assert (completion.text, completion.finish_reason) == ("", "tool_calls")


def test_several_calls_and_calls_without_an_id(lab: SimpleNamespace) -> None:
    function = {"name": "python", "arguments": "{}"}
    made = calls({"id": "c1", "function": function}, {"function": function}, {"id": "", "function": function})
    first = lab.ask(lab.chat("Let me see.", "stop", **made), request=Request(ASKED, Sampling())).completion
    ids = [call.id for call in first.tool_calls]
    later = (*ASKED, Message("assistant", "", first.tool_calls), Message("tool", "4", tool_call_id="c1"))
    second = lab.ask(lab.chat(None, "stop", **made), request=Request(later, Sampling())).completion
    made_up = [*ids[1:], *(call.id for call in second.tool_calls[1:])]
    assert ids[0] == "c1"
    assert len(set(made_up)) == 4
    assert all(len(each) == 9 and each.isalnum() for each in made_up)  # what Mistral's templates take
    assert first.text == "Let me see."


def test_a_call_of_nothing_is_still_a_call(lab: SimpleNamespace) -> None:
    completion = lab.ask(lab.chat(None, "tool_calls", tool_calls=[{"id": "c1"}])).completion
    assert completion.tool_calls == (ToolCall("c1", "", "{}"),)


@pytest.mark.parametrize("none", [[], None])
def test_no_calls(lab: SimpleNamespace, none: Any) -> None:
    assert lab.ask(lab.chat("4", tool_calls=none)).completion.tool_calls == ()


def test_tools_with_raw_text_are_a_usage_error(lab: SimpleNamespace) -> None:
    outcome = lab.ask(lab.chat(), request=Request("2 + 2", Sampling(), tools=(ToolProtocol(),)))
    assert isinstance(outcome.error, UsageError)
    assert not outcome.server.received
