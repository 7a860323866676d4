"""Faults of the server between the turns of a sample, and what a sample tells of its requests."""

from __future__ import annotations

import time
from typing import Any

import pytest
from scripted_server import Reply
from tool_loops import ANSWER, SOON, Workbench, asking, each_chat, fenced

from skillforge import Sampling


@each_chat
@pytest.mark.parametrize(
    "fault",
    [
        Reply("slow down", status=429, headers=SOON),
        Reply("overloaded", status=503, headers=SOON),
        Reply("oops", status=500, headers=SOON),
        Reply(drop=True),
    ],
    ids=["429", "503", "500", "dropped"],
)
def test_a_fault_that_can_pass_is_asked_again_in_the_same_words(
    bench: Workbench, settings: dict[str, Any], fault: Reply
) -> None:
    replies = [asking(settings, "x = 4"), fault, asking(settings, "x"), fault, fault, ANSWER]
    rolled = bench.roll("chat", replies, seed=7, **settings)
    first, second, again, third, more, most = rolled.bodies
    assert second == again and third == more == most
    assert len({body["seed"] for body in (first, second, third)}) == 3 and first["seed"] == 7
    assert (rolled.outputs, rolled.sample.state, rolled.sample.attempts) == (["", "4"], "done", 6)


@each_chat
def test_a_refusal_costs_the_sample_and_what_was_written_stays(bench: Workbench, settings: dict[str, Any]) -> None:
    replies = [asking(settings, "print(1)"), Reply("no", status=422)]
    rolled = bench.roll("chat", replies, **settings)
    assert (rolled.sample.state, rolled.sample.attempts) == ("error", 2)
    assert "HTTP 422: no" in (rolled.sample.error or "")
    assert rolled.kinds == ["code", "output"]


def test_turns_have_seeds_that_depend_on_the_sample_and_the_turn_alone(bench: Workbench) -> None:
    seeds = [
        [body["seed"] for body in bench.roll("tora", [fenced("1"), fenced("2"), ANSWER], seed=seed).bodies]
        for seed in (7, 7, 8)
    ]
    assert seeds[0] == seeds[1] and len({*seeds[0], *seeds[2]}) == 6


def test_log_probabilities_of_the_prompt_are_those_of_the_first_turn(bench: Workbench) -> None:
    scored = [None, {"5": {"logprob": -0.5, "rank": 1, "decoded_token": "?"}}]
    turn = {
        "text": "```python\n1\n```\n",
        "finish_reason": "stop",
        "stop_reason": "```output",
        "prompt_logprobs": scored,
    }
    rolled = bench.roll("tora", [{"choices": [turn]}, ANSWER], sampling=Sampling(prompt_logprobs=0))
    assert rolled.sample.prompt_logprobs == [{"token": "?", "logprob": -0.5, "top": {}}]
    assert [body.get("prompt_logprobs") for body in rolled.bodies] == [0, None]


def test_what_a_sample_took(bench: Workbench) -> None:
    begun = time.monotonic()
    replies = [fenced("import time; time.sleep(0.2)", delay=0.2, usage=(10, 5)), ANSWER._replace(usage=(20, 6))]
    rolled = bench.roll("tora", replies)
    took = time.monotonic() - begun
    sample = rolled.sample
    assert (sample.prompt_tokens, sample.completion_tokens, sample.attempts) == (30, 11, 2)
    code, output, text = rolled.written
    assert 0.2 <= code.seconds < took and 0.2 <= output.seconds < took and text.seconds < took
    assert (code.tokens, output.tokens, text.tokens) == (5, None, 6)
    assert sample.latency is not None and abs(sample.latency - code.seconds - text.seconds) < 1e-5
