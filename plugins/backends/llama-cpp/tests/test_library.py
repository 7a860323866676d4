"""llama.cpp in this process."""

from __future__ import annotations

import asyncio
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from skillforge import BackendUnusable, Client, Completion, Message, ModelRef, Request, Sampling, Target, UsageError
from skillforge_llama_cpp import LlamaCppBackend, LlamaCppOptions

pytestmark = pytest.mark.xdist_group("llama-cpp")

QUESTION = (Message("user", "Ana has 3 pens. Ben gives Ana 4 pens. How many pens does Ana have?"),)
LONG = Request(QUESTION, Sampling(max_tokens=480, temperature=2.0, top_p=1.0, top_k=300, min_p=0.0))


def test_a_prompt_of_ids_is_the_prompt_of_text(library: Any) -> None:
    greedy = Sampling(max_tokens=40, temperature=0.0, token_ids=True)

    async def both(client: Client) -> tuple[Completion, Completion]:
        first = await client.complete(Request(QUESTION, greedy))
        return first, await client.complete(Request(QUESTION, greedy, prompt_ids=first.prompt_ids))

    first, again = library.ask(both)
    assert (again.text, again.prompt_ids, again.token_ids) == (first.text, first.prompt_ids, first.token_ids)
    assert len(first.token_ids) == first.completion_tokens


def test_a_stream_tells_the_text(library: Any) -> None:
    told: list[str] = []
    answer: Completion = library.ask(
        lambda client: client.complete(Request(QUESTION, Sampling(temperature=0.0)), told.append)
    )
    assert len(told) > 3
    assert "".join(told) == answer.text
    assert answer.first_token is not None


def test_a_cancelled_request_makes_way(library: Any) -> None:
    async def run(client: Client) -> float:
        doomed = [asyncio.create_task(client.complete(LONG)) for _ in range(200)]
        await asyncio.sleep(0.05)
        for task in doomed:
            task.cancel()
        await asyncio.gather(*doomed, return_exceptions=True)
        started = time.perf_counter()
        await client.complete(Request(QUESTION, Sampling(max_tokens=1)))
        return time.perf_counter() - started

    async def alone(client: Client) -> float:
        started = time.perf_counter()
        for _ in range(10):
            await client.complete(LONG)
        return time.perf_counter() - started

    assert library.ask(run) < library.ask(alone)  # 200 were asked for, and not even 10 were made


def test_the_context_can_be_set(library: Any) -> None:
    assert library.ask(lambda client: client.context_length(), context=256) == 256


def test_the_dry_run_shows_the_text(library: Any) -> None:
    shown = LlamaCppBackend().preview(
        Request((Message("user", "2 + 2?"),), Sampling()), library.target, LlamaCppOptions()
    )
    assert shown == "<bos><user>2 + 2?<assistant>"


def test_a_file_that_is_no_model_is_told(library: Any, tmp_path: Path) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF, or not")
    with pytest.raises(BackendUnusable, match=r"cannot load broken\.gguf"):
        open_and_leave(Target(ModelRef(str(file), str(file))))


@pytest.mark.parametrize("given", [{"grammar": 'root ::= "4"'}, {"timeout": 3.0}, {"api_key_env": "KEY"}])
def test_what_needs_a_server_is_refused_in_process(given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(UsageError, match=rf"'backend.{name}' has no meaning without a server"):
        open_and_leave(Target(ModelRef("m.gguf", "m.gguf")), LlamaCppOptions(**given))


def test_a_model_that_is_no_file_is_told() -> None:
    with pytest.raises(UsageError, match=r"no-such-model is not a GGUF file; give --model FILE\.gguf; a server"):
        open_and_leave(Target(ModelRef("no-such-model", "no-such-model")))


def test_without_the_library_a_line_tells_what_to_install(tmp_path: Path) -> None:
    if find_spec("llama_cpp") is not None:
        pytest.skip("llama-cpp-python is installed")
    file = tmp_path / "some.gguf"
    file.touch()
    with pytest.raises(BackendUnusable, match=r"not installed; pip install 'skillforge-llama-cpp\[library\]'"):
        open_and_leave(Target(ModelRef(str(file), str(file))))


def open_and_leave(target: Target, options: LlamaCppOptions | None = None) -> None:
    async def run() -> None:
        async with LlamaCppBackend().open(target, options or LlamaCppOptions()):
            pass

    asyncio.run(run())
