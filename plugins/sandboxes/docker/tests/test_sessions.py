"""What comes over the one connection to a container, and what becomes of sessions."""

from __future__ import annotations

from typing import Any

import pytest

from skillforge import SandboxUnusable

pytestmark = pytest.mark.xdist_group("docker")


def test_much_output_keeps_its_ends_and_endless_output_ends_the_cell(docker: Any) -> None:
    much, endless, after = docker.cells(
        "import sys\nprint('first'); print('x' * (5 << 20)); print('last')\nsys.stderr.write('y' * (1 << 20))",
        "while True: print('z' * 1000)",
        "print('next')",
        output=8,
        output_limit=8,
    )
    assert much.status == "ok"
    assert much.stdout.startswith("first\n")
    assert much.stdout.endswith("last\n")
    assert len(much.stdout) < 9 << 10 > len(much.stderr) > 0
    assert (endless.status, endless.state) == ("output-limit", "lost")
    assert after.stdout == "next\n"


def test_output_comes_while_the_cell_runs(docker: Any) -> None:
    async def run(session: Any) -> tuple[list[tuple[str, str]], Any]:
        heard: list[tuple[str, str]] = []
        execution = await session.run(
            "import sys, time\nprint('one')\ntime.sleep(0.2)\nprint('two', file=sys.stderr)",
            20,
            lambda stream, text: heard.append((stream, text)),
        )
        return heard, execution

    heard, execution = docker.in_session(run)
    assert heard == [("stdout", "one\n"), ("stderr", "two\n")]
    assert (execution.stdout, execution.stderr) == ("one\n", "two\n")


def test_output_that_looks_like_the_connections_own_frames_is_output(docker: Any) -> None:
    forged = bytes([1, 0, 0, 0, 0, 0, 0, 9]) + bytes([0, 0, 0, 0, 5]) + b"ready" + bytes([2, 0, 0, 0]) + b"\xff" * 4
    execution, after = docker.cells(f"import os; os.write(1, {forged!r}); os.write(2, {forged!r})", "print('next')")
    assert (execution.status, execution.state) == ("ok", "kept")
    assert "ready" in execution.stdout
    assert after.stdout == "next\n"


def test_code_and_values_may_be_large(docker: Any) -> None:
    size = 5 << 20
    (execution,) = docker.cells(f"x = '{'é' * size}'\nprint(len(x))\nx")
    assert execution.stdout == f"{size}\n"
    assert len(execution.value) == 64 << 10


def test_nothing_of_the_code_can_answer_for_the_sandbox(docker: Any) -> None:
    """The worker's own connection can be found and written to; that costs the session's state, and is told."""
    forge = (
        "import os, socket\n"
        "for number in range(3, 512):\n"
        "    try: os.write(number, b'\\0\\0\\0\\2{}')\n"
        "    except OSError: pass"
    )
    forged, after = docker.cells(forge, "print('next')")
    assert (forged.status, forged.state) == ("protocol-violation", "lost")
    assert after.stdout == "next\n"


def test_code_that_closes_all_its_descriptors_loses_its_interpreter_alone(docker: Any) -> None:
    closed, after = docker.cells("import os; os.closerange(0, 1024)", "print('next')")
    assert (closed.status, closed.state) == ("died", "lost")
    assert closed.detail != "the whole session was ended"
    assert after.stdout == "next\n"


def test_a_checkpoint_brings_variables_back(docker: Any) -> None:
    _, crash, after = docker.cells(
        "x = 41", "x = 0; import os; os.kill(os.getpid(), 11)", "print(x + 1)", checkpoint=True
    )
    assert (crash.status, crash.state, crash.detail) == ("died", "restored", "SIGSEGV")
    assert after.stdout == "42\n"


def test_a_prelude_and_modules_are_there(docker: Any) -> None:
    execution, modules = docker.cells(
        "print(sqrt(4))",
        "import sys; 'fractions' in sys.modules",
        prelude="from math import sqrt",
        preload=("fractions",),
    )
    assert execution.stdout == "2.0\n"
    assert modules.value == "True"


def test_what_cannot_be_imported_is_told(docker: Any) -> None:
    with pytest.raises(SandboxUnusable, match="ModuleNotFoundError: No module named 'no_such_module'"):
        docker.cells("1", preload=("no_such_module",))


def test_users_wait_where_all_sessions_are_taken(docker: Any) -> None:
    import asyncio

    async def three(pool: Any) -> tuple[int, list[str]]:
        most = 0

        async def use(number: int) -> str:
            nonlocal most
            async with pool.session() as session:
                most = max(most, pool.load().in_use)
                return str((await session.run(f"import time; time.sleep(0.1); print({number})", 20)).stdout.strip())

        return most, await asyncio.gather(*map(use, range(4)))

    most, found = docker.in_pool(three, sessions=2)
    assert found == ["0", "1", "2", "3"]
    assert most <= 2
