"""What the tiny model writes, by each of the ways, against the backend transformers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from skillforge import Client, Completion, DataSource, Message, ModelRef, Prompt, Request, Sampling, Target

pytestmark = pytest.mark.xdist_group("llama-cpp")

PROBLEMS = 50
GREEDY = Sampling(max_tokens=96, temperature=0.0)


async def complete_all(client: Client, requests: Sequence[Request]) -> list[Completion]:
    return list(await asyncio.gather(*map(client.complete, requests)))


@pytest.fixture(scope="module")
def questions() -> list[str]:
    arith = pytest.importorskip("skillforge_forge_arith")
    benchmark = arith.skillforge_benchmark()
    problems = benchmark.problems(benchmark.default_split, benchmark.Options(), DataSource())
    return [problem.question for problem in list(problems)[:PROBLEMS]]


@pytest.fixture(scope="module", params=["chat", "text"])
def greedy(request: pytest.FixtureRequest, questions: list[str]) -> list[tuple[Prompt, str]]:
    """Prompts, with what the backend transformers answers."""
    pytest.importorskip("transformers")
    tiny = pytest.importorskip("skillforge_tiny")
    from skillforge_transformers import TransformersBackend, TransformersOptions

    as_chat = request.param == "chat"
    prompts: list[Prompt] = [(Message("user", q),) if as_chat else f"<bos><user>{q}<assistant>" for q in questions]

    async def run() -> list[Completion]:
        target = Target(ModelRef("tiny", str(tiny.WEIGHTS)))
        async with TransformersBackend().open(target, TransformersOptions(threads=1)) as client:
            return await complete_all(client, [Request(prompt, GREEDY) for prompt in prompts])

    return [(prompt, answer.text) for prompt, answer in zip(prompts, asyncio.run(run()), strict=True)]


@pytest.mark.parametrize("cache_prompt", [True, False])
def test_greedy_texts_equal_those_of_transformers(
    way: Any, greedy: list[tuple[Prompt, str]], cache_prompt: bool
) -> None:
    requests = [Request(prompt, GREEDY) for prompt, _ in greedy]
    answers = way.ask(lambda client: complete_all(client, requests), cache_prompt=cache_prompt)
    assert [answer.text for answer in answers] == [text for _, text in greedy]
    assert {answer.finish_reason for answer in answers} == {"stop"}


def test_a_seed_repeats_itself_whatever_was_asked_before(way: Any, questions: list[str]) -> None:
    warm = Sampling(max_tokens=48, temperature=1.0, top_p=1.0, top_k=300, min_p=0.0)
    requests = [Request((Message("user", q),), warm, seed) for seed, q in enumerate(questions[:10])]

    async def there_and_back(client: Client) -> tuple[list[Completion], list[Completion]]:
        there = [await client.complete(request) for request in requests]
        return there, [await client.complete(request) for request in reversed(requests)]

    there, back = way.ask(there_and_back, cache_prompt=False)
    assert [answer.text for answer in there] == [answer.text for answer in reversed(back)]
    assert len({answer.text for answer in there}) > 1


def test_penalties_and_limits_have_their_effect(way: Any, questions: list[str]) -> None:
    def text(**sampling: Any) -> str:
        given = Sampling(**{"max_tokens": 48, "temperature": 0.0} | sampling)
        answer: Completion = way.ask(lambda client: client.complete(Request((Message("user", questions[0]),), given)))
        return answer.text

    plain = text()
    assert text(repetition_penalty=1.0) == plain
    assert text(repetition_penalty=5.0) != plain
    assert text(frequency_penalty=2.0, presence_penalty=2.0) != plain
    assert text(temperature=1.5, top_k=1) == plain
    assert text(temperature=1.5, min_p=1.0) == plain
