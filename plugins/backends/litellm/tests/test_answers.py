"""What is sent, and what is made of the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from skillforge import Client, Message, ModelRef, Request, RequestFailed, Sampling, Target, ToolProtocol
from skillforge_litellm import LiteLLMBackend, LiteLLMOptions

Ask = Callable[..., Any]
SCHEMA = '{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}'


def body(content: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
    return head.encode() + content


def chat(finish_reason: str = "stop", **message: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    return body(
        json.dumps({"id": "1", "object": "chat.completion", "created": 1, "choices": [choice], "usage": usage}).encode()
    )


def events(*deltas: dict[str, Any], finish_reason: str | None = "stop") -> bytes:
    chunks = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    if finish_reason:
        chunks.append({"index": 0, "delta": {}, "finish_reason": finish_reason})
    shown = [
        {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [one]} for one in chunks
    ]
    lines = [f"data: {json.dumps(one)}\n\n" for one in shown] + (["data: [DONE]\n\n"] if finish_reason else [])
    return body("".join(lines).encode(), "text/event-stream")


def request(
    prompt: Any = "2 + 2?", seed: int | None = None, tools: tuple[ToolProtocol, ...] = (), **sampling: Any
) -> Request:
    messages = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    return Request(messages, Sampling(**sampling), seed, tools)


def test_settings_are_sent_by_their_names(ask: Ask) -> None:
    asked = request(seed=5, temperature=0.5, top_p=0.9, max_tokens=7, stop=("\n\n",), presence_penalty=0.25, logprobs=2)
    sent = ask(chat(content="4"), asked).server.bodies[0]
    wanted = {"seed": 5, "temperature": 0.5, "top_p": 0.9, "max_tokens": 7, "stop": ["\n\n"], "presence_penalty": 0.25}
    assert wanted | {"logprobs": True, "top_logprobs": 2, "model": "m"} == {
        name: value for name, value in sent.items() if name != "messages"
    }
    assert sent["messages"] == [{"role": "user", "content": "2 + 2?"}]


def test_usage_and_reason_come_back(ask: Ask) -> None:
    completion = ask(chat("length", content="four")).completion
    assert (completion.text, completion.finish_reason) == ("four", "length")
    assert (completion.prompt_tokens, completion.completion_tokens) == (9, 3)


@pytest.mark.parametrize("message", [{"content": "4", "reasoning_content": "hm"}, {"content": "<think>hm</think>4"}])
def test_reasoning_is_kept_apart(ask: Ask, message: dict[str, str]) -> None:
    completion = ask(chat(**message)).completion
    assert (completion.text, completion.reasoning) == ("4", "hm")


def test_a_schema_is_asked_for(ask: Ask) -> None:
    outcome = ask(chat(content='{"a": 4}'), request(json_schema=SCHEMA))
    assert outcome.server.bodies[0]["response_format"]["json_schema"]["schema"] == json.loads(SCHEMA)
    assert outcome.completion.text == '{"a": 4}'


def test_a_tool_is_offered_and_called(ask: Ask) -> None:
    tool = ToolProtocol()
    call = {"id": "c1", "type": "function", "function": {"name": tool.name, "arguments": '{"code": "2 + 2"}'}}
    outcome = ask(chat("tool_calls", content=None, tool_calls=[call]), request(tools=(tool,)))
    assert outcome.server.bodies[0]["tools"][0]["function"]["name"] == tool.name
    (made,) = outcome.completion.tool_calls
    assert (made.id, made.name, json.loads(made.arguments)) == ("c1", tool.name, {"code": "2 + 2"})
    assert outcome.completion.finish_reason == "tool_calls"


def test_a_stream_is_told_while_it_comes(ask: Ask) -> None:
    told: list[str] = []
    answer = events({"role": "assistant", "content": "fo"}, {"content": "ur"})
    outcome = ask(answer, call=lambda client: client.complete(request(), told.append))
    assert told == ["fo", "ur"]
    assert outcome.completion.text == "four"
    assert outcome.completion.first_token > 0


def test_a_stream_that_is_cut_off_can_be_tried_again(ask: Ask) -> None:
    answer = events({"role": "assistant", "content": "fo"}, finish_reason=None)
    outcome = ask(answer, call=lambda client: client.complete(request(), lambda piece: None))
    assert isinstance(outcome.error, RequestFailed)


def test_raw_text_goes_as_it_is(ask: Ask) -> None:
    answer = {"id": "1", "object": "text_completion", "created": 1, "model": "m"}
    choice = {"index": 0, "text": " 4", "finish_reason": "stop", "logprobs": None}
    outcome = ask(body(json.dumps(answer | {"choices": [choice]}).encode()), Request("2 + 2 =", Sampling(max_tokens=3)))
    assert outcome.server.paths == ["/v1/completions"]
    assert outcome.server.bodies[0]["prompt"] == "2 + 2 ="
    assert outcome.completion.text == " 4"


def test_cancelling_lets_the_server_go(ask: Ask) -> None:
    async def begin_and_cancel(client: Client) -> None:
        task = asyncio.create_task(client.complete(request()))
        await asyncio.sleep(2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0.5)

    server = ask("hang", call=begin_and_cancel).server
    assert len(server.bodies) == 1
    assert server.lost.is_set()


@pytest.mark.usefixtures("litellm")
@pytest.mark.parametrize(
    ("model", "has", "lacks"),
    [
        ("openai/some-model", {"text", "seed", "logprobs", "tools", "json_schema"}, set()),
        ("openai/gpt-4o", {"chat", "seed"}, {"text"}),
        (
            "anthropic/claude-3-5-sonnet-20240620",
            {"chat", "tools", "stop"},
            {"text", "seed", "logprobs", "presence_penalty"},
        ),
        ("mistral/mistral-large-latest", {"seed", "tools"}, {"text", "logprobs", "frequency_penalty"}),
    ],
)
def test_what_a_provider_lacks_is_known(model: str, has: set[str], lacks: set[str]) -> None:
    async def run() -> frozenset[str] | None:
        async with LiteLLMBackend().open(Target(ModelRef(model, model)), LiteLLMOptions()) as client:
            return client.capabilities()

    able = asyncio.run(run()) or frozenset()
    assert has <= able
    assert not lacks & able
