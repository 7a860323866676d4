"""Several servers as one: load is shared, what fails on one is done by another, and a lost one is taken back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest

from skillforge import BackendUnusable, Client, Completion, Request, RequestFailed, RequestRefused, Sampling
from skillforge.rollout.dispatch import Dispatcher, GaveUp
from skillforge.rollout.limiter import Limiter
from skillforge.rollout.spread import Spread

REQUEST = Request("2+2=", Sampling(), 7)


class Server(Client):
    """Answers with its name after `seconds`, unless it has a `fault`."""

    def __init__(self, name: str, seconds: float = 0.0, fault: Exception | None = None, most: int = 10**9) -> None:
        self.name = name
        self.seconds = seconds
        self.fault = fault
        self.most = most
        self.in_flight = self.peak = self.answered = self.asked = 0
        self.able: frozenset[str] | None = None
        self.length: int | None = None
        self.software: dict[str, str] = {}

    async def check(self) -> None:
        if isinstance(self.fault, BackendUnusable):
            raise self.fault

    async def ready(self) -> bool:
        self.asked += 1
        return not (isinstance(self.fault, RequestFailed) and self.fault.connection)

    def capabilities(self) -> frozenset[str] | None:
        return self.able

    async def models(self) -> Sequence[str]:
        return ("shared", self.name)

    async def context_length(self) -> int | None:
        return self.length

    async def versions(self) -> Mapping[str, str]:
        return self.software

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            if self.in_flight > self.most:
                raise RequestFailed("HTTP 429", throttled=True)
            if self.fault is not None:
                raise self.fault
            await asyncio.sleep(self.seconds)
            if self.fault is not None:
                raise self.fault
        finally:
            self.in_flight -= 1
        if on_text is not None:
            on_text(self.name)
        self.answered += 1
        return Completion(text=self.name)


def gone(name: str) -> RequestFailed:
    return RequestFailed(f"cannot reach {name}", connection=True)


def spread_over(
    *servers: Server, work: Callable[[Spread], Coroutine[Any, Any, Any]], told: list[str] | None = None
) -> Any:
    async def main() -> Any:
        notes = [] if told is None else told
        async with Spread([(f"server {server.name}", server) for server in servers], notes.append) as spread:
            result = await work(spread)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return result

    return asyncio.run(main())


def asking(requests: int, concurrency: int) -> Callable[[Spread], Coroutine[Any, Any, Counter[str]]]:
    """Work that counts the answers of each server."""

    async def work(spread: Spread) -> Counter[str]:
        left, texts = iter(range(requests)), list[str]()

        async def worker() -> None:
            for _ in left:
                texts.append((await spread.complete(REQUEST)).text)

        await asyncio.gather(*(worker() for _ in range(concurrency)))
        return Counter(texts)

    return work


def test_equal_servers_take_turns() -> None:
    assert spread_over(Server("a"), Server("b"), Server("c"), work=asking(9, 1)) == {"a": 3, "b": 3, "c": 3}


def test_a_slow_server_gets_less() -> None:
    slow, fast = Server("slow", 0.05), Server("fast", 0.001)
    found = spread_over(slow, fast, work=asking(200, 8))
    assert found["fast"] > 3 * found["slow"] > 0
    assert slow.peak == fast.peak == 4


def test_what_fails_on_a_lost_server_is_answered_by_another() -> None:
    servers = [Server("a", 0.01), Server("b", 0.01), Server("c", 0.01)]
    told: list[str] = []

    async def work(spread: Spread) -> Counter[str]:
        asyncio.get_running_loop().call_later(0.005, setattr, servers[1], "fault", gone("b"))
        found = await asking(60, 12)(spread)
        assert await spread.ready()
        return found

    found = spread_over(*servers, work=work, told=told)
    assert found.total() == 60 and found["b"] == 0
    assert told == ["server b is left out: cannot reach b"]


def test_a_server_that_is_back_is_used_again() -> None:
    servers = [Server("a"), Server("b", fault=gone("b"))]
    told: list[str] = []

    async def work(spread: Spread) -> Counter[str]:
        assert await asking(10, 2)(spread) == {"a": 10}
        while servers[1].asked < 2:
            await asyncio.sleep(0.01)
        servers[1].fault = None
        while len(told) < 2:
            await asking(2, 2)(spread)
            await asyncio.sleep(0.01)
        return await asking(10, 2)(spread)

    assert spread_over(*servers, work=work, told=told) == {"a": 5, "b": 5}
    assert told == ["server b is left out: cannot reach b", "server b answers again"]


@pytest.mark.parametrize("fault", [RequestFailed("HTTP 500"), BackendUnusable("HTTP 401", "check the key")])
def test_a_server_that_answers_nothing_though_it_is_ready_is_told_once_until_it_answers(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("skillforge.rollout.spread.REST_MOST", 0.01)

    class Failing(Server):
        """Its list of models is fine."""

        async def check(self) -> None:
            pass

    servers = [Server("a"), Failing("b", fault=fault)]
    told: list[str] = []

    async def until_told(spread: Spread, number: int) -> None:
        async with asyncio.timeout(60):
            while len(told) < number:
                assert await asking(4, 2)(spread)
                await asyncio.sleep(0.001)

    async def work(spread: Spread) -> None:
        await until_told(spread, 1)
        await asyncio.sleep(0.3)
        assert await asking(20, 2)(spread) == {"a": 20} and len(told) == 1
        servers[1].fault = None
        await until_told(spread, 2)
        servers[1].fault = fault
        await until_told(spread, 3)

    spread_over(*servers, work=work, told=told)
    trouble = (
        "server b is left out: HTTP 401"
        if isinstance(fault, BackendUnusable)
        else "server b has failed 10 times in a row: HTTP 500"
    )
    assert told == [trouble, "server b answers again", trouble]


def test_a_server_may_fail_any_number_of_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skillforge.rollout.spread.REST_MOST", 0.0)
    assert spread_over(Server("a"), Server("b", fault=RequestFailed("HTTP 500")), work=asking(3000, 2)) == {"a": 3000}


def test_a_request_that_no_server_takes_is_no_fault_of_the_servers() -> None:
    class Picky(Server):
        async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
            if request.seed == 1:
                raise BackendUnusable("HTTP 403: not about that")
            return await super().complete(request, on_text)

    servers = [Picky("a"), Picky("b")]
    told: list[str] = []

    async def work(spread: Spread) -> Counter[str]:
        dispatcher = Dispatcher(spread, Limiter(8), 0, 60, told.append)
        await dispatcher.complete(REQUEST)
        with pytest.raises(GaveUp, match="not about that"):
            await dispatcher.complete(Request("2+2=", Sampling(), 1))
        return await asking(10, 2)(spread)

    assert spread_over(*servers, work=work, told=told) == {"a": 5, "b": 5} and told == []


def test_a_full_server_is_not_worth_a_word_while_it_answers() -> None:
    told: list[str] = []
    found = spread_over(Server("small", 0.01, most=2), Server("large", 0.01), work=asking(200, 60), told=told)
    assert found.total() == 200 and told == []


def test_a_connection_that_breaks_once_is_not_worth_a_word() -> None:
    class Dropping(Server):
        async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
            if self.answered == 3 and self.asked == 0:
                raise gone("b")
            return await super().complete(request, on_text)

    told: list[str] = []
    found = spread_over(Server("a", 0.001), Dropping("b", 0.001), work=asking(40, 4), told=told)
    assert found.total() == 40 and found["b"] > 10 and told == []


def test_where_all_are_lost_the_dispatcher_waits_and_loses_nothing() -> None:
    servers = [Server("a", 0.001), Server("b", 0.001)]
    told: list[str] = []

    async def work(spread: Spread) -> list[str]:
        dispatcher = Dispatcher(spread, Limiter(8), 0, 60, told.append)
        texts = [(await dispatcher.complete(REQUEST)).completion.text]
        for server in servers:
            server.fault = gone(server.name)

        async def revive() -> None:
            while not told:
                await asyncio.sleep(0.01)
            servers[0].fault = None

        answers = await asyncio.gather(*(dispatcher.complete(REQUEST) for _ in range(8)), revive())
        return texts + [answer.completion.text for answer in answers if answer]

    assert len(spread_over(*servers, work=work)) == 9
    assert told[0].startswith("cannot reach ") and told[0].endswith("; waiting up to 60 s for the server to be back")
    assert told[1:] == ["the server answers again"]


def test_a_full_server_does_not_attract_what_it_turns_away() -> None:
    small, large = Server("small", 0.01, most=2), Server("large", 0.01)
    found = spread_over(small, large, work=asking(300, 30))
    assert found.total() == 300
    assert large.peak > 20


def test_an_unusable_server_is_left_out_before_the_first_request_and_all_are_an_error() -> None:
    wrong = BackendUnusable("b has no model 'x'", "start it with another")
    servers = [Server("a"), Server("b", fault=wrong)]
    told: list[str] = []

    async def work(spread: Spread) -> Counter[str]:
        await spread.check()
        return await asking(10, 2)(spread)

    assert spread_over(*servers, work=work, told=told) == {"a": 10}
    assert told == ["server b is left out: b has no model 'x'"] and servers[1].peak == 0
    servers[0].fault = wrong
    with pytest.raises(BackendUnusable, match="none of the 2 servers can be used: b has no model 'x'; start it with"):
        spread_over(*servers, work=work)


def test_what_a_server_cannot_do_any_more_another_does() -> None:
    servers = [Server("a"), Server("b")]

    async def work(spread: Spread) -> Counter[str]:
        before = await asking(4, 1)(spread)
        servers[0].fault = BackendUnusable("the key is not valid any more")
        return before + await asking(6, 1)(spread)

    assert spread_over(*servers, work=work) == {"a": 2, "b": 8}


@pytest.mark.parametrize("fault", [RequestFailed("HTTP 500"), RequestFailed("HTTP 429", throttled=True)])
def test_what_fails_on_all_is_raised_and_none_is_left_out(fault: RequestFailed) -> None:
    servers = [Server("a", fault=fault), Server("b", fault=fault)]

    async def work(spread: Spread) -> None:
        with pytest.raises(RequestFailed) as caught:
            await spread.complete(REQUEST)
        assert caught.value is fault
        assert [server.peak for server in servers] == [1, 1] and await spread.ready()

    spread_over(*servers, work=work)


def test_a_refused_request_is_asked_of_one_server_only() -> None:
    servers = [Server("a", fault=RequestRefused("HTTP 400")), Server("b")]

    async def work(spread: Spread) -> None:
        with pytest.raises(RequestRefused):
            await spread.complete(REQUEST)

    spread_over(*servers, work=work)
    assert servers[1].peak == 0


def test_a_text_that_breaks_off_is_not_gone_on_with_by_another_server() -> None:
    class Breaking(Server):
        async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
            await super().complete(request, on_text)
            raise RequestFailed("closed in the middle")

    heard: list[str] = []

    async def work(spread: Spread) -> None:
        with pytest.raises(RequestFailed, match="in the middle"):
            await spread.complete(REQUEST, heard.append)
        assert (await spread.complete(REQUEST, heard.append)).text == "b"

    spread_over(Breaking("a"), Server("b"), work=work)
    assert heard == ["a", "b"]


def test_it_can_do_what_all_can() -> None:
    servers = [Server("a"), Server("b"), Server("c")]
    servers[0].able, servers[1].able = frozenset({"chat", "seed"}), frozenset({"chat", "top_k"})
    servers[0].length, servers[2].length = 4096, 2048
    heard: list[str] = []

    async def work(spread: Spread) -> tuple[Any, ...]:
        await spread.complete(REQUEST, heard.append)
        return spread.capabilities(), await spread.context_length(), await spread.models(), spread.default_concurrency

    assert spread_over(*servers, work=work) == (frozenset({"chat"}), 2048, ["shared"], None)
    assert heard == ["a"]


def test_versions_that_differ_are_all_told() -> None:
    servers = [Server(name) for name in "abc"]
    servers[0].software = {"vllm": "0.11.0", "torch": "2.8"}
    servers[1].software = {"vllm": "0.10.2", "torch": "2.8"}

    async def work(spread: Spread) -> Mapping[str, str]:
        return await spread.versions()

    assert spread_over(*servers, work=work) == {"vllm": "0.11.0, 0.10.2", "torch": "2.8"}
