"""What the models of a real server generate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from skillforge import Client, Completion, DataSource, ModelRef, Request, Sampling, Target, UsageError

pytestmark = pytest.mark.xdist_group("triton")

STREAMED = ("ensemble_2023_stream", "ensemble_stream", "ensemble_2025_stream", "tensorrt_llm_stream")
MODELS = ("ensemble_2023", "ensemble", "ensemble_2025", "tensorrt_llm", *STREAMED)
QUESTION = "<bos><user>Ana has 3 pens. Ben gives Ana 4 pens. How many pens does Ana have?<assistant>"
PROBLEMS = 50
GREEDY = Sampling(max_tokens=96, temperature=0.0)
TELL_NO_END = ("ensemble_2023", "ensemble")
"""Not streamed, they tell neither why an answer ended nor how many tokens it has."""


def each(requests: Sequence[Request], heard: bool = False) -> Callable[[Client], Any]:
    """Makes all completions at once; `heard`: with somebody who is told of the pieces."""

    async def work(client: Client) -> list[Completion]:
        told: list[list[str]] = [[] for _ in requests]
        tells = [pieces.append if heard else None for pieces in told]
        answers = await asyncio.gather(*map(client.complete, requests, tells))
        if heard:
            assert ["".join(pieces) for pieces in told] == [answer.text for answer in answers]
        return list(answers)

    return work


@pytest.fixture(scope="module")
def greedy() -> dict[str, str]:
    """Prompt -> what the backend transformers answers it."""
    pytest.importorskip("transformers")
    tiny = pytest.importorskip("skillforge_tiny")
    arith = pytest.importorskip("skillforge_forge_arith")
    from skillforge_transformers import TransformersBackend, TransformersOptions

    benchmark = arith.skillforge_benchmark()
    problems = list(benchmark.problems(benchmark.default_split, benchmark.Options(), DataSource()))[:PROBLEMS]
    prompts = [f"<bos><user>{problem.question}<assistant>" for problem in problems]

    async def run() -> list[Completion]:
        target = Target(ModelRef("tiny", str(tiny.WEIGHTS)))
        async with TransformersBackend().open(target, TransformersOptions(threads=1)) as client:
            return list(await asyncio.gather(*(client.complete(Request(prompt, GREEDY)) for prompt in prompts)))

    return {prompt: answer.text for prompt, answer in zip(prompts, asyncio.run(run()), strict=True)}


@pytest.mark.parametrize("model", MODELS)
def test_greedy_texts_equal_those_of_transformers(triton: Any, greedy: dict[str, str], model: str) -> None:
    answers = triton.ask(each([Request(prompt, GREEDY) for prompt in greedy]), model)
    assert [answer.text for answer in answers] == list(greedy.values())
    ended = None if model in TELL_NO_END else "stop"
    assert all("####" in answer.text and answer.finish_reason == ended for answer in answers)


@pytest.mark.parametrize("model", MODELS)
def test_sampling_follows_seed_temperature_top_k_and_top_p(triton: Any, model: str) -> None:
    hot = Sampling(max_tokens=24, temperature=4.0)
    narrow = [Sampling(max_tokens=24, temperature=4.0, top_k=1), Sampling(max_tokens=24, temperature=4.0, top_p=1e-6)]
    requests = [Request(QUESTION, hot, seed) for seed in (1, 1, 2, 3)]
    requests += [Request(QUESTION, sampling, 1) for sampling in narrow]
    requests += [Request(QUESTION, Sampling(max_tokens=24, temperature=0.0), 1)]
    first, again, second, third, *narrowed, greedy = (answer.text for answer in triton.ask(each(requests), model))
    assert first == again
    assert len({first, second, third, greedy}) == 4  # a temperature alone does draw
    assert narrowed == [greedy, greedy]


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_an_answer_ends_before_its_stop_string_and_tells_which(triton: Any, model: str, heard: bool) -> None:
    (whole,) = triton.ask(each([Request(QUESTION, GREEDY)]), model)
    middle, last = whole.text[len(whole.text) // 2 :][:3], whole.text[-2:]
    stops = ((last,), (', "', middle, "never"), ("never",))
    requests = [Request(QUESTION, Sampling(max_tokens=96, temperature=0.0, stop=each_stop)) for each_stop in stops]
    *cut, uncut = triton.ask(each(requests, heard), model)
    for answer, stop in zip(cut, (last, middle), strict=True):
        assert (answer.text, answer.stop) == (whole.text.partition(stop)[0], stop)
        assert answer.finish_reason == "stop"
    assert uncut.text == whole.text
    assert not uncut.stop


@pytest.mark.parametrize("way", ["grpc", "http"])
@pytest.mark.parametrize("model", STREAMED)
def test_streams_tell_their_pieces_without_the_stop_string(triton: Any, model: str, way: str) -> None:
    pieces: list[str] = []
    request = Request(QUESTION, Sampling(max_tokens=96, temperature=0.0, stop=("####",)))
    answer = triton.ask(lambda client: client.complete(request, pieces.append), model, way)
    assert len(pieces) > 3
    assert "".join(pieces) == answer.text
    assert answer.stop == "####"
    assert answer.first_token > 0


@pytest.mark.parametrize("heard", [False, True])
@pytest.mark.parametrize("model", ["ensemble_2025", "ensemble_2025_stream"])
def test_tokens_are_counted_where_the_model_tells(triton: Any, model: str, heard: bool) -> None:
    short = Request(QUESTION, Sampling(max_tokens=3, temperature=0.0))
    cut, whole = triton.ask(each([short, Request(QUESTION, GREEDY)], heard), model)
    assert (cut.finish_reason, cut.completion_tokens) == ("length", 3)
    assert (whole.finish_reason, whole.stop) == ("stop", "")
    assert whole.completion_tokens > 5
    assert cut.prompt_tokens == whole.prompt_tokens > 10


def test_log_probabilities_come_for_each_token(triton: Any) -> None:
    request = Request(QUESTION, Sampling(max_tokens=4, temperature=0.0, logprobs=0))
    (whole,) = triton.ask(each([request]), "ensemble_2025")
    (streamed,) = triton.ask(each([request], heard=True), "ensemble_2025_stream")
    values = [entry["logprob"] for entry in whole.logprobs]
    assert len(values) == 4
    assert max(values) <= 0
    assert [entry["logprob"] for entry in streamed.logprobs] == pytest.approx(values, abs=1e-4)
    assert "".join(entry["token"] for entry in streamed.logprobs) == streamed.text


@pytest.mark.parametrize(
    ("model", "setting"),
    [
        ("ensemble_2023", {"frequency_penalty": 0.5}),
        ("ensemble_2023_stream", {"logprobs": 0}),
        ("tensorrt_llm", {"repetition_penalty": 1.1}),
        ("tensorrt_llm_stream", {"logprobs": 0}),
    ],
)
def test_a_setting_that_the_model_lacks_is_refused_by_name(triton: Any, model: str, setting: dict[str, Any]) -> None:
    request = Request(QUESTION, Sampling(max_tokens=4, **setting))
    flag = "--" + next(iter(setting)).replace("_", "-")
    with pytest.raises(UsageError, match=f"'{model}' has no input for {flag}"):
        triton.ask(each([request]), model)


def test_the_usual_model_is_asked_where_none_is_named(triton: Any) -> None:
    assert triton.ask(each([Request(QUESTION, GREEDY)]), None) == triton.ask(
        each([Request(QUESTION, GREEDY)]), "ensemble"
    )
