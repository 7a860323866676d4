"""Answers that come in pieces."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge import Client, Completion, Message, Request, RequestFailed, Sampling, SkillForgeError, ToolCall
from skillforge_openai.sse import Events

USER = (Message("user", "2 + 2?"),)
DONE = b"data: [DONE]\n\n"


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def delta(content: str | None = None, finish_reason: str | None = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": content, **fields}, "finish_reason": finish_reason}
    return event({"choices": [choice]})


class Heard(SimpleNamespace):
    pieces: list[str]
    completion: Completion | None
    error: SkillForgeError | None
    body: dict[str, Any]

    @property
    def text(self) -> str:
        return "".join(self.pieces)


def hear(lab: SimpleNamespace, *events: bytes, request: Request | None = None, **options: Any) -> Heard:
    """What is told of a stream of `events`, and what comes of it."""
    pieces: list[str] = []
    answer = lab.http(200, b"".join(events), Content_Type="text/event-stream; charset=utf-8")
    asked = request or Request(USER, Sampling())
    outcome = lab.ask(answer, call=lambda client: client.complete(asked, pieces.append), **options)
    body = json.loads(outcome.sent.body)
    return Heard(pieces=pieces, completion=outcome.completion, error=outcome.error, body=body)


def test_pieces_of_a_chat_are_told_and_put_together(lab: SimpleNamespace) -> None:
    heard = hear(lab, delta("", role="assistant"), delta("2 + 2 "), delta("= 4"), delta(None, "stop"), DONE)
    assert heard.pieces == ["2 + 2 ", "= 4"]
    assert heard.completion is not None
    assert (heard.completion.text, heard.completion.finish_reason) == ("2 + 2 = 4", "stop")
    assert heard.completion.first_token is not None
    assert heard.completion.first_token > 0
    assert heard.body["stream"] is True
    assert heard.body["stream_options"] == {"include_usage": True}


def test_nobody_listening_means_no_stream(lab: SimpleNamespace) -> None:
    outcome = lab.ask(lab.chat())
    assert b"stream" not in outcome.sent.body
    assert outcome.completion.first_token is None


def test_pieces_of_text(lab: SimpleNamespace) -> None:
    events = (event({"choices": [{"index": 0, "text": text}]}) for text in (" 4", ""))
    end = event({"choices": [{"index": 0, "text": "", "finish_reason": "stop", "stop_reason": "\n\n"}]})
    heard = hear(lab, *events, end, DONE, request=Request("2 + 2 =", Sampling(stop=("\n\n",))))
    assert heard.pieces == [" 4"]
    assert (heard.completion.text, heard.completion.stop) == (" 4", "\n\n")


@pytest.mark.parametrize(
    "late",
    [
        (delta("4", "stop"), event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}), DONE),
        (delta("4", "stop"), event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})),
        (delta("4", "stop"), event({"usage": {"prompt_tokens": 9, "completion_tokens": 1}}), DONE),
        (
            event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 0}}),
            delta("4", "stop"),
            event({"choices": None, "usage": {"prompt_tokens": 9, "completion_tokens": 1}}),
        ),
    ],
)
def test_usage_may_come_late(lab: SimpleNamespace, late: tuple[bytes, ...]) -> None:
    completion = hear(lab, *late).completion
    assert (completion.text, completion.prompt_tokens, completion.completion_tokens) == ("4", 9, 1)


@pytest.mark.parametrize(
    "events",
    [
        (b": keep-alive\n\n", delta("4", "stop"), b":\n\n", DONE),
        (delta("4", "stop").replace(b"\n", b"\r\n"), b"data: [DONE]\r\n\r\n"),
        (delta("4", "stop").replace(b"\n", b"\r"), b"data: [DONE]\r\r"),
        (b"\xef\xbb\xbf" + delta("4", "stop"), DONE),
        (b"event: message\nid: 7\nretry: 10\n" + delta("4", "stop").replace(b"data: ", b"data:"), DONE),
        (delta("4", "stop"),),
        (delta("4", "stop").rstrip(b"\n"),),
        (delta("4"), DONE),
        (delta("4"), delta("", "stop"), DONE, b"data: {nonsense\n\n"),
    ],
)
def test_forms_of_a_stream(lab: SimpleNamespace, events: tuple[bytes, ...]) -> None:
    heard = hear(lab, *events)
    assert heard.error is None
    assert (heard.text, heard.completion.text) == ("4", "4")


@given(st.lists(st.integers(1, 40)), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_events_are_the_same_however_their_bytes_are_cut(sizes: list[int], line_end: bytes) -> None:
    whole = ": hi\n\ndata: Äpfel 🍎\ndata: und\n\nevent: x\ndata:drei\n\n".encode().replace(b"\n", line_end)
    events, found = Events(), []
    for size in sizes:
        piece, whole = whole[:size], whole[size:]
        found += events.feed(piece)
    found += [*events.feed(whole), *events.end()]
    assert found == ["Äpfel 🍎\nund".encode(), b"drei"]


def test_characters_split_over_packets_arrive_whole(lab: SimpleNamespace) -> None:
    stream = delta("Drei 🍎 ") + delta("Äpfel", "stop") + DONE

    async def go() -> list[str]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for byte in stream:
                writer.write(b"1\r\n%c\r\n" % byte)
                await writer.drain()
            writer.write(b"0\r\n\r\n")

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            pieces: list[str] = []
            await _listen(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", pieces)
            return pieces

    assert asyncio.run(go()) == ["Drei 🍎 ", "Äpfel"]


async def _listen(url: str, pieces: list[str]) -> Completion:
    from skillforge import ModelRef, Target
    from skillforge_openai import OpenAIBackend, OpenAIOptions

    async with OpenAIBackend().open(Target(ModelRef("m", "m"), url), OpenAIOptions(timeout=5)) as client:
        return await client.complete(Request(USER, Sampling()), pieces.append)


@pytest.mark.parametrize("events", [(delta("2 + 2"),), (b"",), (b": hi\n\n",)])
def test_a_stream_that_is_cut_off_can_pass(lab: SimpleNamespace, events: tuple[bytes, ...]) -> None:
    error = hear(lab, *events).error
    assert isinstance(error, RequestFailed)
    assert "in its middle" in str(error)


def test_a_connection_that_breaks_in_a_stream_can_pass(lab: SimpleNamespace) -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    piece = delta("2 + 2")
    pieces: list[str] = []
    answer = head + b"%x\r\n%b\r\n" % (len(piece), piece)
    outcome = lab.ask(answer, call=lambda client: client.complete(lab.QUESTION, pieces.append))
    assert isinstance(outcome.error, RequestFailed)
    assert "in the middle of an answer" in str(outcome.error)
    assert pieces == ["2 + 2"]


def test_a_stream_without_any_answer_can_pass(lab: SimpleNamespace) -> None:
    assert "no choice" in str(hear(lab, DONE).error)


def test_a_stream_that_says_nothing_at_all_can_pass(lab: SimpleNamespace) -> None:
    error = hear(lab, event({"choices": [{"index": 0, "finish_reason": "stop"}]}), DONE).error
    assert isinstance(error, RequestFailed)
    assert "neither a message nor text" in str(error)


@pytest.mark.parametrize("said", [{"delta": {}}, {"delta": {"content": None}}, {"text": ""}])
def test_a_model_that_ends_at_once_says_an_empty_text(lab: SimpleNamespace, said: dict[str, Any]) -> None:
    end = event({"choices": [{"index": 0, "finish_reason": "stop"}]})
    completion = hear(lab, event({"choices": [{"index": 0, **said}]}), end, DONE).completion
    assert (completion.text, completion.finish_reason) == ("", "stop")


def test_a_refusal_in_pieces_is_text(lab: SimpleNamespace) -> None:
    heard = hear(lab, delta(None, refusal="I will"), delta(None, refusal=" not."), delta(None, "stop"), DONE)
    assert (heard.text, heard.completion.text, heard.completion.finish_reason) == (
        "I will not.",
        "I will not.",
        "refusal",
    )


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"index": None}, {}),
        ({"logprobs": "none", "token_ids": "x", "prompt_token_ids": 5}, {}),
        ({}, {"reasoning": {"a": 1}, "reasoning_content": ["hm"], "refusal": {}}),
        (
            {},
            {"tool_calls": [{"index": 0, "id": "a", "type": None, "function": {"name": "python", "arguments": "{}"}}]},
        ),
    ],
)
def test_a_field_of_another_type_costs_itself_alone(
    lab: SimpleNamespace, choice: dict[str, Any], message: dict[str, Any]
) -> None:
    odd = event(
        {"choices": [{"index": 0, "delta": {"content": "4", **message}, **choice}], "usage": {"prompt_tokens": "9"}}
    )
    heard = hear(lab, odd, delta(None, "stop"), DONE)
    assert heard.error is None
    assert (heard.text, heard.completion.text, heard.completion.finish_reason) == ("4", "4", "stop")
    assert (heard.completion.reasoning, heard.completion.logprobs, heard.completion.prompt_tokens) == (None, None, None)
    assert len(heard.completion.tool_calls) == ("tool_calls" in message)


def test_a_piece_that_cannot_be_read_can_pass(lab: SimpleNamespace) -> None:
    assert isinstance(hear(lab, delta("4"), event({"choices": [{"delta": {"content": 5}}]}), DONE).error, RequestFailed)
    odd = event({"choices": [{"delta": {"content": "4"}, "logprobs": "none"}]})
    assert isinstance(hear(lab, odd, DONE, request=Request(USER, Sampling(logprobs=1))).error, RequestFailed)


@pytest.mark.parametrize("bad", [b"data: {\n\n", b"data: <html>\n\n", b"data: [1]\n\n", b"data: \xff\n\n"])
def test_an_event_that_is_no_answer_can_pass(lab: SimpleNamespace, bad: bytes) -> None:
    assert isinstance(hear(lab, delta("4"), bad, DONE).error, RequestFailed)


@pytest.mark.parametrize(("code", "throttled"), [(429, True), (500, False), ("overloaded", False), (None, False)])
def test_an_error_in_mid_stream(lab: SimpleNamespace, code: Any, throttled: bool) -> None:
    heard = hear(lab, delta("2 + 2"), b"event: error\n" + event({"error": {"message": "busy", "code": code}}), DONE)
    assert isinstance(heard.error, RequestFailed)
    assert heard.error.throttled is throttled
    assert "busy" in str(heard.error)


def test_an_error_that_ends_a_stream_without_an_empty_line(lab: SimpleNamespace) -> None:
    heard = hear(lab, delta("2 + 2"), event({"error": {"message": "busy"}}).rstrip())
    assert "busy" in str(heard.error)


def test_an_answer_that_broke_off_in_the_server_can_pass(lab: SimpleNamespace) -> None:
    assert isinstance(hear(lab, delta("2 + 2", "abort"), DONE).error, RequestFailed)


def test_a_server_that_does_not_stream(lab: SimpleNamespace) -> None:
    pieces: list[str] = []
    answer = lab.chat("4").replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\n\r\n", 1)
    outcome = lab.ask(answer, call=lambda client: client.complete(lab.QUESTION, pieces.append))
    assert (pieces, outcome.completion.text) == (["4"], "4")


@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_refused_stream_is_the_same_error_as_ever(lab: SimpleNamespace, status: int) -> None:
    answer = lab.http(status, {"error": {"message": "no"}})
    streamed = lab.ask(answer, call=lambda client: client.complete(lab.QUESTION, lambda _: None))
    assert str(streamed.error) == str(lab.ask(answer).error)


def test_streams_share_a_connection(lab: SimpleNamespace) -> None:
    async def many(client: Client) -> None:
        for _ in range(5):
            await client.complete(lab.QUESTION, lambda _: None)

    answer = lab.http(200, delta("4", "stop") + DONE, Content_Type="text/event-stream")
    assert lab.ask(answer, call=many).server.connections == 1


def test_cancelling_in_mid_stream_closes_the_connection(lab: SimpleNamespace) -> None:
    async def go() -> None:
        gone, pieces = asyncio.Event(), []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + delta("2 + 2"))
            await reader.read()
            gone.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            task = asyncio.create_task(_listen(url, pieces))
            while not pieces:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await asyncio.wait_for(gone.wait(), 5)

    asyncio.run(go())


# Reasoning --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own_is_not_told(lab: SimpleNamespace, field: str) -> None:
    heard = hear(lab, delta(**{field: "Two "}), delta(**{field: "and two."}), delta("4"), delta("", "stop"), DONE)
    assert heard.pieces == ["4"]
    assert (heard.completion.reasoning, heard.completion.text) == ("Two and two.", "4")


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("written", "reasoning"),
    [
        ("4", None),
        (" 4", None),
        ("a < b <thin", None),
        ("<think>hm</think>4", "hm"),
        ("\n<think>\nhm\n</think>\n\n4", "\nhm\n"),
        ("Well. <think>hm</think>4", "hm"),
        ("<think>a</think> <think>b</think>5", "a\nb"),
    ],
)
def test_reasoning_between_tags_is_held_back(
    lab: SimpleNamespace, written: str, reasoning: str | None, size: int
) -> None:
    pieces = (delta(written[at : at + size]) for at in range(0, len(written), size))
    heard = hear(lab, *pieces, delta("", "stop"), DONE)
    assert heard.text == heard.completion.text
    assert heard.completion.reasoning == reasoning


def test_reasoning_that_the_prompt_opened_is_held_back(lab: SimpleNamespace) -> None:
    texts = ("h", "m</th", "ink>4")
    events = (event({"choices": [{"index": 0, "text": text}]}) for text in texts)
    request = Request("2 + 2?<think>\n", Sampling())
    heard = hear(lab, *events, DONE, request=request)
    assert (heard.text, heard.completion.text, heard.completion.reasoning) == ("4", "4", "hm")


def test_reasoning_stays_in_the_text_of_a_whole_request(lab: SimpleNamespace) -> None:
    request = Request(USER, Sampling(), whole=True)
    heard = hear(lab, delta("<think>hm"), delta("</think>4", "stop"), DONE, request=request)
    assert heard.pieces == ["<think>hm", "</think>4"]
    assert heard.completion.text == "<think>hm</think>4"


# Tools, log-probabilities and ids ---------------------------------------------------------------------------------


def call(index: int | None, arguments: Any, name: str | None = None, id: str | None = None) -> bytes:
    given = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
    return delta(tool_calls=[{key: value for key, value in given.items() if value is not None}])


def test_calls_in_pieces_are_put_together(lab: SimpleNamespace) -> None:
    events = (
        call(0, "", "python", "a"), call(0, '{"co'), call(1, "", "python", "b"), call(0, 'de": "1"}'), call(1, "{}"),
    )  # fmt: skip
    heard = hear(lab, *events, delta(None, "tool_calls"), DONE)
    assert heard.completion.tool_calls == (ToolCall("a", "python", '{"code": "1"}'), ToolCall("b", "python", "{}"))
    assert heard.completion.finish_reason == "tool_calls"


def test_calls_without_an_index(lab: SimpleNamespace) -> None:
    events = (call(None, "{", "python", "a"), call(None, "}"), call(None, {"code": "2"}, "python", "b"))
    calls = hear(lab, *events, delta(None, "tool_calls"), DONE).completion.tool_calls
    assert calls == (ToolCall("a", "python", "{}"), ToolCall("b", "python", '{"code":"2"}'))


def test_logprobs_of_all_pieces(lab: SimpleNamespace) -> None:
    def piece(token: str) -> bytes:
        logprobs = {"content": [{"token": token, "logprob": -0.5, "top_logprobs": []}]}
        return event({"choices": [{"index": 0, "delta": {"content": token}, "logprobs": logprobs}]})

    completion = hear(lab, piece("4"), piece("!"), delta("", "stop"), DONE).completion
    assert [each["token"] for each in completion.logprobs] == ["4", "!"]


def test_logprobs_of_pieces_of_text(lab: SimpleNamespace) -> None:
    def piece(token: str) -> bytes:
        logprobs = {"tokens": [token], "token_logprobs": [-1], "top_logprobs": [{token: -1}]}
        return event({"choices": [{"index": 0, "text": token, "logprobs": logprobs}]})

    completion = hear(lab, piece("4"), piece("!"), DONE, request=Request("2 + 2 =", Sampling())).completion
    assert completion.logprobs == [
        {"token": "4", "logprob": -1.0, "top": {"4": -1.0}},
        {"token": "!", "logprob": -1.0, "top": {"!": -1.0}},
    ]


def test_an_answer_with_log_probabilities_of_the_prompt_comes_whole(lab: SimpleNamespace) -> None:
    pieces: list[str] = []
    answer = {"choices": [{"message": {"content": "4"}}], "prompt_logprobs": [None]}
    request = Request(USER, Sampling(prompt_logprobs=0))
    outcome = lab.ask(lab.http(200, answer), call=lambda client: client.complete(request, pieces.append))
    assert (pieces, outcome.completion.prompt_logprobs) == (["4"], [])
    assert "stream" not in json.loads(outcome.sent.body)


def test_ids_of_all_pieces(lab: SimpleNamespace) -> None:
    events = [
        {"prompt_token_ids": [1, 2], "choices": [{"index": 0, "delta": {"content": "4"}, "token_ids": [3]}]},
        {"choices": [{"index": 0, "delta": {"content": "!"}, "token_ids": [4, 5], "finish_reason": "stop"}]},
    ]
    request = Request(USER, Sampling(token_ids=True))
    heard = hear(lab, *map(event, events), DONE, request=request, token_ids=True)
    assert (heard.completion.prompt_ids, heard.completion.token_ids) == ((1, 2), (3, 4, 5))
    assert heard.body["return_token_ids"] is True
