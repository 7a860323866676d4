"""The scripted server that the tests of the tool loop rest on, asked through the openai backend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scripted_server import Reply, ScriptedServer, scripted_server

from skillforge import (
    Client,
    ContextOverflow,
    Message,
    ModelRef,
    Request,
    RequestFailed,
    RequestRefused,
    Sampling,
    SkillForgeError,
    Target,
    ToolCall,
)
from skillforge_openai import OpenAIBackend, OpenAIOptions

CHAT = Request((Message("user", "2 + 2?"),), Sampling(stop=("```",)))
TEXT = Request("2 + 2 =", Sampling(stop=("```",), max_tokens=3))


def ask(server: ScriptedServer, use: Callable[[Client], Awaitable[Any]]) -> Any:
    async def session() -> Any:
        target = Target(ModelRef("any", "any"), server.base_url)
        async with OpenAIBackend().open(target, OpenAIOptions()) as client:
            await client.check()
            return await use(client)

    return asyncio.run(asyncio.wait_for(session(), 60))


def test_replies_come_in_order_and_requests_are_told() -> None:
    calls = (ToolCall("c1", "python", "{}"),)
    replies = [
        Reply("a```b", stop_reason="```", usage=(7, 3)),
        Reply("hm", "length", reasoning="why", tool_calls=calls),
        Reply("4"),
        {"choices": [{"message": {"content": "raw"}, "finish_reason": "odd"}]},
    ]
    with scripted_server(replies) as server:

        async def use(client: Client) -> list[Any]:
            return [await client.complete(request) for request in (TEXT, CHAT, CHAT, CHAT)]

        text, chat, plain, raw = ask(server, use)
    assert (text.text, text.stop, text.prompt_tokens, text.completion_tokens) == ("a```b", "```", 7, 3)
    assert (chat.text, chat.reasoning, chat.tool_calls, chat.finish_reason) == ("hm", "why", calls, "length")
    assert (plain.text, plain.stop, plain.prompt_tokens) == ("4", None, None)
    assert (raw.text, raw.finish_reason) == ("raw", "odd")
    assert server.requests[0] == {"model": "any", "prompt": "2 + 2 =", "max_tokens": 3, "stop": ["```"]}
    assert server.requests[1]["messages"] == [{"role": "user", "content": "2 + 2?"}]
    assert server.paths == ["/v1/completions"] + ["/v1/chat/completions"] * 3


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        (Reply(drop=True), RequestFailed, {"connection": True}),
        (
            Reply("slow down", status=429, headers={"Retry-After": "7"}),
            RequestFailed,
            {"retry_after": 7, "throttled": True},
        ),
        (
            Reply("The input (9 tokens) is longer than the model's context length (8 tokens).", status=400),
            ContextOverflow,
            {},
        ),
        (Reply("no", status=422), RequestRefused, {}),
    ],
)
def test_faults(reply: Reply, error: type[Exception], told: dict[str, Any]) -> None:
    with scripted_server([reply, Reply("4")]) as server:

        async def use(client: Client) -> str:
            with pytest.raises(error) as caught:
                await client.complete(CHAT)
            for name, value in told.items():
                assert getattr(caught.value, name) == value
            return (await client.complete(CHAT)).text

        assert ask(server, use) == "4"
    assert (server.in_flight, server.cancelled) == (0, 0)


def test_a_script_sees_each_request_and_what_it_asserts_is_raised() -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        assert body["prompt"].endswith("="), "no question"
        return Reply(f"{number}: {body['prompt']}")

    with scripted_server(script) as server:
        assert ask(server, lambda client: client.complete(TEXT)).text == "0: 2 + 2 ="
    with pytest.raises(AssertionError, match="no question"), scripted_server(script) as server:
        refused = ask(server, lambda client: _error_of(client.complete(Request("hello", Sampling()))))
        assert isinstance(refused, RequestRefused)


def test_too_few_replies_are_an_error() -> None:
    with pytest.raises(AssertionError, match="there are 0 replies"), scripted_server([]) as server:
        refused = ask(server, lambda client: _error_of(client.complete(TEXT)))
        assert "this is request 1" in str(refused)


async def _error_of(completing: Awaitable[Any]) -> Exception:
    try:
        await completing
    except SkillForgeError as error:
        return error
    pytest.fail("it was answered")


def test_many_at_once_and_clients_that_go_away() -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        return Reply(body["prompt"], delay=60.0 if body["prompt"] == "for ever" else 0.2)

    with scripted_server(script) as server:

        async def use(client: Client) -> list[str]:
            stragglers = [asyncio.create_task(client.complete(Request("for ever", Sampling()))) for _ in range(9)]
            done = await asyncio.gather(*(client.complete(Request(str(n), Sampling())) for n in range(256)))
            for straggler in stragglers:
                straggler.cancel()
            await asyncio.gather(*stragglers, return_exceptions=True)
            return [each.text for each in done]

        assert ask(server, use) == [str(n) for n in range(256)]
        deadline = time.monotonic() + 30
        while server.in_flight and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (server.in_flight, server.cancelled) == (0, 9)
        assert 9 < server.peak <= 265
