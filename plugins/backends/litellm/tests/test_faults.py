"""What goes wrong on the way, as the errors of the contract."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from skillforge import (
    BackendUnusable,
    ContextOverflow,
    Message,
    ModelRef,
    Request,
    RequestFailed,
    RequestRefused,
    Sampling,
    SkillForgeError,
    Target,
)
from skillforge_litellm import LiteLLMBackend, LiteLLMOptions

Ask = Callable[..., Any]
SECRET = "sk-not-to-be-shown-1234567890"
QUESTION = "The quick brown fox jumps over the lazy dog near the river bank."


def refusal(status: int, message: str, code: str | None = None, **headers: str) -> bytes:
    body = f'{{"error": {{"message": "{message}", "code": {f""""{code}" """ if code else "null"}}}}}'.encode()
    lines = [f"HTTP/1.1 {status} No", f"Content-Length: {len(body)}", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


@pytest.mark.parametrize(
    ("status", "message", "code", "kind"),
    [
        (401, "Incorrect API key provided", "invalid_api_key", BackendUnusable),
        (403, "not for you", None, BackendUnusable),
        (404, "The model does not exist", "model_not_found", BackendUnusable),
        (400, "temperature must be at most 1", None, RequestRefused),
        (422, "bad field", None, RequestRefused),
        (500, "out of luck", None, RequestFailed),
        (502, "bad gateway", None, RequestFailed),
    ],
)
def test_a_status_has_its_meaning(ask: Ask, status: int, message: str, code: str | None, kind: type[Exception]) -> None:
    outcome = ask(refusal(status, message, code))
    assert type(outcome.error) is kind
    assert len(outcome.server.bodies) == 1  # retries are the caller's


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_less_is_heard(ask: Ask, status: int) -> None:
    outcome = ask(refusal(status, "slow down", Retry_After="7"))
    assert isinstance(outcome.error, RequestFailed)
    assert outcome.error.throttled
    assert outcome.error.retry_after == 7
    assert len(outcome.server.bodies) == 1


def test_an_empty_account_stops_the_run(ask: Ask) -> None:
    outcome = ask(refusal(429, "You exceeded your current quota", "insufficient_quota"))
    assert isinstance(outcome.error, BackendUnusable)


def test_an_overflow_tells_the_room_that_is_left(ask: Ask) -> None:
    said = (
        "This model's maximum context length is 512 tokens. However, you requested 700 tokens "
        "(300 in the messages, 400 in the completion)."
    )
    error = ask(refusal(400, said, "context_length_exceeded")).error
    assert isinstance(error, ContextOverflow)
    assert error.room == 212


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"], ids=["closed", "cut"])
def test_a_connection_that_breaks_can_be_tried_again(ask: Ask, answer: bytes | None) -> None:
    assert isinstance(ask(answer).error, RequestFailed)


def test_malformed_json_can_be_tried_again(ask: Ask) -> None:
    answer = (
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{"choices'
    )
    assert isinstance(ask(answer).error, RequestFailed)


@pytest.mark.usefixtures("litellm")
def test_nobody_at_the_address_is_a_lost_connection() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        target = Target(ModelRef("openai/m", "openai/m"), f"http://127.0.0.1:{held.getsockname()[1]}/v1")

        async def run() -> None:
            async with LiteLLMBackend().open(target, LiteLLMOptions()) as client:
                await client.complete(Request((Message("user", QUESTION),), Sampling()))

        with pytest.raises(RequestFailed) as caught:
            asyncio.run(run())
        assert caught.value.connection


@pytest.mark.usefixtures("litellm")
@pytest.mark.parametrize("model", ["nobody/knows-it", "no-provider"])
def test_an_unknown_provider_is_told_before_anything_is_asked(model: str) -> None:
    async def run() -> None:
        async with LiteLLMBackend().open(Target(ModelRef(model, model)), LiteLLMOptions()):
            pass

    with pytest.raises(BackendUnusable, match="LiteLLM knows no provider"):
        asyncio.run(run())


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_messages_hold_neither_key_nor_prompt(ask: Ask, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    request = Request((Message("user", QUESTION),), Sampling())
    error = ask(refusal(status, f"key {SECRET} sent {QUESTION}"), request).error
    assert isinstance(error, SkillForgeError)
    assert SECRET not in str(error)
    assert "brown fox" not in str(error)
