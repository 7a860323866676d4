"""What a server takes no notice of."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import BackendUnusable, Client, Message, Request, Sampling

NUMBER = '{"type": "integer"}'
PROMPT = (Message("user", "2 + 2?"),)


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        ({"logprobs": 0}, {}),
        ({"prompt_logprobs": 0}, {}),
        ({"token_ids": True}, {"token_ids": True}),
        ({"json_schema": NUMBER}, {}),
    ],
)
def test_an_answer_without_what_was_asked_for_is_refused_by_name(
    lab: SimpleNamespace, asked: dict[str, Any], options: dict[str, Any]
) -> None:
    (name,) = asked
    able: list[frozenset[str] | None] = []

    async def call(client: Client) -> None:
        able.append(client.capabilities())
        try:
            await client.complete(Request(PROMPT, Sampling(**asked)))
        finally:
            able.append(client.capabilities())

    error = lab.ask(lab.chat("It is four."), call=call, **options).error
    assert isinstance(error, BackendUnusable)
    assert f"answers as if --{name.replace('_', '-')} had not been asked for" in error.what
    assert able[0] is None
    assert able[1] is not None
    assert name not in able[1]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"json_schema": NUMBER}, ("4", "stop")),
        ({"json_schema": NUMBER}, ('{"su', "length")),
        ({"json_schema": NUMBER}, ("", "stop")),
        ({"logprobs": 0}, ("", "stop")),
        ({}, ("It is four.", "stop")),
    ],
)
def test_an_answer_that_may_be_right_is_taken(lab: SimpleNamespace, asked: Any, answer: Any) -> None:
    assert lab.ask(lab.chat(*answer), request=Request(PROMPT, Sampling(**asked))).error is None


def test_an_answer_that_ends_at_a_stop_string_need_not_be_json(lab: SimpleNamespace) -> None:
    request = Request(PROMPT, Sampling(json_schema='{"type": "string"}', stop=("r",)))
    assert lab.ask(lab.chat('"four'), request=request).error is None


def test_a_refusal_of_the_responses_api_is_no_server_without_schemas(lab: SimpleNamespace) -> None:
    said = {"type": "message", "content": [{"type": "refusal", "refusal": "I do not want to."}]}
    answer = lab.http(200, {"status": "completed", "output": [said]})
    request = Request(PROMPT, Sampling(json_schema=NUMBER))
    completion = lab.ask(answer, request=request, api="responses").completion
    assert (completion.text, completion.finish_reason) == ("I do not want to.", "refusal")
