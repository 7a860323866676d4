"""The Responses API: what is sent and what is read, to the byte."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import (
    Client,
    Completion,
    Message,
    ModelRef,
    Request,
    RequestFailed,
    RequestRefused,
    Sampling,
    Target,
    ToolCall,
    ToolProtocol,
    UsageError,
)
from skillforge_openai import OpenAIBackend, OpenAIOptions

RESPONSES = {"api": "responses"}
PLAIN = Sampling()
USER = Message("user", "2 + 2?")
TOOL = ToolProtocol()


def message(*texts: str, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "content": [{"type": "output_text", "text": text, **fields} for text in texts]}


def call(id: str = "c1", arguments: str = '{"code": "2 + 2"}') -> dict[str, Any]:
    return {"type": "function_call", "id": "fc_1", "call_id": id, "name": "python", "arguments": arguments}


def response(*items: dict[str, Any], status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {
        "object": "response",
        "status": status,
        "error": None,
        "incomplete_details": None,
        "output": items,
        **fields,
    }


def ask(
    lab: SimpleNamespace, body: Any, *prompt: Message, tools: Any = (), sampling: Any = PLAIN, **options: Any
) -> Any:
    request = Request(prompt or (USER,), sampling, tools=tools)
    answer = body if isinstance(body, bytes) else lab.http(200, body)
    return lab.ask(answer, request=request, **RESPONSES, **options)


def test_a_plain_request_to_the_byte(lab: SimpleNamespace) -> None:
    sent = ask(lab, response(message("4")), Message("system", "Be brief."), USER).sent
    assert sent.line == "POST /v1/responses HTTP/1.1"
    assert sent.body == (
        b'{"model":"m","input":[{"role":"system","content":"Be brief."},{"role":"user","content":"2 + 2?"}],'
        b'"store":false,"stream":false}'
    )


def test_a_request_with_all_settings(lab: SimpleNamespace) -> None:
    sampling = Sampling(max_tokens=64, temperature=0.7, top_p=0.9, logprobs=2, json_schema='{"type": "object"}')
    extra = {"reasoning": {"effort": "low"}, "text": {"verbosity": "low"}, "include": ["reasoning.encrypted_content"]}
    sent = ask(lab, response(message("4")), sampling=sampling, tools=(TOOL,), extra_body=json.dumps(extra)).sent
    parameters = {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}
    function = {"type": "function", "name": "python", "description": TOOL.description}
    schema = {"type": "json_schema", "name": "answer", "strict": True, "schema": {"type": "object"}}
    assert json.loads(sent.body) == {
        "model": "m",
        "input": [{"role": "user", "content": "2 + 2?"}],
        "store": False,
        "stream": False,
        "max_output_tokens": 64,
        "temperature": 0.7,
        "top_p": 0.9,
        "tools": [{**function, "parameters": parameters, "strict": False}],
        "top_logprobs": 2,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "text": {"verbosity": "low", "format": schema},
        "reasoning": {"effort": "low"},
    }


def test_what_the_api_lacks_is_no_capability() -> None:
    able = OpenAIBackend().capabilities(OpenAIOptions(api="responses"))
    assert not able & {
        "text",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "top_k",
        "continue",
        "token_ids",
    }
    assert "top_k" in OpenAIBackend().capabilities(OpenAIOptions(api="responses", extra_sampling=True))


def test_extra_sampling_is_sent(lab: SimpleNamespace) -> None:
    sent = ask(lab, response(message("4")), sampling=Sampling(top_k=5), extra_sampling=True).sent
    assert json.loads(sent.body)["top_k"] == 5


@pytest.mark.parametrize(
    "options",
    [
        {"continue_final_message": True},
        {"token_ids": True},
        {"max_tokens_field": "max_completion_tokens"},
        {"extra_body": '{"store": true}'},
    ],
)
def test_options_that_make_no_sense_are_a_usage_error(lab: SimpleNamespace, options: dict[str, Any]) -> None:
    assert isinstance(ask(lab, response(message("4")), **options).error, UsageError)


def test_raw_text_is_a_usage_error(lab: SimpleNamespace) -> None:
    outcome = lab.ask(lab.chat(), request=Request("2 + 2 =", Sampling()), **RESPONSES)
    assert isinstance(outcome.error, UsageError)
    assert not outcome.server.received


def test_text_usage_and_finish_reason(lab: SimpleNamespace) -> None:
    usage = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
    found = ask(lab, response({"type": "web_search_call"}, message("2 + 2 ", "= 4"), usage=usage)).completion
    assert found == Completion(text="2 + 2 = 4", finish_reason="stop", prompt_tokens=9, completion_tokens=3)


@pytest.mark.parametrize(
    ("details", "reason"),
    [({"reason": "max_output_tokens"}, "length"), ({"reason": "content_filter"}, "content_filter"), (None, "length")],
)
def test_an_answer_that_was_cut_says_why(lab: SimpleNamespace, details: Any, reason: str) -> None:
    body = response(message("2 +"), status="incomplete", incomplete_details=details)
    assert ask(lab, body).completion.finish_reason == reason


@pytest.mark.parametrize(("why", "reason"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut_before_its_first_item_is_empty(lab: SimpleNamespace, why: str, reason: str) -> None:
    body = response(status="incomplete", incomplete_details={"reason": why})
    completion = ask(lab, body).completion
    assert (completion.text, completion.finish_reason) == ("", reason)


@pytest.mark.parametrize(
    ("items", "fields"),
    [
        ([{"type": "thing", "content": "odd", "name": 5}], {}),
        ([{"type": None}], {}),
        ([{"type": "reasoning", "summary": "odd", "content": 5}], {}),
        ([], {"usage": {"input_tokens": "9", "output_tokens": 5.5}}),
        ([], {"usage": {"input_tokens": 2**31, "output_tokens": -1}}),
        ([], {"status": 5, "incomplete_details": "odd", "usage": 5}),
        ([{"type": "message", "content": [{"text": "", "refusal": 5, "logprobs": "odd"}]}], {}),
    ],
)
def test_a_field_of_another_type_costs_itself_alone(lab: SimpleNamespace, items: list[Any], fields: Any) -> None:
    found = ask(lab, response(*items, message("4")) | fields).completion
    assert found == Completion(text="4", finish_reason="stop")


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "content": 5},
        {"type": "message", "content": [{"text": 5}]},
        {"type": "function_call", "call_id": "a", "name": "python", "arguments": {"code": "1"}},
    ],
)
def test_what_was_said_and_cannot_be_read_is_no_answer(lab: SimpleNamespace, item: Any) -> None:
    assert isinstance(ask(lab, response(item)).error, RequestFailed)


def test_log_probabilities_that_were_asked_for_and_cannot_be_read_are_an_error(lab: SimpleNamespace) -> None:
    body = response(message("4", logprobs=[{"token": "4", "logprob": "small"}]))
    assert isinstance(ask(lab, body, sampling=Sampling(logprobs=1)).error, RequestFailed)


def test_an_answer_of_all_its_tokens_was_cut_where_the_server_does_not_tell(lab: SimpleNamespace) -> None:
    body = {"status": "completed", "output": [message("2 +")], "usage": {"input_tokens": 9, "output_tokens": 4}}
    assert ask(lab, body, sampling=Sampling(max_tokens=4)).completion.finish_reason == "length"
    assert ask(lab, body, sampling=Sampling(max_tokens=5)).completion.finish_reason == "stop"
    assert (
        ask(lab, {**body, "incomplete_details": None}, sampling=Sampling(max_tokens=4)).completion.finish_reason
        == "stop"
    )


@pytest.mark.parametrize(
    ("item", "reasoning"),
    [
        ({"summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]}, "a\n\nb"),
        ({"summary": [{"text": "short"}], "content": [{"type": "reasoning_text", "text": "long"}]}, "long"),
        ({"summary": [], "content": None, "encrypted_content": "x"}, None),
    ],
)
def test_reasoning_is_kept_apart(lab: SimpleNamespace, item: dict[str, Any], reasoning: str | None) -> None:
    completion = ask(lab, response({"type": "reasoning", **item}, message("4"))).completion
    assert (completion.reasoning, completion.text) == (reasoning, "4")


def test_reasoning_between_tags_is_kept_apart(lab: SimpleNamespace) -> None:
    completion = ask(lab, response(message("<think>hm</think>4"))).completion
    assert (completion.reasoning, completion.text) == ("hm", "4")


def test_a_refusal_is_text(lab: SimpleNamespace) -> None:
    item = {"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]}
    assert ask(lab, response(item)).completion.text == "I will not."


def test_logprobs(lab: SimpleNamespace) -> None:
    told = [{"token": "4", "logprob": -0.5, "top_logprobs": [{"token": "4", "logprob": -0.5}]}]
    completion = ask(lab, response(message("4", logprobs=told)), sampling=Sampling(logprobs=1)).completion
    assert completion.logprobs == [{"token": "4", "logprob": -0.5, "top": {"4": -0.5}}]
    assert ask(lab, response(message("4", logprobs=[]))).completion.logprobs is None


# Tools ------------------------------------------------------------------------------------------------------------


def test_calls_are_read_and_sent_again_with_their_outputs(lab: SimpleNamespace) -> None:
    completion = ask(lab, response(message("Let me see."), call()), tools=(TOOL,)).completion
    assert completion.finish_reason == "tool_calls"
    assert completion.tool_calls == (ToolCall("c1", "python", '{"code": "2 + 2"}'),)
    asked = Message("assistant", completion.text, completion.tool_calls)
    sent = ask(lab, response(message("4")), USER, asked, Message("tool", "4", tool_call_id="c1"), tools=(TOOL,)).sent
    assert json.loads(sent.body)["input"] == [
        {"role": "user", "content": "2 + 2?"},
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": "c1", "name": "python", "arguments": '{"code": "2 + 2"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "4"},
    ]


@pytest.mark.parametrize(
    ("item", "sent_again"),
    [
        ({"id": "rs_1", "summary": [], "encrypted_content": "xyz"}, True),
        ({"id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}, True),
        ({"id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}, False),
        ({"id": "rs_1", "summary": [], "encrypted_content": 5}, False),
    ],
)
def test_reasoning_is_sent_again_before_its_call(lab: SimpleNamespace, item: dict[str, Any], sent_again: bool) -> None:
    thought = {"type": "reasoning", **item}

    async def both(client: Client) -> Completion:
        first = await client.complete(Request((USER,), Sampling(), tools=(TOOL,)))
        asked = Message("assistant", first.text, first.tool_calls)
        output = Message("tool", "4", tool_call_id="c1")
        return await client.complete(Request((USER, asked, output), Sampling(), tools=(TOOL,)))

    answers = (lab.http(200, response(thought, call())), lab.http(200, response(message("4"))))
    outcome = lab.ask(*answers, call=both, **RESPONSES)
    items = json.loads(outcome.sent.body)["input"]
    assert [each.get("type", each.get("role")) for each in items] == [
        "user", *(["reasoning"] if sent_again else []), "function_call", "function_call_output",
    ]  # fmt: skip
    assert not sent_again or items[1] == thought


# Errors -----------------------------------------------------------------------------------------------------------


def failed(code: str = "server_error") -> dict[str, Any]:
    return response(status="failed") | {"error": {"code": code, "message": "It broke."}}


@pytest.mark.parametrize(("code", "throttled"), [("server_error", False), ("rate_limit_exceeded", True)])
def test_a_failed_response_can_pass(lab: SimpleNamespace, code: str, throttled: bool) -> None:
    error = ask(lab, failed(code)).error
    assert isinstance(error, RequestFailed)
    assert "It broke." in str(error)
    assert error.throttled is throttled


@pytest.mark.parametrize("status", ["cancelled", "in_progress", "queued", "failed"])
def test_a_response_that_is_no_answer_can_pass(lab: SimpleNamespace, status: str) -> None:
    assert isinstance(ask(lab, response(message("2 +"), status=status)).error, RequestFailed)


@pytest.mark.parametrize("body", [b"", b"{", {}, [], {"output": 1}, response(), {"output": [1]}])
def test_what_is_no_response_can_pass(lab: SimpleNamespace, body: Any) -> None:
    assert isinstance(ask(lab, lab.http(200, body)).error, RequestFailed)


def test_a_refused_request(lab: SimpleNamespace) -> None:
    answer = lab.http(
        400, {"error": {"message": "Unsupported parameter: 'temperature'", "type": "invalid_request_error"}}
    )
    assert isinstance(ask(lab, answer).error, RequestRefused)


# Streams ----------------------------------------------------------------------------------------------------------


def stream(lab: SimpleNamespace, *events: dict[str, Any]) -> tuple[list[str], Any]:
    pieces: list[str] = []
    lines = b"".join(b"event: %b\ndata: %b\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in events)
    answer = lab.http(200, lines, Content_Type="text/event-stream")
    request = Request((USER,), Sampling())
    return pieces, lab.ask(answer, call=lambda client: client.complete(request, pieces.append), **RESPONSES)


def delta(text: str, kind: str = "output_text") -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "delta": text}


CREATED = {"type": "response.created", "response": response(status="in_progress")}


def test_a_stream(lab: SimpleNamespace) -> None:
    whole = response({"type": "reasoning", "summary": [{"text": "hm"}]}, message("2 + 2 = 4"))
    events = (
        CREATED,
        delta("hm", "reasoning_summary_text"),
        delta("2 + 2 "),
        delta("= 4"),
        delta("{", "function_call_arguments"),
    )
    pieces, outcome = stream(lab, *events, {"type": "response.completed", "response": whole})
    assert pieces == ["2 + 2 ", "= 4"]
    assert (outcome.completion.text, outcome.completion.reasoning) == ("2 + 2 = 4", "hm")
    assert outcome.completion.first_token > 0
    assert json.loads(outcome.sent.body)["stream"] is True


def test_a_stream_that_ends_at_its_limit(lab: SimpleNamespace) -> None:
    whole = response(message("2 +"), status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    _, outcome = stream(lab, CREATED, delta("2 +"), {"type": "response.incomplete", "response": whole})
    assert outcome.completion.finish_reason == "length"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({"type": "response.failed", "response": failed()}, "It broke."),
        ({"type": "error", "code": "x", "message": "It broke."}, "It broke."),
        ({"type": "error", "error": {"code": "x", "message": "It broke."}}, "It broke."),
        ({"type": "response.output_text.done", "text": "2 +"}, "in its middle"),
    ],
)
def test_a_stream_that_fails_can_pass(lab: SimpleNamespace, last: dict[str, Any], said: str) -> None:
    pieces, outcome = stream(lab, CREATED, delta("2 +"), last)
    assert pieces == ["2 +"]
    assert isinstance(outcome.error, RequestFailed)
    assert said in str(outcome.error)


def test_the_preview_is_what_is_sent(lab: SimpleNamespace) -> None:
    outcome = ask(lab, response(message("4")))
    target = Target(ModelRef("m", "m"), outcome.server.url)
    line, _, body = (
        OpenAIBackend().preview(Request((USER,), Sampling()), target, OpenAIOptions(api="responses")).partition("\n")
    )
    assert line == f"POST {outcome.server.url}/responses"
    assert json.loads(body) == json.loads(outcome.sent.body)
