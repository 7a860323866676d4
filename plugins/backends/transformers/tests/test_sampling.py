"""The drawing of tokens, without a model."""

from __future__ import annotations

import asyncio

import pytest
import torch
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from skillforge import Sampling
from skillforge_transformers import sampling as sampling_module
from skillforge_transformers.row import Row
from skillforge_transformers.sampling import Penalties, RowSampler, Truncation, uniform
from skillforge_transformers.stops import Stops

CPU = torch.device("cpu")
NO_STOPS = Stops((), {}, str, str)


@pytest.fixture(scope="module")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def make_row(loop):
    def make(seed: int = 0, prompt: tuple[int, ...] = (1,), tokens: tuple[int, ...] = (), **settings) -> Row:
        row = Row(list(prompt), Sampling(**settings), 10, seed, NO_STOPS, loop.create_future())
        row.tokens.extend(tokens)
        return row

    return make


def draw(rows: list[Row], logits: torch.Tensor) -> torch.Tensor:
    return RowSampler(rows, CPU).draw(logits.expand(len(rows), -1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_those_of_the_softmax(make_row, temperature):
    torch.manual_seed(0)
    logits = torch.randn(12) * 1.5
    count = 20_000
    drawn = draw([make_row(seed, temperature=temperature) for seed in range(count)], logits)
    seen = torch.bincount(drawn, minlength=12).double()
    expected = (logits.double() / temperature).softmax(-1) * count
    chi_square = ((seen - expected) ** 2 / expected).sum().item()
    assert chi_square < 31.3  # 11 degrees of freedom: exceeded by chance once in 1,000


def test_one_seed_draws_anew_at_every_step(make_row):
    logits = torch.zeros(8)
    count = 16_000
    drawn = draw([make_row(3, tokens=(0,) * step, temperature=1.0) for step in range(200)], logits)
    assert len(set(drawn.tolist())) == 8
    pairs = draw([make_row(seed, tokens=(0,) * (seed % 2), temperature=1.0) for seed in range(count)], logits)
    seen = torch.bincount(pairs[::2] * 8 + pairs[1::2], minlength=64).double()
    assert ((seen - count / 128) ** 2 / (count / 128)).sum().item() < 106  # 63 degrees of freedom, 1 in 1,000


def test_random_numbers_are_spread_evenly_and_do_not_repeat_nearby():
    numbers = [uniform(seed, step) for seed in range(100) for step in range(100)]
    assert all(0 <= number < 1 for number in numbers)
    assert len(set(numbers)) == len(numbers)
    tenths = [sum(int(number * 10) == tenth for number in numbers) for tenth in range(10)]
    assert sum((count - 1000) ** 2 / 1000 for count in tenths) < 27.9  # 9 degrees of freedom, 1 in 1,000


def test_a_token_without_probability_is_never_drawn(make_row):
    logits = torch.tensor([-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf])
    drawn = draw([make_row(seed, temperature=1.0) for seed in range(2000)], logits)
    assert set(drawn.tolist()) == {1, 3}


def test_rounding_of_logits_hardly_ever_changes_a_token(make_row):
    """What a batch of another shape does to float32 logits."""
    torch.manual_seed(0)
    rows = [make_row(seed, temperature=1.0, top_p=0.95) for seed in range(4000)]
    logits = torch.randn(len(rows), 200) * 3
    noisy = logits * (1 + 1e-6 * torch.randn_like(logits))
    same = RowSampler(rows, CPU).draw(logits) == RowSampler(rows, CPU).draw(noisy)
    assert same.sum() >= len(rows) - 1


@pytest.mark.parametrize("vocabulary", [40, 2000])
@pytest.mark.parametrize(
    ("top_k", "top_p", "min_p"),
    [(5, None, None), (None, 0.8, None), (None, None, 0.1), (10, 0.7, None), (7, 0.9, 0.05), (None, 0.0, None),
     (None, 0.999, None), (5000, 0.9, None), (None, 1.0, None)],
)  # fmt: skip
def test_truncation_keeps_what_transformers_keeps(make_row, vocabulary, top_k, top_p, min_p):
    torch.manual_seed(vocabulary)
    logits = torch.randn(6, vocabulary) * 2
    rows = [make_row(temperature=0.8, top_k=top_k, top_p=top_p, min_p=min_p) for _ in range(6)]
    expected = TemperatureLogitsWarper(0.8)(None, logits)
    if top_k is not None:
        expected = TopKLogitsWarper(top_k)(None, expected)
    if top_p is not None:
        expected = TopPLogitsWarper(top_p)(None, expected)
    if min_p is not None:
        expected = MinPLogitsWarper(min_p)(None, expected)
    assert torch.equal(Truncation(rows, CPU).apply(logits), expected)


def test_truncation_is_by_row(make_row, monkeypatch):
    monkeypatch.setattr(sampling_module, "_FIRST_LOOK", 4)
    torch.manual_seed(1)
    logits = torch.randn(1, 30).expand(5, -1)
    settings = [{}, {"top_k": 2}, {"top_k": 12}, {"top_p": 0.9}, {"top_p": 0.1, "min_p": 0.5}]
    rows = [make_row(temperature=1.0, **setting) for setting in settings]
    together = Truncation(rows, CPU).apply(logits)
    for at, row in enumerate(rows):
        assert torch.equal(together[at], Truncation([row], CPU).apply(logits[:1])[0])
    assert (together > -torch.inf).sum(-1).tolist()[:3] == [30, 2, 12]


def test_penalties(make_row):
    scores = torch.tensor([[2.0, -2.0, 1.0, 0.5]])
    row = make_row(prompt=(0,), tokens=(1, 2, 2), frequency_penalty=0.5, presence_penalty=0.25, repetition_penalty=2.0)
    penalties = Penalties([row], 4, CPU)
    assert penalties.apply(scores).tolist() == [[1.0, -4.75, -0.75, 0.5]]
    penalties.count(torch.tensor([3]))
    assert penalties.apply(scores)[0, 3].item() == pytest.approx(-0.5)


def test_greedy_rows_and_drawn_ones_share_a_batch(make_row):
    torch.manual_seed(0)
    logits = torch.randn(3, 10)
    rows = [make_row(temperature=0.0), make_row(5, temperature=1.0), make_row(temperature=0.0)]
    drawn = RowSampler(rows, CPU).draw(logits)
    assert drawn[::2].tolist() == logits[::2].argmax(-1).tolist()
    assert drawn[1] == RowSampler(rows[1:2], CPU).draw(logits[1:2])[0]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_nan_is_noticed(make_row, temperature):
    logits = torch.tensor([[0.0, 1.0], [0.0, float("nan")]])
    drawn = RowSampler([make_row(temperature=0.0), make_row(temperature=temperature)], CPU).draw(logits)
    assert drawn.tolist() == [1, -1]
