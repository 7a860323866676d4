"""What is sent."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import Message, ModelRef, Request, RequestRefused, Sampling, Target, UsageError
from skillforge_openai import OpenAIBackend, OpenAIOptions
from skillforge_openai.dialect import Dialect
from skillforge_openai.wire import Wire

FULL = Sampling(
    temperature=0.7, top_p=0.9, max_tokens=64, stop=("\n\n", "Q:"), seed=1, presence_penalty=0.5, frequency_penalty=-0.5,
    logprobs=2,
)  # fmt: skip
CONVERSATION = (Message("system", "Be brief."), Message("user", "2 + 2?"))
BACKEND = OpenAIBackend()


def test_a_plain_chat_request_to_the_byte(lab: SimpleNamespace) -> None:
    sent = lab.ask(lab.chat(), request=Request(CONVERSATION, Sampling())).sent
    assert sent.line == "POST /v1/chat/completions HTTP/1.1"
    assert sent.headers["content-type"] == "application/json"
    assert sent.body == (
        b'{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"2 + 2?"}]}'
    )


def test_a_chat_request_with_all_settings_sends_the_seed_of_the_request(lab: SimpleNamespace) -> None:
    sent = lab.ask(lab.chat(), request=Request(CONVERSATION, FULL, seed=7)).sent
    assert json.loads(sent.body) == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}],
        "max_tokens": 64,
        "temperature": 0.7,
        "top_p": 0.9,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "stop": ["\n\n", "Q:"],
        "seed": 7,
        "logprobs": True,
        "top_logprobs": 2,
    }


def test_a_text_request(lab: SimpleNamespace) -> None:
    sent = lab.ask(lab.http(200, {"choices": [{"text": "4"}]}), request=Request("2 + 2 =", FULL)).sent
    assert sent.line == "POST /v1/completions HTTP/1.1"
    assert sent.body == (
        b'{"model":"m","prompt":"2 + 2 =","max_tokens":64,"temperature":0.7,"top_p":0.9,"presence_penalty":0.5,'
        b'"frequency_penalty":-0.5,"stop":["\\n\\n","Q:"],"logprobs":2}'
    )


def test_the_seed_of_the_run_is_never_sent(lab: SimpleNamespace) -> None:
    assert b"seed" not in lab.ask(lab.chat(), request=Request(CONVERSATION, Sampling(seed=1))).sent.body


def test_zero_is_a_setting(lab: SimpleNamespace) -> None:
    request = Request(CONVERSATION, Sampling(temperature=0.0, logprobs=0), seed=0)
    body = json.loads(lab.ask(lab.chat(), request=request).sent.body)
    assert (body["temperature"], body["seed"], body["logprobs"], body["top_logprobs"]) == (0.0, 0, True, 1)


def test_extra_sampling_is_a_capability_and_is_sent(lab: SimpleNamespace) -> None:
    extra = {"top_k": 20, "min_p": 0.1, "repetition_penalty": 1.1}
    assert not BACKEND.capabilities(OpenAIOptions()) & extra.keys()
    assert BACKEND.capabilities(OpenAIOptions(extra_sampling=True)) >= extra.keys()
    sent = lab.ask(lab.chat(), request=Request(CONVERSATION, Sampling(**extra)), extra_sampling=True).sent
    assert extra.items() <= json.loads(sent.body).items()


def test_every_capability_is_sent_and_nothing_else(lab: SimpleNamespace) -> None:
    for options in (OpenAIOptions(), OpenAIOptions(extra_sampling=True)):
        settings = BACKEND.capabilities(options) - {"chat", "text", "tools", "stream"}
        assert settings <= set(Sampling.__struct_fields__)


def test_the_longer_name_of_max_tokens_is_for_chat_only(lab: SimpleNamespace) -> None:
    named = {"max_tokens_field": "max_completion_tokens"}
    chat = lab.ask(lab.chat(), request=Request(CONVERSATION, Sampling(max_tokens=5)), **named)
    text = lab.ask(
        lab.http(200, {"choices": [{"text": "4"}]}), request=Request("2 + 2", Sampling(max_tokens=5)), **named
    )
    assert b'"max_completion_tokens":5' in chat.sent.body
    assert b'"max_tokens":5' in text.sent.body


def test_a_dialect_may_have_other_names(lab: SimpleNamespace) -> None:
    wire = Wire("m", OpenAIOptions(), Dialect(sampling={"repetition_penalty": "repeat_penalty"}))
    body = json.loads(wire.body(Request(CONVERSATION, Sampling(repetition_penalty=1.1))))
    assert body["repeat_penalty"] == 1.1
    assert "repetition_penalty" not in body


# Structured output and ids of tokens ------------------------------------------------------------------------------

SCHEMA = '{"type": "object", "properties": {"sum": {"type": "integer"}}}'


def test_a_schema_for_a_chat(lab: SimpleNamespace) -> None:
    sent = lab.ask(lab.chat(), request=Request(CONVERSATION, Sampling(json_schema=SCHEMA))).sent
    schema = {"name": "answer", "strict": True, "schema": json.loads(SCHEMA)}
    assert json.loads(sent.body)["response_format"] == {"type": "json_schema", "json_schema": schema}


@pytest.mark.parametrize(
    ("form", "field", "holds"),
    [
        ("structured_outputs", "structured_outputs", {"json": json.loads(SCHEMA)}),
        ("json_schema", "json_schema", json.loads(SCHEMA)),
    ],
)
def test_a_schema_for_text_is_written_as_the_server_has_it(form: Any, field: str, holds: Any) -> None:
    wire = Wire("m", OpenAIOptions(), Dialect(text_schema=form))
    assert json.loads(wire.body(Request("2 + 2 =", Sampling(json_schema=SCHEMA))))[field] == holds


def test_a_schema_for_text_is_refused_where_no_server_is_known_to_take_it(lab: SimpleNamespace) -> None:
    error = lab.ask(lab.chat(), request=Request("2 + 2 =", Sampling(json_schema=SCHEMA))).error
    assert isinstance(error, UsageError)
    assert "chat" in error.fix


@pytest.mark.parametrize("bad", ["{", "[]", "1"])
def test_a_bad_schema_is_a_usage_error(lab: SimpleNamespace, bad: str) -> None:
    outcome = lab.ask(lab.chat(), request=Request(CONVERSATION, Sampling(json_schema=bad)))
    assert isinstance(outcome.error, UsageError)
    assert not outcome.server.received


def test_ids_of_a_prompt_take_its_place(lab: SimpleNamespace) -> None:
    choice = {"text": "4", "finish_reason": "stop", "prompt_token_ids": [5, 6], "token_ids": [7]}
    request = Request(CONVERSATION, Sampling(token_ids=True), prompt_ids=(5, 6))
    outcome = lab.ask(lab.http(200, {"choices": [choice]}), request=request, token_ids=True)
    assert outcome.sent.line == "POST /v1/completions HTTP/1.1"
    assert json.loads(outcome.sent.body) == {"model": "m", "prompt": [5, 6], "return_token_ids": True}
    assert (outcome.completion.prompt_ids, outcome.completion.token_ids) == ((5, 6), (7,))


def test_ids_of_a_chat(lab: SimpleNamespace) -> None:
    choice = {"message": {"content": "4"}, "finish_reason": "stop", "token_ids": [7]}
    answer = lab.http(200, {"choices": [choice], "prompt_token_ids": [5, 6]})
    outcome = lab.ask(answer, request=Request(CONVERSATION, Sampling(token_ids=True)), token_ids=True)
    assert (outcome.completion.prompt_ids, outcome.completion.token_ids) == ((5, 6), (7,))


def test_unicode_arrives(lab: SimpleNamespace) -> None:
    question = 'Wie viele Äpfel? 🍎 \u2028 \x00 "quoted" \\boxed{٣}'
    outcome = lab.ask(lab.chat("Drei 🍎"), request=Request((Message("user", question),), Sampling()))
    assert json.loads(outcome.sent.body)["messages"][0]["content"] == question
    assert outcome.completion.text == "Drei 🍎"


def test_half_a_character_is_refused(lab: SimpleNamespace) -> None:
    outcome = lab.ask(lab.chat(), request=Request((Message("user", "x\ud83d"),), Sampling()))
    assert isinstance(outcome.error, RequestRefused)
    assert "U+D83D" in str(outcome.error)


def test_extra_body_is_merged(lab: SimpleNamespace) -> None:
    extra = '{"chat_template_kwargs": {"enable_thinking": false}, "priority": 1}'
    body = lab.ask(lab.chat(), extra_body=extra).sent.body
    assert body.endswith(b'"content":"2 + 2?"}],"chat_template_kwargs":{"enable_thinking":false},"priority":1}')
    assert lab.ask(lab.chat(), extra_body="{}").sent.body == lab.ask(lab.chat()).sent.body


@pytest.mark.parametrize(
    "bad", ["{", "[1]", "1", '{"stream": true}', '{"temperature": 1}', '{"n": 2}', '{"tools": []}']
)
def test_a_bad_extra_body_is_a_usage_error_before_anything_is_sent(lab: SimpleNamespace, bad: str) -> None:
    outcome = lab.ask(lab.chat(), extra_body=bad)
    assert isinstance(outcome.error, UsageError)
    assert "extra_body" in str(outcome.error)
    assert not outcome.server.received


def test_the_key_goes_as_bearer_token(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "authorization" not in lab.ask(lab.chat()).sent.headers
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1234 \n")
    monkeypatch.setenv("MY_KEY", "other")
    assert lab.ask(lab.chat()).sent.headers["authorization"] == "Bearer sk-1234"
    assert lab.ask(lab.chat(), api_key_env="MY_KEY").sent.headers["authorization"] == "Bearer other"
    assert "authorization" not in lab.ask(lab.chat(), api_key_env="").sent.headers


def test_credentials_in_the_url_go_as_basic_authentication_and_no_key_does(
    lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1234")
    sent = lab.ask(lab.chat(), url=lambda url: url.replace("//", "//ann:p%40ss@")).sent
    assert sent.headers["authorization"] == "Basic " + base64.b64encode(b"ann:p@ss").decode()


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/api/openai", "/api/openai/chat/completions"),
        ("/a%20b", "/a%20b/chat/completions"),
    ],
)
def test_forms_of_the_base_url(lab: SimpleNamespace, given: str, path: str) -> None:
    outcome = lab.ask(lab.chat(), url=lambda url: url.removesuffix("/v1") + given)
    assert outcome.sent.line == f"POST {path} HTTP/1.1"


@pytest.mark.parametrize(
    "bad",
    [
        None, "", "localhost:8000", "ftp://host/v1", "http://", "http://[::1", "http://host:99999", "http://host:port",
        "http://a b/v1", "http://host/v1\n", "http://host/v1?key=1", "http://host/v1#x", "http://a..b", "http://host\\x",
        "http://host/v1/chat/completions", "http://host/v1/models/",
    ],
)  # fmt: skip
def test_a_bad_base_url_is_a_usage_error_with_a_fix(bad: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        BACKEND.open(Target(ModelRef("m", "m"), bad), OpenAIOptions())
    assert caught.value.fix


@pytest.mark.parametrize("bad", ["sk-secret-key", "a b", "1A"])
def test_a_key_given_as_the_variable_name_is_refused_and_not_shown(bad: str) -> None:
    with pytest.raises(UsageError) as caught:
        BACKEND.open(Target(ModelRef("m", "m"), "http://host"), OpenAIOptions(api_key_env=bad))
    assert bad not in str(caught.value)


def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-12\n34")
    with pytest.raises(UsageError) as caught:
        BACKEND.open(Target(ModelRef("m", "m"), "http://host"), OpenAIOptions())
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "sk-12" not in str(caught.value)


@pytest.mark.parametrize("prompt", [CONVERSATION, "2 + 2 ="])
def test_the_preview_is_what_is_sent(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, prompt: Any) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1234")
    request = Request(prompt, FULL, seed=3)
    answer = lab.chat() if prompt is CONVERSATION else lab.http(200, {"choices": [{"text": "4"}]})
    outcome = lab.ask(answer, request=request, extra_body='{"a": 1}')
    options = OpenAIOptions(extra_body='{"a": 1}')
    target = Target(ModelRef("m", "m"), outcome.server.url.replace("//", "//ann:secret@"))
    line, _, body = BACKEND.preview(request, target, options).partition("\n")
    path = "/chat/completions" if prompt is CONVERSATION else "/completions"
    assert line == f"POST {outcome.server.url}{path}"
    assert json.loads(body) == json.loads(outcome.sent.body)
    assert body.startswith('{\n  "model": "m",\n')
