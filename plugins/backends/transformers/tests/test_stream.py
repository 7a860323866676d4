"""Answers in pieces, and token ids in and out."""

from __future__ import annotations

import asyncio
import importlib.metadata

import msgspec
import pytest

from skillforge import Message, Request, RequestRefused, Sampling
from skillforge_transformers import stream as stream_module
from skillforge_transformers.stream import Stream
from skillforge_transformers.texts import Texts


def told(texts: Texts, ids: list[int], stops: tuple[str, ...] = (), opened: bool | None = None) -> list[str]:
    """What is told of an answer of `ids`, token by token, before its end is known."""

    async def session() -> list[str]:
        pieces: list[str] = []
        stream = Stream(pieces.append, texts, [], stops, opened)
        for count in range(1, len(ids) + 1):
            stream.advance(ids[:count])
        await asyncio.sleep(0)
        return pieces

    return asyncio.run(session())


@pytest.fixture
def byte_texts(tmp_path, tools, monkeypatch):
    monkeypatch.setattr(stream_module, "_PAUSE", 0)
    return Texts(tools.make_tokenizer(tmp_path, ascii_only=False), "bytes")


@pytest.mark.parametrize("text", ["héllo → 世界 🙂 end", "  two  spaces\n\n", "a🙂🙂🙂b", "def f():\n\treturn 1\n"])
def test_pieces_are_whole_characters_and_joined_the_text(byte_texts, text):
    ids = byte_texts.encode(text).ids[1:]
    pieces = told(byte_texts, ids)
    assert "".join(pieces) == text
    assert "\ufffd" not in "".join(pieces)
    assert len(pieces) > 2


def test_what_may_begin_a_stop_string_is_held_back(byte_texts):
    ids = byte_texts.encode("x = 1\n```out").ids[1:]
    assert "".join(told(byte_texts, ids, ("```output", "\n\n"))) == "x = 1\n"
    assert "".join(told(byte_texts, ids[:-5], ("```output", "\n\n"))) == "x = 1"
    ids = byte_texts.encode("x = 1\n```other").ids[1:]
    assert "".join(told(byte_texts, ids, ("```output", "\n\n"))) == "x = 1\n```other"


def test_reasoning_is_not_told(byte_texts):
    def of(text: str, opened: bool | None) -> str:
        return "".join(told(byte_texts, byte_texts.encode(text).ids[1:], (), opened))

    assert of("<think>so it is</think>four", False) == "four"
    assert of("so it is</think>four", True) == "four"
    assert of("so it is", True) == ""
    assert of("<think>so it is</think>four", None) == "<think>so it is</think>four"
    assert of("4 <thin", False) == "4 "


@pytest.mark.parametrize("stop", [(), (" the",)])
def test_streamed_answers_are_the_answers(target, tools, stop):
    async def use(client):
        heard: list[list[str]] = [[] for _ in range(12)]
        sampling = Sampling(temperature=1.0, max_tokens=60, stop=stop)
        requests = [Request("the cat", sampling, seed) for seed in range(12)]
        streamed = await asyncio.gather(
            *(client.complete(request, pieces.append) for request, pieces in zip(requests, heard, strict=True))
        )
        return heard, streamed, await asyncio.gather(*map(client.complete, requests))

    heard, streamed, plain = tools.with_client(target, use)
    assert ["".join(pieces) for pieces in heard] == [one.text for one in streamed] == [one.text for one in plain]
    assert max(map(len, heard)) > 1
    assert all(0 < one.first_token < 60 for one in streamed + plain)


def test_token_ids_go_out_and_come_in(target, tools):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(target.model.location)
    sampling = Sampling(temperature=0, max_tokens=12, token_ids=True)
    [asked] = tools.complete_all(target, [Request(tools.user("hello"), sampling)])
    text = "<bos>[user] hello<eos>[assistant] "
    assert list(asked.prompt_ids) == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(asked.token_ids) == asked.completion_tokens
    assert tokenizer.decode(asked.token_ids, skip_special_tokens=True).strip() == asked.text.strip()
    by_ids = Request(tools.user("another text"), sampling, prompt_ids=asked.prompt_ids)
    begun = msgspec.structs.replace(by_ids, prompt_ids=(*asked.prompt_ids, *asked.token_ids[:5]))
    again, rest = tools.complete_all(target, [by_ids, begun])
    assert again == asked
    assert rest.token_ids[:7] == asked.token_ids[5:]


def test_token_ids_hold_the_end_and_the_stop_string(target, tools):
    sampling = Sampling(temperature=1.0, max_tokens=100, token_ids=True, logprobs=0)
    requests = [Request("the cat", sampling, seed) for seed in range(30)]
    ended = [one for one in tools.complete_all(target, requests) if one.stop == ""]
    assert ended
    assert {one.token_ids[-1] for one in ended} == {2}
    text = next(one.text for one in ended if len(one.text) > 8)
    seed = next(seed for seed, one in enumerate(tools.complete_all(target, requests)) if one.text == text)
    cut = msgspec.structs.replace(sampling, stop=(text[4:7],))
    [stopped] = tools.complete_all(target, [Request("the cat", cut, seed)])
    assert len(stopped.token_ids) == len(stopped.logprobs) == stopped.completion_tokens
    assert "".join(entry["token"] for entry in stopped.logprobs).startswith(stopped.text + stopped.stop)


def test_ids_that_are_none_of_the_model_are_refused(target, tools):
    for ids in ((1, 99_999), (-1,), ()):
        request = Request((Message("user", "hi"),), Sampling(max_tokens=2), prompt_ids=ids)
        with pytest.raises(RequestRefused, match=r"does not know|is empty"):
            tools.complete_all(target, [request])


def test_what_the_client_tells_of_its_model(target, tools):
    async def use(client):
        return await client.models(), await client.context_length(), await client.ready()

    assert tools.with_client(target, use) == ((target.model.location,), 256, True)


def test_libraries_and_device_are_told_as_what_generates(target, tools):
    async def use(client):
        return dict(await client.versions())

    told = tools.with_client(target, use)
    libraries = {name: importlib.metadata.version(name) for name in ("transformers", "torch")}
    assert {name: told[name].partition("+")[0] for name in libraries} == {
        name: version.partition("+")[0] for name, version in libraries.items()
    }
    assert told["device"].startswith("cpu ")
