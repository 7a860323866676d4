"""Servers simulated in virtual time, to see how a limit of requests in flight does on them.

    course = simulate(SERVERS["GPU engine, 256 seqs"], None, 5000)
    course.rate(0.5)  # answers a second in the second half

A server works on up to `slots` requests at once, each at the speed that `speed` gives for their number; the others wait
in line. This is processor sharing, as an engine with continuous batching does it: one step brings each running request one
token, and takes longer the more run.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from skillforge.rollout.limiter import Limiter

ROUND_TRIP = 0.005
"""Seconds that an answer, or that a request is turned away, takes to be known."""


class SimulatedServer(NamedTuple):
    """How a server behaves; a request is a number of tokens, drawn anew for each."""

    speed: Callable[[int], float]
    """Tokens a second of each request, where so many run."""

    slots: int
    """Requests that run at once; more wait in line."""

    most: int = 1_000_000
    """Requests that are taken at once; more get a 429."""

    chance_429: float = 0.0
    """Share of the requests that get a 429, whatever the load."""

    spread: float = 0.5
    """Standard deviation of the logarithm of a request's tokens."""

    tokens: float = 200.0
    """Median of a request's tokens."""


def _batching(step: float, each: float) -> Callable[[int], float]:
    """Speed of an engine whose step takes `step` seconds, and `each` more for every request that runs."""
    return lambda running: 1 / (step + each * running)


def _thrashing(slots: int) -> Callable[[int], float]:
    """Full speed up to `slots`, beyond which work is lost: twice as many get two thirds of the whole throughput."""
    return lambda running: 100.0 if running <= slots else 100.0 * slots / (running + (running - slots) / 2)


SERVERS = {
    "2 slots": SimulatedServer(lambda running: 50.0, 2),
    "8 slots, equal lengths": SimulatedServer(lambda running: 50.0, 8, spread=0.0),
    "CPU engine, 64 seqs": SimulatedServer(_batching(0.0024, 0.00005), 64),
    "GPU engine, 256 seqs": SimulatedServer(_batching(0.01, 0.00004), 256),
    "GPU engine, 1024 seqs": SimulatedServer(_batching(0.01, 0.00001), 1024),
    "GPU engine, long tail": SimulatedServer(_batching(0.01, 0.00004), 256, spread=1.2),
    "saturates, no line": SimulatedServer(_batching(0.01, 0.0002), 4096),
    "loses work beyond 150": SimulatedServer(_thrashing(150), 4096),
    "429 beyond 100": SimulatedServer(lambda running: 100.0, 4096, most=100),
    "429 beyond 800": SimulatedServer(lambda running: 100.0, 4096, most=800),
    "429 for 10 %": SimulatedServer(lambda running: 100.0, 400, chance_429=0.1),
    "no limit, 2 s": SimulatedServer(lambda running: 100.0, 4096, spread=0.0),
}


class Course(NamedTuple):
    """What happened: when each answer came, the limit at that time, and how many requests were turned away."""

    times: list[float]
    limits: list[int]
    turned_away: int

    def rate(self, after: float = 0.0) -> float:
        """Answers a second, over those after this share of all."""
        first = int(after * len(self.times))
        return (len(self.times) - first) / (self.times[-1] - (self.times[first - 1] if first else 0.0))


def simulate(server: SimulatedServer, fixed: int | None, answers: int, seed: int = 1) -> Course:
    """`answers` requests, of which `fixed`, or as many as a limiter finds, are in flight as long as there are so many."""
    return _Simulation(server, fixed, answers, seed).run()


class _Simulation:
    def __init__(self, server: SimulatedServer, fixed: int | None, answers: int, seed: int) -> None:
        self._server = server
        self._now = 0.0
        self._limiter = Limiter(fixed, lambda: self._now)
        self._answers = answers
        self._chance, self._number = random.Random(seed), count()
        self._done = 0.0  # tokens that a request has got that runs since the beginning
        self._running: list[tuple[float, int]] = []  # (value of `_done` at its end, number)
        self._waiting: deque[float] = deque()  # tokens
        self._news: list[tuple[float, int, int, str]] = []  # for the client: (when, number, attempt, what)

    def run(self) -> Course:
        course, in_flight = Course([], [], 0), 0
        while len(course.times) < self._answers:
            while in_flight < min(self._limiter.limit, self._answers - len(course.times)):
                in_flight += 1
                self._send(1)
            attempt, what = self._next()
            if what == "send again":
                self._send(attempt)
            elif what == "429":
                course = course._replace(turned_away=course.turned_away + 1)
                self._limiter.throttled()
                pause = self._chance.uniform(0.5, 1) * min(30.0, 0.1 * 2 ** (attempt - 1))
                self._tell(pause, attempt + 1, "send again")
            else:
                in_flight -= 1
                self._limiter.succeeded()
                course.times.append(self._now)
                course.limits.append(self._limiter.limit)
        return course

    def _send(self, attempt: int) -> None:
        server = self._server
        if len(self._running) + len(self._waiting) >= server.most or self._chance.random() < server.chance_429:
            self._tell(ROUND_TRIP, attempt, "429")
            return
        self._waiting.append(math.exp(self._chance.gauss(math.log(server.tokens), server.spread)))
        self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._server.slots:
            heapq.heappush(self._running, (self._done + self._waiting.popleft(), next(self._number)))

    def _tell(self, seconds: float, attempt: int, what: str) -> None:
        heapq.heappush(self._news, (self._now + seconds, next(self._number), attempt, what))

    def _next(self) -> tuple[int, str]:
        """What the client hears of next, once the server has worked until then."""
        while True:
            speed = self._server.speed(len(self._running)) if self._running else 1.0
            end = self._now + (self._running[0][0] - self._done) / speed if self._running else math.inf
            if self._news and self._news[0][0] <= end:
                when, _, attempt, what = heapq.heappop(self._news)
                self._done += (when - self._now) * speed
                self._now = when
                return attempt, what
            self._done, _ = heapq.heappop(self._running)
            self._now = end
            self._tell(ROUND_TRIP, 0, "answer")
            self._fill()
