"""The limiter against simulated servers, in virtual time."""

from __future__ import annotations

import heapq
import itertools
import random
from statistics import median

import msgspec
import pytest

from skillforge.rollout.limiter import CEILING, START, Limiter


class Course(msgspec.Struct):
    """How the limit went: what it was after each answer of the second half, the most it ever was, and answers a second."""

    late: list[int]
    most: int
    throughput: float


def simulate(
    limiter: Limiter,
    answers: int,
    *,
    slots: int,
    spread: float = 0.0,
    rejects: bool = False,
    random_faults: float = 0.0,
) -> Course:
    """A server that works on `slots` requests at once, 0.1 s each; more wait in line, or are rejected with a 429.

    The client keeps `limiter.limit` requests in flight; one that was throttled comes again after a growing pause.
    """
    chance, number, now = random.Random(1), itertools.count(), 0.0
    free = [0.0] * slots
    events: list[tuple[float, int, str, float, int]] = []
    in_flight = working = 0
    course: list[int] = []

    def send(attempt: int) -> None:
        nonlocal working
        if (rejects and working >= slots) or chance.random() < random_faults:
            heapq.heappush(events, (now + 0.005, next(number), "429", now, attempt))
            return
        working += 1
        end = max(heapq.heappop(free), now) + 0.1 * chance.uniform(1 - spread, 1 + spread)
        heapq.heappush(free, end)
        heapq.heappush(events, (end, next(number), "answer", now, attempt))

    while len(course) < answers:
        while in_flight < limiter.limit:
            in_flight += 1
            send(1)
        now, _, what, sent, attempt = heapq.heappop(events)
        if what == "answer":
            in_flight, working = in_flight - 1, working - 1
            limiter.succeeded(now - sent)
            course.append(limiter.limit)
        elif what == "429":
            limiter.throttled()
            pause = chance.uniform(0.5, 1) * min(30.0, 0.1 * 2 ** (attempt - 1))
            heapq.heappush(events, (now + pause, next(number), "again", now, attempt + 1))
        else:
            send(attempt)
    return Course(course[answers // 2 :], max(course), answers / now)


@pytest.mark.parametrize("slots", [4, 20, 50, 100, 190, 400])
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_it_finds_what_the_server_can_do(slots: int, spread: float) -> None:
    found = simulate(Limiter(None), 80 * slots + 2000, slots=slots, spread=spread)
    assert 0.75 * slots <= median(found.late) <= 1.25 * slots + 1
    assert found.throughput >= 0.85 * 10 * slots


@pytest.mark.parametrize("slots", [2, 16, 100])
def test_it_does_not_creep_where_more_brings_nothing(slots: int) -> None:
    found = simulate(Limiter(None), 400 * slots + 10_000, slots=slots, spread=0.3)
    assert found.most <= max(2 * START, 3 * slots)
    assert max(found.late) <= 2 * slots + 4


def test_a_server_without_end_is_used_to_the_ceiling() -> None:
    found = simulate(Limiter(None), 30_000, slots=2 * CEILING, spread=0.1)
    assert found.most == CEILING and min(found.late) >= CEILING // 2


@pytest.mark.parametrize("slots", [5, 50, 200])
def test_it_backs_off_where_the_server_rejects_what_is_too_much(slots: int) -> None:
    found = simulate(Limiter(None), 100 * slots + 1000, slots=slots, spread=0.2, rejects=True)
    assert 0.7 * slots <= median(found.late) <= 1.3 * slots + 2
    assert found.throughput >= 0.7 * 10 * slots


def test_throttled_answers_cut_it_once_until_that_shows() -> None:
    limiter = Limiter(None)
    for _ in range(100):
        limiter.throttled()
    assert limiter.limit == START * 7 // 10
    for _ in range(3 * START):
        limiter.succeeded(0.1)
    before = limiter.limit
    for _ in range(100):
        limiter.throttled()
    assert limiter.limit == before * 7 // 10


def test_faults_at_random_do_not_make_it_crawl() -> None:
    found = simulate(Limiter(None), 10_000, slots=100, spread=0.3, random_faults=0.1)
    assert median(found.late) >= 30


@pytest.mark.parametrize("number", [1, 16, 5000])
def test_a_fixed_number_never_moves(number: int) -> None:
    limiter = Limiter(number)
    for _ in range(500):
        limiter.succeeded(0.001)
        limiter.throttled()
    assert limiter.limit == number


def test_it_never_falls_below_one_nor_fails_at_answers_in_no_time() -> None:
    limiter = Limiter(None)
    for _ in range(300):
        for _ in range(5):
            limiter.throttled()
        for _ in range(2 * START):
            limiter.succeeded(0.0)
        assert 1 <= limiter.limit <= CEILING
