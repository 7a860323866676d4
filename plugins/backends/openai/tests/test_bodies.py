"""Answers without an end: each is read up to a bound."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import Client, Message, Request, RequestFailed, Sampling
from skillforge_openai.discreet import discreet

MEBIBYTE = 2**20
ENDLESS = "HTTP/1.1 %d Whatever\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"


def endless(status: int, body: bytes, kind: str = "application/json") -> bytes:
    """An answer that begins with `body` and waits with the rest for ever."""
    return (ENDLESS % (status, kind)).encode() + b"%x\r\n%b\r\n" % (len(body), body)


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skillforge_openai.client.MOST_OF_COMPLETION", 2 * MEBIBYTE)
    monkeypatch.setattr("skillforge_openai.client.MOST_OF_STREAM", 2 * MEBIBYTE)
    monkeypatch.setattr("skillforge_openai.client.MOST_OF_FACTS", 2 * MEBIBYTE)


def test_a_completion_without_end_can_pass(lab: SimpleNamespace) -> None:
    error = lab.ask(endless(200, b" " * (2 * MEBIBYTE + 1)), timeout=20).error
    assert isinstance(error, RequestFailed)
    assert str(error) == "the server sent an answer of more than 2 MiB"


def test_a_completion_up_to_the_bound_is_read(lab: SimpleNamespace) -> None:
    answer = lab.chat("4")
    whole = answer.partition(b"\r\n\r\n")[2]
    padded = whole + b" " * (2 * MEBIBYTE - len(whole))
    assert lab.ask(lab.http(200, padded)).completion.text == "4"
    assert "more than 2 MiB" in str(lab.ask(lab.http(200, padded + b" ")).error)


def test_an_answer_of_several_samples_may_be_so_many_times_longer(lab: SimpleNamespace) -> None:
    async def twice(client: Client) -> Any:
        return await asyncio.gather(*(client.complete(lab.QUESTION) for _ in range(2)))

    choices = [{"index": number, "message": {"content": str(number)}} for number in range(2)]
    whole = json.dumps({"choices": choices}).encode() + b" " * (3 * MEBIBYTE)
    completions = lab.ask(lab.http(200, whole), call=twice, n=2).completion
    assert [completion.text for completion in completions] == ["0", "1"]


def test_a_stream_of_pieces_without_end_can_pass(lab: SimpleNamespace) -> None:
    piece = b'data: {"choices": [{"delta": {"content": "4"}}]}\n\n'
    answer = endless(200, piece * (2 * MEBIBYTE // len(piece) + 1), "text/event-stream")
    error = lab.ask(answer, call=lambda client: client.complete(lab.QUESTION, lambda text: None), timeout=20).error
    assert isinstance(error, RequestFailed)
    assert str(error) == "the server sent an answer of more than 2 MiB"


@pytest.mark.parametrize("status", [400, 500])
def test_an_error_without_end_is_told_by_its_beginning(lab: SimpleNamespace, status: int) -> None:
    error = lab.ask(endless(status, b"It broke. " + b"x" * MEBIBYTE), timeout=20).error
    assert f"HTTP {status}: It broke. xxx" in str(error)


def test_a_list_of_models_without_end_is_passed_over(lab: SimpleNamespace) -> None:
    async def look(client: Client) -> Any:
        await client.check()
        return await client.ready(), list(await client.models())

    assert lab.ask(endless(200, b" " * (2 * MEBIBYTE + 1)), call=look, timeout=20).completion == (True, [])


def test_a_long_message_is_cut_before_it_is_compared_with_the_prompt() -> None:
    request = Request((Message("user", "How many apples are left for Anna?"),), Sampling())
    shown = discreet("It broke: How many apples are left for Anna? " + "x" * MEBIBYTE, request)
    assert shown.startswith("It broke: [prompt] xxx")
    assert len(shown) <= 20_000
