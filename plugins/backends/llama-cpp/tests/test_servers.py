"""What llama.cpp's servers are sent, and what they do with it."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from typing import Any

import pytest

from skillforge import Client, Completion, Message, ModelRef, Request, Sampling, Target, UsageError
from skillforge_llama_cpp import LlamaCppBackend, LlamaCppOptions

pytestmark = pytest.mark.xdist_group("llama-cpp")

QUESTION = (Message("user", "Ana has 3 pens. Ben gives Ana 4 pens. How many pens does Ana have?"),)
SCHEMA = '{"type": "object", "properties": {"n": {"enum": [7]}}, "required": ["n"], "additionalProperties": false}'
NOWHERE = Target(ModelRef("tiny", "tiny"), "http://127.0.0.1:9/v1")


def sent(request: Request, **options: Any) -> Any:
    shown = LlamaCppBackend().preview(request, NOWHERE, LlamaCppOptions(**options))
    return json.loads(shown.partition("\n")[2])


def test_settings_have_the_servers_names() -> None:
    body = sent(Request(QUESTION, Sampling(top_k=5, min_p=0.25, repetition_penalty=1.5), 3))
    assert {"top_k": 5, "min_p": 0.25, "repeat_penalty": 1.5, "seed": 3, "cache_prompt": True}.items() <= body.items()
    assert "repetition_penalty" not in body


def test_a_penalty_that_nobody_asked_for_is_turned_off() -> None:
    assert sent(Request(QUESTION, Sampling()))["repeat_penalty"] == 1.0


def test_options_are_sent() -> None:
    body = sent(Request("2 + 2 =", Sampling(json_schema=SCHEMA)), cache_prompt=False, grammar='root ::= "4"')
    assert (body["cache_prompt"], body["grammar"], body["json_schema"]) == (False, 'root ::= "4"', json.loads(SCHEMA))


@pytest.mark.parametrize("name", ["context", "gpu_layers", "threads"])
def test_a_server_that_runs_has_loaded_its_model(name: str) -> None:
    told = pytest.raises(UsageError, match=rf"'backend.{name}' has no meaning with --base-url")
    with told:
        LlamaCppBackend().open(NOWHERE, LlamaCppOptions(**{name: 5}))
    with told:
        sent(Request(QUESTION, Sampling()), **{name: 5})


@pytest.mark.parametrize("prompt", [QUESTION, "2 + 2 ="], ids=["chat", "text"])
def test_answers_follow_a_schema(llama_server: Any, prompt: Any) -> None:
    request = Request(prompt, Sampling(json_schema=SCHEMA, max_tokens=200, temperature=0.0))
    answer: Completion = llama_server.ask(lambda client: client.complete(request))
    assert json.loads(answer.text) == {"n": 7}


def test_answers_follow_a_grammar(llama_server: Any) -> None:
    request = Request(QUESTION, Sampling(max_tokens=20, temperature=0.0))
    answer: Completion = llama_server.ask(lambda client: client.complete(request), grammar='root ::= "The" " bag"+')
    assert answer.text.startswith("The bag bag")


def test_the_servers_are_told_apart(llama_server: Any, python_server: Any) -> None:
    async def told(client: Client) -> tuple[frozenset[str] | None, int | None]:
        return client.capabilities(), await client.context_length()

    able, context = llama_server.ask(told)
    less, unknown = python_server.ask(told)
    assert (context, unknown) == (512, None)
    assert able - less == {"continue", "tools", "stream", "logprobs", "json_schema"}


@pytest.mark.parametrize("heard", [True, False])
def test_cancelling_frees_the_server(llama_server: Any, heard: bool) -> None:
    long = Request(QUESTION, Sampling(max_tokens=480, temperature=0.0))

    async def begin_and_cancel(client: Client) -> None:
        tasks = [asyncio.create_task(client.complete(long, _unheard if heard else None)) for _ in range(40)]
        assert await asyncio.to_thread(becomes, llama_server, busy=True)
        for task in tasks:
            task.cancel()
        cancelled = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(each, asyncio.CancelledError) for each in cancelled) > 30

    llama_server.ask(begin_and_cancel, grammar='root ::= "The" " bag"{450}')
    assert becomes(llama_server, busy=False)


def _unheard(piece: str) -> None:
    pass


def becomes(server: Any, busy: bool) -> bool:
    """Whether the server is found busy, or idle, within 5 s."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with urllib.request.urlopen(server.target.base_url.removesuffix("v1") + "slots") as answer:
            if any(slot["is_processing"] for slot in json.load(answer)) == busy:
                return True
    return False
