"""Who waits for a session, and who is told to come back."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any


def test_a_full_queue_is_429_with_its_depth_and_the_rest_are_served_in_order(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving("--max-sessions", "1", "--queue", "3") as service:
            async with lab.api(service) as api:
                first = await api.session()
                served: list[int] = []

                async def one(number: int) -> None:
                    session = await api.session()
                    served.append(number)
                    await api.ask("DELETE", session)

                waiting = []
                for number in range(3):
                    waiting.append(asyncio.create_task(one(number)))
                    await lab.until(lambda depth=number + 1: _waits(api, depth))
                async with api.http.post(f"{api.url}/v1/sessions") as response:
                    fault = await response.json()
                    assert (response.status, fault["error"], fault["waiting"]) == (429, "queue-full", 3)
                    assert float(response.headers["Retry-After"]) > 0
                load = (await api.ask("GET", "/load"))[1]
                assert {**load, "ready": 0} == {
                    "in_use": 1, "ready": 0, "waiting": 3, "max_sessions": 1, "queue": 3
                }  # fmt: skip
                await api.ask("DELETE", first)
                await asyncio.gather(*waiting)
                assert served == [0, 1, 2]

    asyncio.run(trial())


def test_client_that_goes_away_leaves_the_queue(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving("--max-sessions", "1", "--queue", "1") as service:
            async with lab.api(service) as api:
                first = await api.session()
                leaver = asyncio.create_task(api.session())
                await lab.until(lambda: _waits(api, 1))
                leaver.cancel()
                await lab.until(lambda: _waits(api, 0))
                stayer = asyncio.create_task(api.session())
                await lab.until(lambda: _waits(api, 1))
                await api.ask("DELETE", first)
                assert (await api.cell(await stayer, "1 + 1"))[1]["value"] == "2"
                assert (await api.ask("GET", "/load"))[1]["in_use"] == 1

    asyncio.run(trial())


def test_session_that_is_ended_before_it_was_opened_never_is(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving("--max-sessions", "1") as service:
            async with lab.api(service) as api:
                first = await api.session()
                mine = "m" * 32
                waiting = asyncio.create_task(api.ask("POST", "/sessions", {"id": mine}))
                await lab.until(lambda: _waits(api, 1))
                assert (await api.ask("DELETE", f"/sessions/{mine}"))[0] == 404
                await api.ask("DELETE", first)
                assert (await waiting)[0] == 404
                await lab.until(lambda: _none_in_use(api))
                assert (await api.ask("POST", "/sessions", {"id": "n" * 32}))[1]["id"] == "n" * 32
                assert (await api.ask("POST", "/sessions", {"id": "guess-me"}))[0] == 400

    asyncio.run(trial())


def test_sessions_that_are_cancelled_while_they_open_leave_nothing(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving("--max-sessions", "4") as service:
            async with lab.opened(service) as pool, lab.api(service) as api:

                async def hasty(number: int) -> None:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.002 * number), pool.session():
                            pass

                await asyncio.gather(*map(hasty, range(60)))
                await lab.until(lambda: _none_in_use(api))
                assert pool.load().in_use == pool.load().waiting == 0

    asyncio.run(trial())


def test_many_users_share_few_sessions(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving("--max-sessions", "2", "--queue", "1") as service:
            async with lab.opened(service) as pool, lab.opened(service) as other:

                async def square(number: int) -> str | None:
                    async with (pool if number % 2 else other).session() as session:
                        return (await session.run(f"{number}**2", 10.0)).value

                assert await asyncio.gather(*map(square, range(12))) == [str(number**2) for number in range(12)]
                load = pool.load()
                assert (load.in_use, load.waiting) == (0, 0)

    asyncio.run(trial())


def test_load_counts_who_uses_and_who_waits(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving("--max-sessions", "1") as service:
            async with lab.opened(service) as pool, lab.api(service) as api:
                async with pool.session():
                    waiter = asyncio.create_task(pool.session().__aenter__())
                    await lab.until(lambda: _waits(api, 1))
                    load = pool.load()
                    assert (load.in_use, load.waiting) == (1, 1)
                waiter.cancel()
                await asyncio.wait({waiter})
                assert pool.load().waiting == 0

    asyncio.run(trial())


def test_those_who_wait_when_the_service_ends_are_told(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving("--max-sessions", "1") as service:
            async with lab.api(service) as api:
                await api.session()
                waiting = [asyncio.create_task(api.ask("POST", "/sessions")) for _ in range(3)]
                await lab.until(lambda: _waits(api, 3))
                assert await asyncio.to_thread(service.stop) == 0
                assert [(status, fault["error"]) for status, fault in await asyncio.gather(*waiting)] == [
                    (503, "ended")
                ] * 3

    asyncio.run(trial())


async def _none_in_use(api: Any) -> bool:
    return (await api.ask("GET", "/load"))[1]["in_use"] == 0


async def _waits(api: Any, depth: int) -> bool:
    return bool(await api.waiting() == depth)
