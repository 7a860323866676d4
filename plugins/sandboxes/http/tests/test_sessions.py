"""Sessions as their users see them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import UsageError
from skillforge.parts.sandbox import StreamName

COUNTED = "with open('count', 'a') as file: file.write('x')\n"


def test_output_comes_while_the_code_runs_and_in_order(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        got: list[tuple[StreamName, str]] = []
        halfway = asyncio.Event()

        def listen(stream: StreamName, text: str) -> None:
            got.append((stream, text))
            if "49\n" in text:
                halfway.set()

        async with lab.opened(service) as pool, pool.session() as session:
            code = "import time\nfor i in range(50): print(i, flush=True)\ntime.sleep(1)\nprint('end')\n'value'"
            running = asyncio.create_task(session.run(code, 10.0, listen))
            await halfway.wait()
            assert not running.done()
            execution = await running
            assert "".join(text for stream, text in got if stream == "stdout") == execution.stdout
            assert execution.stdout.split() == [*map(str, range(50)), "end"]
            assert (execution.status, execution.value) == ("ok", "'value'")
            assert (await session.run("print('next')", 5.0)).stdout == "next\n"

    asyncio.run(trial())


def test_fork_has_the_variables_and_goes_its_own_way(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.opened(service) as pool, pool.session() as session:
            await session.run("x = 1", 5.0)
            async with session.fork() as fork:
                assert (await fork.run("x += 1\nx", 5.0)).value == "2"
                async with fork.fork() as second:
                    assert (await second.run("x", 5.0)).value == "2"
                assert (await session.run("x", 5.0)).value == "1"

    asyncio.run(trial())


def test_cancelling_ends_the_cell_before_it_returns(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.opened(service) as pool, pool.session() as session:
            running = asyncio.create_task(session.run("while True: pass", 60.0))
            await asyncio.sleep(0.3)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert (await session.run("print('next')", 5.0)).status in ("ok", "sandbox-error")
            assert (await session.run("print('next')", 5.0)).stdout == "next\n"

    asyncio.run(trial())


def test_fault_of_a_listener_is_the_callers_and_the_session_goes_on(lab: SimpleNamespace, service: Any) -> None:
    def listen(stream: StreamName, text: str) -> None:
        raise ValueError("deliberate")

    async def trial() -> None:
        async with lab.opened(service) as pool, pool.session() as session:
            with pytest.raises(ValueError, match="deliberate"):
                await session.run("import time\nprint(1, flush=True)\ntime.sleep(60)", 60.0, listen)
            await session.run("1", 5.0)
            assert (await session.run("print('next')", 5.0)).stdout == "next\n"

    asyncio.run(trial())


def test_code_that_cannot_be_sent_is_an_error_of_the_code(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.opened(service) as pool, pool.session() as session:
            await session.run("x = 1", 5.0)
            half = await session.run("print('\ud800')", 5.0)
            assert (half.status, half.state) == ("error", "kept")
            assert "surrogates not allowed" in half.stderr
            long = await session.run("#" * (4 * 2**20 + 1), 5.0)
            assert (long.status, long.state) == ("error", "kept")
            assert "4194304 bytes" in long.stderr
            assert (await session.run("x", 5.0)).value == "1"

    asyncio.run(trial())


@pytest.mark.parametrize("timeout", [0.0, -1.0, 1e9, float("nan")])
def test_timeouts_that_the_service_does_not_take(lab: SimpleNamespace, service: Any, timeout: float) -> None:
    async def trial() -> None:
        async with lab.opened(service) as pool, pool.session() as session:
            with pytest.raises(UsageError, match="is not possible"):
                await session.run("1", timeout)

    asyncio.run(trial())


# Once only ---------------------------------------------------------------------------------------------------------


def test_a_cell_runs_once_however_often_it_is_sent(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.api(service) as api:
            session = await api.session()
            first = await api.cell(session, COUNTED + "print('done')", "a")
            assert first == (200, {**first[1], "status": "ok", "stdout": "done\n"})
            assert await api.cell(session, COUNTED + "print('done')", "a") == first
            assert (await api.cell(session, "open('count').read()", "b"))[1]["value"] == "'x'"

    asyncio.run(trial())


def test_a_repeat_joins_the_running_cell_and_a_lost_connection_does_not_end_it(
    lab: SimpleNamespace, service: Any
) -> None:
    async def trial() -> None:
        async with lab.api(service) as api:
            session = await api.session()
            code = COUNTED + "import time\ntime.sleep(1)\nprint('done')"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(api.cell(session, code, "a"), 0.5)
            joined = await asyncio.gather(api.cell(session, code, "a"), api.cell(session, code, "a"))
            assert [answer["stdout"] for _, answer in joined] == ["done\n", "done\n"]
            assert (await api.cell(session, "open('count').read()", "b"))[1]["value"] == "'x'"

    asyncio.run(trial())


def test_ids_that_cannot_be_used_again(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.api(service) as api:
            session = await api.session()
            for number in range(10):
                assert (await api.cell(session, str(number), f"cell-{number}"))[0] == 200
            for code, cell_id in (("other code", "cell-9"), ("0", "cell-0")):
                status, fault = await api.cell(session, code, cell_id)
                assert (status, fault["error"]) == (409, "repeated-cell")
            assert (await api.ask("DELETE", f"{session}/cells/later"))[0] == 204
            assert (await api.cell(session, COUNTED, "later"))[0] == 409
            assert (await api.cell(session, "from os import listdir\nlistdir()", "last"))[1]["value"] == "[]"

    asyncio.run(trial())


def test_one_cell_at_a_time_and_a_cancelled_one_is_answered(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.api(service) as api:
            session = await api.session()
            running = asyncio.create_task(api.cell(session, "while True: pass", "a", 60.0))
            await asyncio.sleep(0.3)
            assert (await api.cell(session, "1", "b"))[1]["error"] == "busy"
            assert (await api.ask("POST", f"{session}/fork"))[1]["error"] == "busy"
            assert (await api.ask("DELETE", f"{session}/cells/a"))[0] == 204
            assert (await running)[1]["error"] == "repeated-cell"

    asyncio.run(trial())


def test_connection_that_breaks_while_the_cell_runs_costs_nothing(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.cutting(service.url) as (url, cut), lab.opened(url) as pool, pool.session() as session:
            running = asyncio.create_task(session.run(COUNTED + "import time\ntime.sleep(1)\nprint('done')", 10.0))
            await asyncio.sleep(0.5)
            cut()
            execution = await running
            assert (execution.status, execution.stdout) == ("ok", "done\n")
            assert (await session.run("open('count').read()", 5.0)).value == "'x'"

    asyncio.run(trial())


# Lost sessions -----------------------------------------------------------------------------------------------------


def test_restart_costs_the_running_cell_and_no_more(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving() as service:
            async with lab.opened(service) as pool, pool.session() as session, pool.session() as idle:
                await asyncio.gather(session.run("x = 1", 5.0), idle.run("x = 1", 5.0))
                running = asyncio.create_task(session.run("import time\ntime.sleep(60)", 90.0))
                await asyncio.sleep(0.5)
                service.kill()
                execution = await running
                assert (execution.status, execution.state) == ("sandbox-error", "lost")
                assert "while the cell ran" in execution.detail
                again = asyncio.create_task(session.run("'x' in globals()", 5.0))  # waits for the service
                await asyncio.sleep(0.3)
                with lab.serving(port=int(service.url.rpartition(":")[2])):
                    execution = await again
                    assert (execution.status, execution.value) == ("ok", "False")
                    assert execution.waited >= 0.3
                    found_out = await idle.run("print('ran')", 5.0)
                    assert (found_out.status, found_out.state) == ("sandbox-error", "lost")
                    assert (found_out.stdout, "no such session" in found_out.detail) == ("", True)
                    assert (await idle.run("'x' in globals()", 5.0)).value == "False"

    asyncio.run(trial())


def test_a_service_that_ends_says_so_and_leaves_nothing(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving() as service:
            async with lab.opened(service, patience=0.0) as pool, pool.session() as session:
                pid = (await session.run("import os\nos.getpid()", 5.0)).value
                assert pid
                running = asyncio.create_task(session.run("import time\ntime.sleep(60)", 90.0))
                await asyncio.sleep(0.5)
                assert await asyncio.to_thread(service.stop) == 0
                execution = await running
                assert (execution.status, execution.state) == ("sandbox-error", "lost")
                assert "ended while the cell ran" in execution.detail
                gone = await session.run("1", 5.0)
                assert (gone.status, gone.state) == ("sandbox-error", "lost")
                assert "Connection refused" in gone.detail

    asyncio.run(trial())


def test_expired_session_is_told_of_once(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving("--idle", "1") as service:
            async with lab.opened(service) as pool, pool.session() as session, lab.api(service) as api:
                await session.run("import time; x = 1; time.sleep(1.5)", 5.0)
                assert (await session.run("x", 5.0)).value == "1", "a cell that runs is no idleness"
                async with session.fork() as fork:
                    for _ in range(4):
                        await asyncio.sleep(0.5)
                        assert (await fork.run("x", 5.0)).value == "1", "nor is a fork in use"
                await lab.until(lambda: _none_in_use(api))
                execution = await session.run("x", 5.0)
                assert (execution.status, execution.state) == ("sandbox-error", "lost")
                assert "the code did not run: the session was ended: nobody used it for 1 s" in execution.detail
                assert (await session.run("'x' in globals()", 5.0)).value == "False"

    asyncio.run(trial())


def test_fork_of_a_lost_session_tells_of_it(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.opened(service) as pool, pool.session() as session, lab.api(service) as api:
            await session.run("x = 1", 5.0)
            await api.ask("DELETE", session._url.path.removeprefix("/v1"))
            async with session.fork() as fork:
                for each in (session, fork):
                    execution = await each.run("x", 5.0)
                    assert (execution.status, execution.state) == ("sandbox-error", "lost")
                    assert (await each.run("2", 5.0)).value == "2"

    asyncio.run(trial())


def test_ended_session_is_unknown(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.api(service) as api:
            session = await api.session()
            assert (await api.ask("DELETE", session))[0] == 204
            for method, path in (("DELETE", session), ("POST", f"{session}/fork"), ("DELETE", f"{session}/cells/1")):
                status, fault = await api.ask(method, path)
                assert (status, fault["error"]) == (404, "unknown-session")
            assert (await api.cell(session, "1"))[0] == 404

    asyncio.run(trial())


async def _none_in_use(api: Any) -> bool:
    return (await api.ask("GET", "/load"))[1]["in_use"] == 0
