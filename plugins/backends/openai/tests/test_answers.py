"""What is read."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge import Message, ReasoningTags, Request, RequestFailed, Sampling, UsageError

TEXT = Request("2 + 2 =", Sampling(logprobs=2))


def test_text_usage_and_finish_reason(lab: SimpleNamespace) -> None:
    choice = {"index": 0, "message": {"content": "4"}, "finish_reason": "content_filter", "unknown": [1]}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, "details": {"cached": 3}}
    completion = lab.ask(lab.http(200, {"choices": [choice], "usage": usage})).completion
    assert (completion.text, completion.finish_reason) == ("4", "content_filter")
    assert (completion.prompt_tokens, completion.completion_tokens) == (9, 1)
    assert (completion.reasoning, completion.logprobs) == (None, None)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}])
def test_missing_usage(lab: SimpleNamespace, usage: Any) -> None:
    body = {"choices": [{"message": {"content": "4"}, "finish_reason": None}], "usage": usage, "error": None}
    completion = lab.ask(lab.http(200, body)).completion
    assert (completion.prompt_tokens, completion.finish_reason) == (None, None)


def test_null_content_is_an_empty_answer(lab: SimpleNamespace) -> None:
    completion = lab.ask(lab.chat(None, "length")).completion
    assert (completion.text, completion.finish_reason) == ("", "length")


def test_content_in_parts(lab: SimpleNamespace) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "4"}]
    assert lab.ask(lab.chat(parts)).completion.text == "4"


@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"choices": None}, {"choices": {}}, [], "text", {"choices": [1]}]
)
def test_an_answer_without_a_choice_can_pass(lab: SimpleNamespace, body: Any) -> None:
    error = lab.ask(lab.http(200, body)).error
    assert isinstance(error, RequestFailed)
    assert not error.connection
    assert not error.throttled


@pytest.mark.parametrize("body", [b"", b"{", b'{"choices": [{"text": "\xff"}]}', b'{"x": ' + b"[" * 100_000])
def test_malformed_json_can_pass(lab: SimpleNamespace, body: bytes) -> None:
    error = lab.ask(lab.http(200, body)).error
    assert isinstance(error, RequestFailed)
    assert "malformed JSON" in str(error)


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_an_answer_that_broke_off_in_the_server_can_pass(lab: SimpleNamespace, reason: str) -> None:
    assert isinstance(lab.ask(lab.chat("half", reason)).error, RequestFailed)


def test_half_characters_and_nan_are_read(lab: SimpleNamespace) -> None:
    body = b'{"choices": [{"message": {"content": "a\\ud83db"}, "logprobs": {"content": [{"token": "a", "logprob": NaN}]}}]}'
    completion = lab.ask(lab.http(200, body)).completion
    assert completion.text == "a?b"
    assert completion.logprobs == [{"token": "a", "logprob": -9999.0, "top": {}}]


# What does not matter may be of any type ------------------------------------------------------------------------------

CALLED = [{"id": "a", "type": None, "function": {"name": "python", "arguments": "{}"}}]
GOOD_USAGE = {"prompt_tokens": 9, "completion_tokens": 1}


@pytest.mark.parametrize("kind", ["message", "text"])
@pytest.mark.parametrize(
    ("choice", "message", "usage"),
    [
        ({"index": None}, {}, {}),
        ({"finish_reason": 5}, {}, {}),
        ({"logprobs": "none"}, {}, {}),
        ({"logprobs": {"content": [{"token": 5}]}, "prompt_logprobs": "x", "token_ids": ["a"]}, {}, {}),
        ({"prompt_token_ids": "x"}, {"reasoning": {"a": 1}}, {}),
        ({}, {"reasoning_content": ["hm"], "refusal": False}, {}),
        ({}, {"content": [{"type": None, "text": "4"}]}, {}),
        ({}, {"tool_calls": CALLED}, {}),
        ({}, {}, {"prompt_tokens": "10", "completion_tokens": 5.5}),
        ({}, {}, "none"),
    ],
)
def test_a_field_of_another_type_costs_itself_alone(
    lab: SimpleNamespace, kind: str, choice: Any, message: Any, usage: Any
) -> None:
    said: dict[str, Any] = {"text": "4"} if kind == "text" else {"message": {"content": "4", **message}}
    usage = {**GOOD_USAGE, **usage} if isinstance(usage, dict) else usage
    body = {"choices": [{"finish_reason": "stop", **said, **choice}], "usage": usage, "prompt_token_ids": 5}
    completion = lab.ask(lab.http(200, body)).completion
    assert (completion.text, completion.reasoning, completion.logprobs) == ("4", None, None)
    assert completion.finish_reason == (None if "finish_reason" in choice else "stop")
    assert len(completion.tool_calls) == (kind == "message" and "tool_calls" in message)
    counted = (9, 1) if usage == GOOD_USAGE else (None, None)
    assert (completion.prompt_tokens, completion.completion_tokens) == counted


@pytest.mark.parametrize(
    "message",
    [
        {"content": 4},
        {"content": [{"type": "text", "text": 4}]},
        {"content": "", "tool_calls": "python"},
        {"content": "", "tool_calls": [{"function": {"name": 5}}]},
        "4",
    ],
)
def test_what_was_said_and_cannot_be_read_is_no_answer(lab: SimpleNamespace, message: Any) -> None:
    error = lab.ask(lab.http(200, {"choices": [{"message": message}]})).error
    assert isinstance(error, RequestFailed)
    assert "JSON of an unknown form" in str(error)


@pytest.mark.parametrize(
    ("sampling", "fields"),
    [
        (Sampling(logprobs=0), {"logprobs": "none"}),
        (Sampling(logprobs=0), {"logprobs": {"content": [{"token": "4", "logprob": "small"}]}}),
        (Sampling(logprobs=1), {"logprobs": {"content": [{"token": "4", "logprob": -1, "top_logprobs": 5}]}}),
        (Sampling(prompt_logprobs=0), {"prompt_logprobs": "none"}),
        (Sampling(token_ids=True), {"token_ids": ["a"]}),
    ],
)
def test_what_was_asked_for_and_cannot_be_read_is_an_error(
    lab: SimpleNamespace, sampling: Sampling, fields: dict[str, Any]
) -> None:
    body = {"choices": [{"message": {"content": "4"}, **fields}]}
    error = lab.ask(lab.http(200, body), request=Request(lab.QUESTION.prompt, sampling)).error
    assert isinstance(error, RequestFailed)
    assert "JSON of an unknown form" in str(error)


@pytest.mark.parametrize("count", [-1, 2**31, 10**30, 5.5, "10", True, [1], None])
def test_a_count_of_tokens_that_is_none_is_not_told(lab: SimpleNamespace, count: Any) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 2**31 - 1}
    completion = lab.ask(lab.http(200, {"choices": [{"message": {"content": "4"}}], "usage": usage})).completion
    assert (completion.text, completion.prompt_tokens, completion.completion_tokens) == ("4", None, 2**31 - 1)


@pytest.mark.parametrize("choice", [{"index": 0, "finish_reason": "stop"}, {}, {"message": None}, {"text": None}])
def test_a_choice_that_says_nothing_at_all_can_pass(lab: SimpleNamespace, choice: Any) -> None:
    error = lab.ask(lab.http(200, {"choices": [choice]})).error
    assert isinstance(error, RequestFailed)
    assert "neither a message nor text" in str(error)


def test_a_refusal_is_text(lab: SimpleNamespace) -> None:
    completion = lab.ask(lab.chat(None, refusal="I will not.")).completion
    assert (completion.text, completion.finish_reason) == ("I will not.", "refusal")
    completion = lab.ask(lab.chat(None, "length", refusal="I will")).completion
    assert (completion.text, completion.finish_reason) == ("I will", "length")


# Reasoning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own(lab: SimpleNamespace, field: str) -> None:
    completion = lab.ask(lab.chat("4", **{field: "Two and two."})).completion
    assert (completion.reasoning, completion.text, completion.finish_reason) == ("Two and two.", "4", "stop")


def test_reasoning_cut_off_in_a_field_of_its_own(lab: SimpleNamespace) -> None:
    completion = lab.ask(lab.chat(None, "length", reasoning_content="Two and")).completion
    assert (completion.reasoning, completion.text, completion.finish_reason) == ("Two and", "", "length")


@pytest.mark.parametrize(
    ("written", "reasoning", "text", "finish_reason"),
    [
        ("4", None, "4", "stop"),
        ("", None, "", "stop"),
        ("<think>hm</think>4", "hm", "4", "stop"),
        ("\n <think>\nhm\n</think>\n\n4", "\nhm\n", "\n\n4", "stop"),
        ("<think></think>4", "", "4", "stop"),
        ("hm</think>4", "hm", "4", "stop"),
        ("</think>4", "", "4", "stop"),
        ("<think>hm", "hm", "", "length"),
        ("  <think>", "", "", "length"),
        ("Well. <think>hm</think>4", "hm", "Well. 4", "stop"),
        ("Well. <think>hm", "Well. <think>hm", "", "length"),
        ("<think>a</think>4<think>b</think>5", "a\nb", "45", "stop"),
        ("a</think>4<think>b</think>5", "a\nb", "45", "stop"),
        ("<think>a</think>4<think>b", "a</think>4<think>b", "", "length"),
        ("<think>a<think>b</think>4", "a<think>b", "4", "stop"),
        ("<think>a</think>4</think>5", "a", "4</think>5", "stop"),
        ("if a <thinking> b", None, "if a <thinking> b", "stop"),
    ],
)
def test_reasoning_between_tags(
    lab: SimpleNamespace, written: str, reasoning: str | None, text: str, finish_reason: str
) -> None:
    completion = lab.ask(lab.chat(written)).completion
    assert (completion.reasoning, completion.text, completion.finish_reason) == (reasoning, text, finish_reason)


@pytest.mark.parametrize(
    ("written", "reasoning", "text", "finish_reason"),
    [
        ("hm", "hm", "", "length"),
        ("hm</think>4", "hm", "4", "stop"),
        ("<think>hm</think>4", "hm", "4", "stop"),
    ],
)
@pytest.mark.parametrize(
    "prompt", ["2 + 2?<think>\n", (Message("user", "2 + 2?"), Message("assistant", "<think>"))], ids=["text", "chat"]
)
def test_a_prompt_that_opens_reasoning(
    lab: SimpleNamespace, prompt: Any, written: str, reasoning: str, text: str, finish_reason: str
) -> None:
    answer = lab.http(200, {"choices": [{"text": written, "finish_reason": "stop"}]})
    answer = answer if isinstance(prompt, str) else lab.chat(written)
    completion = lab.ask(answer, request=Request(prompt, Sampling())).completion
    assert (completion.reasoning, completion.text, completion.finish_reason) == (reasoning, text, finish_reason)


def test_a_question_about_the_tag_opens_nothing(lab: SimpleNamespace) -> None:
    request = Request((Message("user", "What is <think>"),), Sampling())
    assert lab.ask(lab.chat("A tag."), request=request).completion.text == "A tag."


def test_other_tags_and_none(lab: SimpleNamespace) -> None:
    written = "[THINK]a[/THINK]<think>b</think>"
    assert lab.ask(lab.chat(written), reasoning_tags="[THINK], [/THINK]").completion.text == "<think>b</think>"
    for off in (None, "", " "):
        completion = lab.ask(lab.chat(written), reasoning_tags=off).completion
        assert (completion.reasoning, completion.text) == (None, written)


@pytest.mark.parametrize("bad", ["<think>", "a,b,c", "a,", "a,a"])
def test_bad_tags_are_a_usage_error(lab: SimpleNamespace, bad: str) -> None:
    assert isinstance(lab.ask(lab.chat(), reasoning_tags=bad).error, UsageError)


@given(st.lists(st.sampled_from(["<think>", "</think>", "a", " ", "\n", "<", "4"])).map("".join), st.booleans())
def test_nothing_that_was_written_is_lost(written: str, opened: bool) -> None:
    reasoning, text, closed = ReasoningTags("<think>,</think>").split(written, opened)
    kept = (reasoning or "") + text
    assert closed or text == ""
    for char in "a4":
        assert kept.count(char) == written.count(char)


# Log-probabilities ------------------------------------------------------------------------------------------------

CHAT_FORM = {
    "content": [
        {
            "token": "4",
            "logprob": -0.1,
            "bytes": [52],
            "top_logprobs": [{"token": "4", "logprob": -0.1}, {"token": "5", "logprob": -2}],
        },
        {"token": "\ufffd", "logprob": None, "top_logprobs": [{"token": "\ufffd", "logprob": -1}] * 2},
        {"token": "!", "logprob": -3},
    ]
}
CHAT_NORMAL = [
    {"token": "4", "logprob": -0.1, "top": {"4": -0.1, "5": -2.0}},
    {"token": "\ufffd", "logprob": -9999.0, "top": {"\ufffd": -1.0}},
    {"token": "!", "logprob": -3.0, "top": {}},
]
TEXT_FORM = {
    "tokens": [" 4", "!"],
    "token_logprobs": [-0.1, None],
    "top_logprobs": [{" 4": -0.1, " 5": -2}, None],
    "text_offset": [0, 2],
}
TEXT_NORMAL = [
    {"token": " 4", "logprob": -0.1, "top": {" 4": -0.1, " 5": -2.0}},
    {"token": "!", "logprob": -9999.0, "top": {}},
]


@pytest.mark.parametrize(
    ("form", "normal"),
    [
        (CHAT_FORM, CHAT_NORMAL),
        (TEXT_FORM, TEXT_NORMAL),
        ({"tokens": ["4"]}, [{"token": "4", "logprob": -9999.0, "top": {}}]),
        ({"content": []}, []),
    ],
)
def test_log_probabilities_in_one_form(lab: SimpleNamespace, form: Any, normal: Any) -> None:
    outcome = lab.ask(lab.http(200, {"choices": [{"text": " 4!", "logprobs": form}]}), request=TEXT)
    assert outcome.completion.logprobs == normal
    assert json.loads(outcome.sent.body)["logprobs"] == 2
    message = lab.http(200, {"choices": [{"message": {"content": " 4!"}, "logprobs": form}]})
    assert lab.ask(message).completion.logprobs == normal


@pytest.mark.parametrize("form", [{"content": None}, None])
def test_log_probabilities_that_are_not_there(lab: SimpleNamespace, form: Any) -> None:
    message = lab.http(200, {"choices": [{"message": {"content": " 4!"}, "logprobs": form}]})
    assert lab.ask(message).completion.logprobs is None


LIKELIEST = {"logprob": -0.1, "rank": 1, "decoded_token": "4"}
OF_PROMPT = [
    None,
    {"7": {"logprob": -9.5, "rank": 80, "decoded_token": " +"}, "5": LIKELIEST},
    {"5": LIKELIEST},
    {"8": {"logprob": None, "rank": 99, "decoded_token": "!"}, "5": LIKELIEST},
]


@pytest.mark.parametrize("place", ["choice", "answer"])
@pytest.mark.parametrize(("alternatives", "top"), [(0, {}), (1, {"4": -0.1})])
def test_log_probabilities_of_a_prompt(lab: SimpleNamespace, place: str, alternatives: int, top: Any) -> None:
    choice: dict[str, Any] = {"text": " 4!"}
    answer = {"choices": [choice]}
    (choice if place == "choice" else answer)["prompt_logprobs"] = OF_PROMPT
    outcome = lab.ask(lab.http(200, answer), request=Request("2 + 4!", Sampling(prompt_logprobs=alternatives)))
    assert outcome.completion.prompt_logprobs == [
        {"token": " +", "logprob": -9.5, "top": top},
        {"token": "4", "logprob": -0.1, "top": top},
        {"token": "!", "logprob": -9999.0, "top": top},
    ]
    assert json.loads(outcome.sent.body)["prompt_logprobs"] == alternatives


def test_a_prompt_of_one_token_has_no_log_probabilities(lab: SimpleNamespace) -> None:
    answer = lab.http(200, {"choices": [{"text": " 4!", "prompt_logprobs": [None]}]})
    assert lab.ask(answer, request=Request("2", Sampling(prompt_logprobs=0))).completion.prompt_logprobs == []


def test_a_stop_string_that_the_server_leaves_in_is_cut_off(lab: SimpleNamespace) -> None:
    request = Request(TEXT.prompt, Sampling(stop=("\n", "on\n", "the")))
    answer = lab.http(200, {"choices": [{"text": "the cat sat on\n", "finish_reason": "stop"}]})
    completion = lab.ask(answer, request=request).completion
    assert (completion.text, completion.stop, completion.finish_reason) == ("the cat sat ", "on\n", "stop")
