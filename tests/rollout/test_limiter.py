"""The limiter on simulated servers, in virtual time, and what it does at once."""

from __future__ import annotations

from statistics import median

import pytest
from simulated_server import SERVERS, SimulatedServer, simulate

from skillforge.rollout.limiter import CEILING, START, Limiter

BEST = {
    "2 slots": 2,
    "8 slots, equal lengths": 8,
    "CPU engine, 64 seqs": 64,
    "GPU engine, 256 seqs": 256,
    "GPU engine, 1024 seqs": 1024,
    "GPU engine, long tail": 256,
    "saturates, no line": 1536,
    "loses work beyond 150": 150,
    "429 beyond 100": 100,
    "429 beyond 800": 800,
    "429 for 10 %": 512,
    "no limit, 2 s": 2048,
}
"""The fixed number in flight that gives the highest throughput; see bench/limiter.py."""


@pytest.mark.parametrize("name", SERVERS)
def test_it_comes_near_to_the_best_fixed_number(name: str) -> None:
    answers = 4000 + 12 * BEST[name]
    found = simulate(SERVERS[name], None, answers)
    best = simulate(SERVERS[name], BEST[name], answers)
    assert found.rate(0.5) >= 0.9 * best.rate(0.5)
    assert found.rate() >= 0.6 * best.rate()


@pytest.mark.parametrize(("slots", "most"), [(2, 16), (16, 40), (64, 100), (300, 450)])
def test_few_requests_wait_in_line_for_nothing(slots: int, most: int) -> None:
    found = simulate(SimulatedServer(lambda running: 100.0, slots), None, 10_000 + 300 * slots)
    assert max(found.limits) <= 8 * max(slots, START)
    assert median(found.limits[7 * len(found.limits) // 8 :]) <= most


@pytest.mark.parametrize("most", [5, 50, 500])
def test_it_stays_where_the_server_turns_nothing_away(most: int) -> None:
    found = simulate(SimulatedServer(lambda running: 100.0, 4096, most=most), None, 10_000 + 30 * most)
    late = found.limits[len(found.limits) // 2 :]
    assert 0.8 * most <= median(late) <= 1.05 * most
    assert sum(limit > 1.25 * most for limit in late) < 0.05 * len(late)


def test_it_does_not_climb_where_something_else_sets_the_pace() -> None:
    now = 0.0
    limiter = Limiter(None, clock=lambda: now)
    for _ in range(20_000):
        now += 0.1  # from answer to answer, however many are in flight
        limiter.succeeded()
    assert limiter.limit < START


def test_a_burst_of_throttled_answers_is_followed_at_once() -> None:
    limiter = Limiter(None)
    for _ in range(START // 2):
        limiter.throttled()
    assert limiter.limit <= 0.8 * START


def test_a_few_throttled_answers_change_nothing() -> None:
    limiter = Limiter(None)
    for _ in range(4):
        limiter.throttled()
    assert limiter.limit == START


@pytest.mark.parametrize("number", [1, 16, 5000])
def test_a_fixed_number_never_moves(number: int) -> None:
    limiter = Limiter(number)
    for _ in range(500):
        limiter.succeeded()
        limiter.throttled()
    assert limiter.limit == number


def test_it_never_falls_below_one_nor_fails_at_answers_in_no_time() -> None:
    limiter = Limiter(None, clock=lambda: 0.0)
    for _ in range(300):
        for _ in range(5):
            limiter.throttled()
        for _ in range(2 * START):
            limiter.succeeded()
        assert 1 <= limiter.limit <= CEILING
