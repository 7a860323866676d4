"""The classic protocol, against a server that generates with a real model as NeMo's is described to do."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import (
    Client,
    ContextOverflow,
    Message,
    ModelRef,
    Request,
    RequestFailed,
    RequestRefused,
    Sampling,
    Target,
    UsageError,
)
from skillforge.testing import check_backend
from skillforge_nemo_backend import NemoBackend, NemoOptions

pytestmark = pytest.mark.xdist_group("nemo")

PROMPT = "<bos><user>Mia has {} pens. Mia buys 7 more pens. How many pens does Mia have?<assistant>"
SOLVED = "12 + 7 = 19. #### 19"
LONGER = "<bos><user>Ben has 5 books. Ben buys 3 more books. Ben gives 2 books to Mia. How many books does Ben have?<assistant>"


def greedy(prompt: str, **sampling: Any) -> Request:
    return Request(prompt, Sampling(**{"temperature": 0.0, "max_tokens": 40} | sampling))


def at_once(*requests: Request) -> Callable[[Client], Any]:
    """Complete all of them at once; errors are returned."""
    return lambda client: asyncio.gather(*map(client.complete, requests), return_exceptions=True)


# The contract -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bytes_server(start: Callable[..., Any], byte_model: str) -> Any:
    return start("classic", byte_model)


@pytest.mark.parametrize("batch_size", [1, 128])
def test_contract(bytes_server: Any, batch_size: int, record_property: Any) -> None:
    options = {"protocol": "classic", "batch_size": batch_size}
    target = Target(ModelRef("any", "any"), bytes_server.url)
    results = {result.name: result for result in check_backend(NemoBackend(), options=options, target=target)}
    assert not [result for result in results.values() if not result.ok]
    for name in ("completes", "max_tokens", "stop", "tells the stop string", "eight at once", "cancelling"):
        assert results[name].state == "ok", results[name]
    assert results["seed"].state == ("ok" if batch_size == 1 else "skipped")
    told = {name: None if each.state == "ok" else each.detail for name, each in results.items()}
    record_property(
        f"backend: nemo, classic, {'one by one' if batch_size == 1 else 'batches'} (written)", json.dumps(told)
    )


# Text -------------------------------------------------------------------------------------------------------------


def test_the_answer_comes_without_the_prompt(lab: SimpleNamespace, classic: Any) -> None:
    done = lab.ask(classic.url, PROMPT.format(12), temperature=0.0, max_tokens=40)
    assert done.text == SOLVED
    assert (done.finish_reason, done.stop) == ("stop", "")


def test_an_answer_of_all_its_tokens_ended_by_length(lab: SimpleNamespace, classic: Any) -> None:
    done = lab.ask(classic.url, PROMPT.format(12), temperature=0.0, max_tokens=4)
    assert done.text == "12 + 7"
    assert (done.finish_reason, done.stop, done.completion_tokens) == ("length", None, 4)


def test_an_end_string_is_cut_off_and_told(lab: SimpleNamespace, classic: Any) -> None:
    done = lab.ask(classic.url, PROMPT.format(12), temperature=0.0, max_tokens=40, stop=("nothing", "####"))
    assert done.text == SOLVED.partition("####")[0]
    assert (done.finish_reason, done.stop) == ("stop", "####")


def test_an_end_string_inside_a_token_ends_the_answer_where_the_server_goes_on(
    lab: SimpleNamespace, classic: Any
) -> None:
    done = lab.ask(classic.url, PROMPT.format(12), temperature=0.0, max_tokens=40, stop=("##",))
    assert (done.text, done.stop) == (SOLVED.partition("##")[0], "##")


def test_answers_do_not_depend_on_their_batch(lab: SimpleNamespace, classic: Any) -> None:
    """Short prompts are not given the tokens that long ones of their batch make room for."""
    requests = [greedy(prompt, max_tokens=most) for most in (5, 40) for prompt in (PROMPT.format(12), LONGER, "Mia")]
    alone = [lab.run(classic.url, lambda client, r=request: client.complete(r)) for request in requests]
    assert lab.run(classic.url, at_once(*requests)) == alone


def test_special_tokens_of_the_prompt_are_missed_in_the_sentence(lab: SimpleNamespace, bytes_server: Any) -> None:
    prompt = "<|user|>one two\n<|user|>the cat é"
    short, long = (lab.ask(bytes_server.url, prompt, temperature=0.0, max_tokens=most) for most in (5, 20))
    assert long.text.startswith(short.text)
    assert (short.completion_tokens, long.completion_tokens) == (5, 20)
    assert "cat" not in short.text


def test_a_prompt_that_does_not_come_back_is_refused(lab: SimpleNamespace, classic: Any) -> None:
    with pytest.raises(RequestRefused, match="does not give the prompt back") as caught:
        lab.ask(classic.url, "Überraschung has 12 pens.", max_tokens=5)
    assert "Überraschung" not in str(caught.value)


def test_temperature_0_is_greedy(lab: SimpleNamespace, classic: Any) -> None:
    texts = {lab.ask(classic.url, PROMPT.format(33), temperature=0.0, top_p=0.5, max_tokens=30).text for _ in range(3)}
    assert len(texts) == 1


def test_the_repetition_penalty_counts(lab: SimpleNamespace, classic: Any) -> None:
    """The server passes it over unless log-probabilities are computed, too."""
    sampling = {"temperature": 0.01, "max_tokens": 40, "top_p": 1.0}
    plain = lab.ask(classic.url, PROMPT.format(12), **sampling, options={"protocol": "classic"})
    heavy = lab.ask(
        classic.url, PROMPT.format(12), **sampling, repetition_penalty=50.0, options={"protocol": "classic"}
    )
    assert (plain.text, heavy.text == SOLVED) == (SOLVED, False)


# Settings that the server does not take ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        ({"temperature": 101.0}, "temperature must be a positive number less than or equal to 100.0"),
        ({"temperature": 1.0, "repetition_penalty": 0.5}, "repetition_penalty below 1"),
        ({"temperature": 0.0, "repetition_penalty": 1.5}, "repetition_penalty at temperature 0"),
    ],
)
def test_invalid_settings_are_told(lab: SimpleNamespace, classic: Any, sampling: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        lab.ask(classic.url, PROMPT.format(1), **sampling)
    assert "\n" not in str(caught.value)


def test_chat_is_refused_by_name(lab: SimpleNamespace, classic: Any) -> None:
    assert "chat" not in NemoBackend().capabilities(NemoOptions(protocol="classic"))
    with pytest.raises(UsageError, match="raw text"):
        lab.ask(classic.url, (Message("user", "Hello"),))


@pytest.mark.parametrize(("batch_size", "able"), [(1, True), (2, False), (128, False)])
def test_seeds_need_batches_of_one(batch_size: int, able: bool) -> None:
    options = NemoOptions(protocol="classic", batch_size=batch_size)
    assert ("seed" in NemoBackend().capabilities(options)) is able


def test_a_seed_repeats_its_answer(lab: SimpleNamespace, classic: Any) -> None:
    requests = [
        Request(PROMPT.format(12), Sampling(temperature=2.0, max_tokens=30, top_p=1.0), seed)
        for seed in (7, 7, 8, 2**31 - 1, 2**31 - 1)
    ]
    texts = [done.text for done in lab.run(classic.url, at_once(*requests), protocol="classic", batch_size=1)]
    assert texts[0] == texts[1] != texts[2]
    assert texts[3] == texts[4]


# Batches ----------------------------------------------------------------------------------------------------------


def test_two_hundred_requests_take_few_batches(lab: SimpleNamespace, classic: Any) -> None:
    requests = [greedy(PROMPT.format(number)) for number in range(10, 99)] * 2 + [greedy(LONGER)] * 22
    classic.calls()
    answers = lab.run(classic.url, at_once(*requests))
    assert len(answers) == 200
    assert answers[2].text == SOLVED
    assert answers[:89] == answers[89:178]
    calls = classic.calls()
    assert sum(call["sentences"] for call in calls) == 200
    assert max(call["sentences"] for call in calls) <= 128
    assert len(calls) <= 4
    assert all(first["ended"] <= second["began"] for first, second in itertools.pairwise(calls))


def test_the_next_batch_gathers_while_one_is_served(lab: SimpleNamespace, classic: Any, slow: Any) -> None:
    async def trickle(client: Client) -> None:
        tasks = []
        for number in range(20, 40):
            tasks.append(asyncio.create_task(client.complete(greedy(PROMPT.format(number), max_tokens=5))))
            await asyncio.sleep(0.02)
        await asyncio.gather(*tasks)

    slow(1)
    classic.calls()
    lab.run(classic.url, trickle)
    calls = classic.calls()
    assert sum(call["sentences"] for call in calls) == 20
    assert len(calls) <= 3


def test_a_batch_holds_one_kind_of_settings(lab: SimpleNamespace, classic: Any) -> None:
    classic.calls()
    requests = [greedy(PROMPT.format(12), max_tokens=most) for most in (3, 4) * 10]
    done = lab.run(classic.url, at_once(*requests))
    assert [each.completion_tokens for each in done] == [3, 4] * 10
    assert sorted(call["sentences"] for call in classic.calls()) == [10, 10]


def test_batches_are_no_longer_than_the_option_says(lab: SimpleNamespace, classic: Any) -> None:
    classic.calls()
    lab.run(classic.url, at_once(*[greedy("Mia has", max_tokens=2)] * 20), batch_size=8)
    assert sorted(call["sentences"] for call in classic.calls()) == [4, 8, 8]


def test_one_prompt_that_is_too_long_costs_only_itself(lab: SimpleNamespace, classic: Any) -> None:
    """In a batch with others its sentence is cut off inside the prompt; alone it fails."""
    long = greedy("Mia has 1 pens. " * 200)
    requests = [greedy(PROMPT.format(12))] * 11 + [long] + [greedy(PROMPT.format(12))] * 4
    answers = lab.run(classic.url, at_once(*requests))
    assert isinstance(answers.pop(11), ContextOverflow)
    assert {answer.text for answer in answers} == {SOLVED}
    with pytest.raises(RequestRefused, match="longer than the model's context"):
        lab.run(classic.url, lambda client: client.complete(long))


# Faults -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def slow(classic: Any) -> Iterator[Callable[[float], None]]:
    """Slow the server down for one test."""
    yield classic.slow_down
    classic.slow_down(0)


def test_a_server_that_is_killed_and_started_again_goes_on(lab: SimpleNamespace, classic: Any, slow: Any) -> None:
    async def across(client: Client) -> None:
        await client.check()
        slow(30)
        under_way = asyncio.create_task(client.complete(greedy(PROMPT.format(12))))
        await asyncio.sleep(0.3)
        classic.kill()
        with pytest.raises(RequestFailed) as lost:
            await under_way
        assert lost.value.connection
        with pytest.raises(RequestFailed, match="cannot reach") as refused:
            await client.complete(greedy(PROMPT.format(12)))
        assert refused.value.connection
        assert not await client.ready()
        slow(0)
        await asyncio.to_thread(classic.start)
        assert await client.ready()
        assert (await client.complete(greedy(PROMPT.format(12)))).text == SOLVED

    lab.run(classic.url, across)


def test_a_slow_server_is_given_up_in_time(lab: SimpleNamespace, classic: Any, slow: Any) -> None:
    slow(2)
    with pytest.raises(RequestFailed, match=r"no answer from http://127.0.0.1:\d+/v1 within 0.5 s"):
        lab.ask(classic.url, "Mia has", max_tokens=2, options={"timeout": 0.5})
