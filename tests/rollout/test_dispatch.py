"""Sending requests: what can pass is tried again, what cannot costs one sample, and a dead server ends the run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from skillforge import (
    BackendUnusable,
    Client,
    Completion,
    Problem,
    Request,
    RequestFailed,
    RequestRefused,
    Sample,
    Sampling,
)
from skillforge.rollout import dispatch
from skillforge.rollout.clock import Clock
from skillforge.rollout.dispatch import Answer, Dispatcher, GaveUp
from skillforge.rollout.job import Job, sample_seed
from skillforge.rollout.limiter import Limiter
from skillforge.rollout.single_turn import single_turn

GOOD = Completion(text="4", reasoning="2+2", finish_reason="stop", prompt_tokens=3, completion_tokens=1)
REQUEST = Request("2+2=", Sampling(), 7)


class Scripted(Client):
    """Does what the list says, call by call; the last entry again and again."""

    def __init__(self, *script: Completion | Exception) -> None:
        self.script: Sequence[Completion | Exception] = script
        self.calls = 0

    async def complete(self, request: Request) -> Completion:
        found = self.script[min(self.calls, len(self.script) - 1)]
        self.calls += 1
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept: none really."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(dispatch.asyncio, "sleep", sleep)
    return slept


def complete(client: Client, *, retries: int = 3, limiter: Limiter | None = None) -> Answer:
    return asyncio.run(Dispatcher(client, limiter or Limiter(1), retries).complete(REQUEST))


def test_an_answer_at_once(pauses: list[float]) -> None:
    answer = complete(Scripted(GOOD))
    assert (answer.completion, answer.attempts, pauses) == (GOOD, 1, [])
    assert answer.latency is not None and answer.latency >= 0


def test_an_answer_from_a_cache_sent_nothing_and_took_no_time() -> None:
    answer = complete(Scripted(msgspec.structs.replace(GOOD, cached=True)))
    assert (answer.attempts, answer.latency) == (0, None)


def test_what_can_pass_is_tried_again_with_growing_pauses(pauses: list[float]) -> None:
    client = Scripted(*[RequestFailed("HTTP 500")] * 12, GOOD)
    assert complete(client, retries=12).attempts == 13
    assert len(pauses) == 12
    for number, pause in enumerate(pauses):
        whole = min(dispatch.BACKOFF_MOST, dispatch.BACKOFF_FIRST * 2**number)
        assert whole / 2 <= pause <= whole


def test_what_the_server_asks_for_is_honoured(pauses: list[float]) -> None:
    complete(Scripted(RequestFailed("HTTP 429", throttled=True, retry_after=7.0), GOOD))
    complete(Scripted(RequestFailed("HTTP 429", throttled=True, retry_after=1e9), GOOD))
    assert 7.0 <= pauses[0] <= 7.5
    assert pauses[1] <= dispatch.RETRY_AFTER_MOST + 1


def test_a_long_pause_that_the_server_asks_for_is_told_once_until_it_answers(pauses: list[float]) -> None:
    told: list[str] = []
    later = RequestFailed("HTTP 429", throttled=True, retry_after=86400.0)
    soon = RequestFailed("HTTP 429", throttled=True, retry_after=5.0)
    client = Scripted(soon, GOOD, later, later, GOOD, later, GOOD)

    async def main() -> None:
        dispatcher = Dispatcher(client, Limiter(1), 3, tell=told.append)
        await dispatcher.complete(REQUEST)
        assert told == []
        await dispatcher.complete(REQUEST)
        assert told == ["the server asks for less (HTTP 429), waiting 300 s"]
        await dispatcher.complete(REQUEST)

    asyncio.run(main())
    assert told == ["the server asks for less (HTTP 429), waiting 300 s"] * 2


def test_only_throttling_lowers_the_load(pauses: list[float]) -> None:
    limiter = Limiter(None)
    before = limiter.limit
    complete(Scripted(*[RequestFailed("HTTP 500")] * 20, GOOD), limiter=limiter, retries=20)
    assert limiter.limit == before
    complete(Scripted(*[RequestFailed("HTTP 429", throttled=True)] * 20, GOOD), limiter=limiter, retries=20)
    assert limiter.limit < before


def test_it_gives_up_after_the_retries(pauses: list[float]) -> None:
    client = Scripted(RequestFailed("HTTP 502"))
    with pytest.raises(GaveUp, match=r"HTTP 502 \(given up after 3 attempts\)") as caught:
        complete(client, retries=2)
    assert (client.calls, caught.value.attempts) == (3, 3)


def test_a_refused_request_is_never_sent_again(pauses: list[float]) -> None:
    client = Scripted(RequestRefused("HTTP 400: too long"))
    with pytest.raises(GaveUp, match="HTTP 400: too long"):
        complete(client)
    assert (client.calls, pauses) == (1, [])


def test_an_unusable_backend_ends_the_run_before_the_first_answer(pauses: list[float]) -> None:
    with pytest.raises(BackendUnusable, match="wrong key"):
        complete(Scripted(BackendUnusable("wrong key")))


class Keyed(Client):
    """Answers so many requests before its key expires, and never one of seed 1; the list of models tells nothing of it."""

    def __init__(self, answers: int, fault: Exception) -> None:
        self.answers = answers
        self.fault = fault
        self.asked: list[Request] = []

    async def complete(self, request: Request) -> Completion:
        await asyncio.tasks.sleep(0)
        self.asked.append(request)
        self.answers -= 1
        if request.seed == 1 or self.answers < 0:
            raise self.fault
        return GOOD


FAULTY = msgspec.structs.replace(REQUEST, seed=1)
EXPIRED = BackendUnusable("HTTP 401")


def ends(client: Client, *requests: Request) -> list[type[Exception] | None]:
    """The error of each of `requests`, in turn after one that is answered; None where it is answered too."""

    async def main() -> list[type[Exception] | None]:
        dispatcher, found = Dispatcher(client, Limiter(1), 3), list[type[Exception] | None]()
        await dispatcher.complete(REQUEST)
        for request in requests:
            try:
                await dispatcher.complete(request)
                found.append(None)
            except (GaveUp, BackendUnusable) as error:
                found.append(type(error))
        return found

    return asyncio.run(main())


@pytest.mark.parametrize("fault", [EXPIRED, ValueError("a bug")])
def test_a_fault_of_one_request_beside_those_that_succeed_costs_one_sample(fault: Exception) -> None:
    client = Keyed(10**9, fault)
    assert ends(client, FAULTY, REQUEST, FAULTY) == [GaveUp, None, GaveUp]
    again = client.asked[2]
    assert (again.prompt, again.seed, again.sampling.max_tokens) == (REQUEST.prompt, REQUEST.seed, 1)


def test_a_key_that_expires_ends_the_run_at_once_and_costs_no_sample() -> None:
    assert ends(Keyed(1, EXPIRED), REQUEST) == [BackendUnusable]


def test_a_key_that_the_client_itself_finds_expired_ends_the_run_at_once_and_asks_for_nothing_more() -> None:
    class Expired(Keyed):
        async def check(self) -> None:
            raise BackendUnusable("wrong key")

    client = Expired(1, EXPIRED)
    assert ends(client, REQUEST) == [BackendUnusable]
    assert client.asked == [REQUEST, REQUEST]


def test_many_such_faults_in_a_row_end_the_run() -> None:
    assert ends(Keyed(10**9, EXPIRED), *[FAULTY] * 10) == [GaveUp] * 9 + [BackendUnusable]


def test_a_server_that_dies_after_an_answer_ends_the_run_and_costs_no_sample(pauses: list[float]) -> None:
    gone = RequestFailed("connection refused", connection=True)

    async def dies() -> None:
        dispatcher = Dispatcher(Scripted(GOOD, *[gone] * 9), Limiter(1), 3)
        await dispatcher.complete(REQUEST)
        await dispatcher.complete(REQUEST)

    with pytest.raises(BackendUnusable, match="connection refused, 4 times in a row"):
        asyncio.run(dies())


def test_a_server_that_is_gone_ends_the_run(pauses: list[float]) -> None:
    with pytest.raises(BackendUnusable, match="connection refused, 4 times in a row; start the server again"):
        complete(Scripted(RequestFailed("connection refused", connection=True)))


class Silent(Client):
    """Answers in no time that it is given."""

    def __init__(self, up: bool) -> None:
        self.up = up

    async def ready(self) -> bool:
        return self.up

    async def complete(self, request: Request) -> Completion:
        raise RequestFailed("no answer within 2 s", connection=True) from TimeoutError()


def test_a_server_that_is_up_and_too_slow_is_not_to_be_started_again(pauses: list[float]) -> None:
    with pytest.raises(BackendUnusable) as caught:
        complete(Silent(up=True))
    assert caught.value.what == "no answer within 2 s, 4 times in a row"
    assert caught.value.fix == (
        "the server is up, but slow or stuck: give it longer (-o backend.timeout=SECONDS), "
        "or fewer requests at once (--concurrency N), then continue the run"
    )


def test_a_server_that_went_silent_because_it_is_gone_is_to_be_started_again(pauses: list[float]) -> None:
    with pytest.raises(BackendUnusable, match="within 2 s, 4 times in a row; start the server again"):
        complete(Silent(up=False))


def test_broken_connections_beside_answers_cost_one_sample(pauses: list[float]) -> None:
    class Flaky(Client):
        async def complete(self, request: Request) -> Completion:
            await asyncio.tasks.sleep(0)
            if request.seed == 7:
                raise RequestFailed("connection reset", connection=True)
            return GOOD

    async def main() -> list[object]:
        dispatcher = Dispatcher(Flaky(), Limiter(2), 3)

        async def others() -> None:
            for _ in range(50):
                await dispatcher.complete(Request("x", Sampling(), 1))

        return await asyncio.gather(dispatcher.complete(REQUEST), others(), return_exceptions=True)

    assert isinstance(asyncio.run(main())[0], GaveUp)


GONE = RequestFailed("cannot reach the server", connection=True)


class Mortal(Client):
    """Answers while it is alive, and while it is not, raises GONE. It dies after each number of answers in `deaths`, and
    is alive again when it was asked so many times whether it is."""

    def __init__(self, *deaths: int, asked_until_back: int) -> None:
        self.deaths = deaths
        self.asked_until_back = asked_until_back
        self.answers = self.lost = self.asked = 0

    async def ready(self) -> bool:
        await asyncio.tasks.sleep(0)
        self.asked += self.lost
        if self.asked >= self.asked_until_back:
            self.asked = self.lost = 0
        return not self.lost

    async def complete(self, request: Request) -> Completion:
        await asyncio.tasks.sleep(0)
        if self.lost:
            raise GONE
        self.answers += 1
        self.lost = self.answers in self.deaths
        return GOOD


def all_at_once(client: Client, requests: int, retries: int, patience: float) -> tuple[list[Answer], list[str]]:
    """One answer, then those to so many requests in flight together; and what the user was told."""
    told: list[str] = []

    async def main() -> list[Answer]:
        dispatcher = Dispatcher(client, Limiter(requests), retries, patience, told.append)
        await dispatcher.complete(REQUEST)
        return await asyncio.gather(*(dispatcher.complete(REQUEST) for _ in range(requests)))

    return asyncio.run(main()), told


def test_a_server_that_is_lost_and_comes_back_costs_no_tries(pauses: list[float]) -> None:
    client = Mortal(1, 8, asked_until_back=12)
    answers, told = all_at_once(client, requests=20, retries=0, patience=600)
    assert [answer.completion for answer in answers] == [GOOD] * 20
    assert max(answer.attempts for answer in answers) > 1
    lost = "cannot reach the server; waiting up to 10 min for the server to be back"
    assert told == [lost, "the server answers again"] * 2
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0, 5.0] * 2


def test_the_patience_with_a_lost_server_ends() -> None:
    with pytest.raises(BackendUnusable, match=r"cannot reach the server, and nothing came back in 0.05 s; start the"):
        all_at_once(Mortal(1, asked_until_back=10**9), requests=20, retries=9, patience=0.05)


def test_a_server_that_was_never_there_is_not_waited_for(pauses: list[float]) -> None:
    client = Mortal(asked_until_back=10**9)
    client.lost = 1
    with pytest.raises(BackendUnusable, match="4 times in a row"):
        all_at_once(client, requests=1, retries=3, patience=600)


def test_what_brings_the_server_down_time_and_again_comes_to_an_end(pauses: list[float]) -> None:
    class Deadly(Mortal):
        async def complete(self, request: Request) -> Completion:
            if request.seed == 7:
                self.lost = 1
                raise GONE
            return await super().complete(request)

    async def main() -> None:
        dispatcher = Dispatcher(Deadly(asked_until_back=2), Limiter(2), 1, 600)
        await dispatcher.complete(Request("x", Sampling(), 1))
        await dispatcher.complete(REQUEST)

    with pytest.raises(BackendUnusable, match=f"cannot reach the server, {dispatch.SPARED_MOST + 2} times in a row"):
        asyncio.run(main())


def test_kept_answers_say_nothing_about_the_server(pauses: list[float]) -> None:
    kept = msgspec.structs.replace(GOOD, cached=True)
    limiter = Limiter(None)
    before = limiter.limit

    async def main() -> None:
        dispatcher = Dispatcher(Scripted(*[kept] * 1000, GONE), limiter, 1, 600)
        for _ in range(1001):
            await dispatcher.complete(REQUEST)

    with pytest.raises(BackendUnusable, match="2 times in a row"):
        asyncio.run(main())
    assert limiter.limit == before


def test_a_request_that_is_turned_away_while_others_are_answered_is_tried_more_often(pauses: list[float]) -> None:
    class Full(Client):
        turned_away = 0

        async def complete(self, request: Request) -> Completion:
            await asyncio.tasks.sleep(0)
            if request.seed == 7 and self.turned_away < 12:
                self.turned_away += 1
                raise RequestFailed("HTTP 429", throttled=True)
            return GOOD

    async def main(requests: int) -> Answer:
        dispatcher = Dispatcher(Full(), Limiter(2), 4)

        async def others() -> None:
            for _ in range(requests):
                await dispatcher.complete(Request("x", Sampling(), 1))

        return (await asyncio.gather(dispatcher.complete(REQUEST), others()))[0]

    assert asyncio.run(main(50)).attempts == 13
    with pytest.raises(GaveUp, match=r"HTTP 429 \(given up after 5 attempts\)"):
        asyncio.run(main(0))


JOB = Job("b", "test", Problem(id="p", question="2+2"), 1, "2+2=", 7)


def roll_out(client: Client) -> Sample:
    return asyncio.run(single_turn(JOB, Sampling(), Dispatcher(client, Limiter(1), 1), Clock()))


def test_an_answer_becomes_a_sample() -> None:
    sample = roll_out(Scripted(GOOD))
    assert (sample.key, sample.state, sample.seed, sample.finish_reason) == (("p", 1), "done", 7, "stop")
    assert [(part.kind, part.text) for part in sample.transcript.segments] == [
        ("prompt", "2+2="), ("reasoning", "2+2"), ("text", "4"),
    ]  # fmt: skip
    assert sample.transcript.answer_text == "4"
    assert (sample.prompt_tokens, sample.completion_tokens, sample.attempts) == (3, 1, 1)


def test_a_final_error_becomes_a_row_that_keeps_its_prompt(pauses: list[float]) -> None:
    sample = roll_out(Scripted(RequestFailed("HTTP 500")))
    assert (sample.key, sample.state, sample.seed, sample.attempts) == (("p", 1), "error", 7, 2)
    assert "HTTP 500" in (sample.error or "")
    assert sample.transcript.prompt == "2+2=" and sample.transcript.answer_text == ""


@pytest.mark.parametrize(
    ("run_seed", "problem", "index", "seed"),
    [
        (0, "0", 0, 151986117),
        (1, "test/17", 0, 1054837789),
        (1, "test/17", 1, 1166383971),
        (2**53 - 1, "é", 7, 1530198352),
    ],
)
def test_seeds_never_change(run_seed: int, problem: str, index: int, seed: int) -> None:
    assert sample_seed(run_seed, problem, index) == seed


def test_seeds_differ_between_samples_and_runs() -> None:
    seeds = {sample_seed(run, f"p{problem}", k) for run in (1, 2) for problem in range(50) for k in range(8)}
    assert len(seeds) == 2 * 50 * 8
    assert all(seed is not None and 0 <= seed < 2**31 for seed in seeds)
    assert sample_seed(None, "p", 0) is None
