"""What the sandbox leaves behind: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from skillforge import Execution, SandboxUnusable
from skillforge_local_sandbox import LocalOptions, LocalSandbox
from skillforge_local_sandbox.cgroups import Groups

HOLD = """
import asyncio
from skillforge_local_sandbox import LocalOptions, LocalSandbox

async def main():
    async with LocalSandbox().open(LocalOptions(preload=())) as pool, pool.session() as session:
        await session.run("import os\\nfor _ in range(3): os.fork()", 5.0)
        print("ready", flush=True)
        await session.run("import os\\nos.fork()\\nwhile True: pass", 600.0)

asyncio.run(main())
"""


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, thread.read_text().split()):
            found |= {child} | descendants(child)
    return found


async def until(met: Callable[[], bool]) -> None:
    """Wait until it is so, for half a minute at most."""
    end = time.monotonic() + 30
    while not met() and time.monotonic() < end:
        await asyncio.sleep(0.05)


def test_nothing_is_left_when_the_main_process_is_killed() -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    family = descendants(process.pid)
    assert len(family) > 10
    process.kill()
    process.wait()
    end = time.monotonic() + 30
    while time.monotonic() < end and any(Path(f"/proc/{pid}").exists() for pid in family):
        time.sleep(0.02)
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []
    assert list(Path("/sys/fs/cgroup").glob(f"**/skillforge-{process.pid}-*")) == []


def test_the_kernel_keeps_the_memory_limit_where_it_can_and_no_cgroup_is_left() -> None:
    if (groups := Groups.find(2**20)) is None:
        pytest.skip("this user may make no memory cgroups")
    groups.close()
    pattern = f"skillforge-{os.getpid()}-*/1"
    others = set(groups.folder.parent.glob(pattern))
    folders: list[Path] = []

    async def session() -> Execution:
        async with LocalSandbox().open(LocalOptions(preload=(), memory=100, disk=1)) as pool:
            folders.extend(set(groups.folder.parent.glob(pattern)) - others)
            limit = next(folders[0].glob("memory.max"), folders[0] / "memory.limit_in_bytes")
            assert int(limit.read_text()) == 101 * 2**20
            return await pool.run_once("import mmap\nblock = mmap.mmap(-1, 2**30)\nblock.write(bytes(2**30))", 10.0)

    assert asyncio.run(session()).status == "oom"
    assert len(folders) == 1 and not folders[0].parent.exists()


def test_many_sessions_leave_no_process_file_or_mount() -> None:
    async def open_and_close() -> None:
        async with LocalSandbox().open(LocalOptions(preload=())) as pool:
            await pool.run_once("1", 5.0)
            looks = [state_of_this_process()]
            while looks[-10:] != 10 * looks[-1:]:  # sessions are being started and ended
                await asyncio.sleep(0.05)
                looks.append(state_of_this_process())
            before = looks[-1]

            async def some() -> None:
                for _ in range(25):
                    await pool.run_once("open('file', 'w').write('x' * 10**6)", 5.0)

            await asyncio.gather(*(some() for _ in range(4)))
            await until(lambda: state_of_this_process() == before)
            assert state_of_this_process() == before

    def state_of_this_process() -> tuple[int, int, int]:
        places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        mounts = sum(place in ("/tmp", "/sys", "/proc") for place in places)  # where sessions mount, out of sight
        return len(descendants(os.getpid())), len(list(Path("/proc/self/fd").iterdir())), mounts

    outside = state_of_this_process()
    asyncio.run(open_and_close())
    assert state_of_this_process() == outside


def test_a_zygote_that_dies_is_replaced() -> None:
    async def session() -> list[str | None]:
        others = descendants(os.getpid())
        async with LocalSandbox().open(LocalOptions(preload=(), ready=0)) as pool:
            found = [(await pool.run_once("1", 5.0)).value]
            for pid in descendants(os.getpid()) - others:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(0.2)
            return [*found, (await pool.run_once("2", 5.0)).value]

    assert asyncio.run(session()) == ["1", "2"]


def test_users_wait_for_a_session_in_the_order_in_which_they_came() -> None:
    async def session() -> tuple[list[int], tuple[int, int]]:
        order: list[int] = []
        async with LocalSandbox().open(LocalOptions(preload=(), sessions=1, ready=1)) as pool:

            async def user(number: int) -> None:
                async with pool.session() as session:
                    await session.run("import time; time.sleep(0.05)", 5.0)
                    order.append(number)

            users = [asyncio.create_task(user(number)) for number in range(4)]
            await asyncio.sleep(0.02)
            load = pool.load()
            await asyncio.gather(*users)
        return order, (load.in_use, load.waiting)

    assert asyncio.run(session()) == ([0, 1, 2, 3], (1, 3))


def test_a_cancelled_cell_ends_with_all_its_processes() -> None:
    mark = uuid.uuid4().hex

    async def session() -> str:
        async with LocalSandbox().open(LocalOptions(preload=())) as pool, pool.session() as session:
            code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import time; time.sleep(100)', '{mark}'])"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.run(code, 60.0), 0.3)
            told = await session.run("1", 5.0)
            assert (told.status, told.state) == ("sandbox-error", "lost")
            return (await session.run("2", 5.0)).value or ""

    assert asyncio.run(session()) == "2"
    assert not any(mark.encode() in path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (LocalOptions(preload=("no_such_module",)), "ModuleNotFoundError: No module named 'no_such_module'.*preload"),
        (LocalOptions(preload=(), prelude="1 / 0"), "ZeroDivisionError.*prelude"),
        (LocalOptions(python="/no/such/python"), "cannot start /no/such/python.*sandbox.python"),
        (LocalOptions(python="/bin/true"), "/bin/true"),
    ],
)
def test_what_cannot_start_says_why(options: LocalOptions, message: str) -> None:
    async def session() -> None:
        async with LocalSandbox().open(options):
            pass

    with pytest.raises(SandboxUnusable, match=message):
        asyncio.run(session())


def test_ready_sessions_that_have_died_are_not_given_out() -> None:
    async def session() -> list[str | None]:
        others = descendants(os.getpid())
        async with LocalSandbox().open(LocalOptions(preload=(), ready=3)) as pool:
            while pool.load().ready < 3:
                await asyncio.sleep(0.01)
            (launcher,) = (pid for pid in descendants(os.getpid()) - others if parent(pid) == os.getpid())
            (zygote,) = descendants(launcher) - set().union(*map(descendants, descendants(launcher)))
            os.kill(zygote, signal.SIGKILL)
            await asyncio.sleep(0.2)
            return [(await pool.run_once(str(number), 5.0)).value for number in range(4)]

    assert asyncio.run(session()) == ["0", "1", "2", "3"]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


DEAD_WORKER = """
import os, socket, threading, time
from skillforge_sandbox_jail.frames import framed, read_frame
from skillforge_sandbox_jail.init import SessionInit

ours, theirs = socket.socketpair()
worker = os.fork()
if worker == 0:
    os._exit(7)
os.waitid(os.P_PID, worker, os.WEXITED | os.WNOWAIT)
ours.sendall(framed(b'{"do": "watch", "of": %d, "keep": []}' % worker))
threading.Thread(target=lambda: (print(read_frame(ours).decode()), ours.close())).start()
SessionInit(theirs, worker, 2**30).serve()
"""


def test_how_a_worker_has_ended_is_told_first_where_that_is_noticed_before_its_signal() -> None:
    ended = subprocess.run([sys.executable, "-c", DEAD_WORKER], capture_output=True, text=True, timeout=60)
    assert json.loads(ended.stdout)["code"] == 7, ended.stderr


def test_all_sessions_together_get_the_processor_as_one() -> None:
    """Else a few dozen that compute leave the framework next to nothing of it, in spite of their niceness."""
    ours = Path("/proc/self/autogroup")
    if not ours.exists():
        pytest.skip("the kernel does not group processes by session (CONFIG_SCHED_AUTOGROUP)")
    look = "open('/proc/self/autogroup').read().split()[0]"
    of_ours = ours.read_text().split()[:1]  # empty where no process since the machine's start has begun a session

    async def groups() -> set[str]:
        async with (
            LocalSandbox().open(LocalOptions(preload=())) as pool,
            pool.session() as one,
            pool.session() as other,
        ):
            found = [await session.run(look, 5.0) for session in (one, other)]
            return {str(execution.value).strip("'") for execution in found}

    (group,) = asyncio.run(groups())
    assert group.startswith("/autogroup-")
    assert [group] != of_ours


def test_a_cancelled_cell_does_not_run_on() -> None:
    async def session() -> int:
        others = descendants(os.getpid())
        async with LocalSandbox().open(LocalOptions(preload=(), ready=0)) as pool, pool.session() as session:
            await session.run("1", 5.0)
            idle = len(descendants(os.getpid()) - others)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.run("while True: pass", 60.0), 0.2)
            await until(lambda: idle - len(descendants(os.getpid()) - others) == 2)
            return idle - len(descendants(os.getpid()) - others)

    assert asyncio.run(session()) == 2  # its init and its worker


def test_a_pool_that_is_closed_starts_nothing_more() -> None:
    async def session() -> None:
        others = descendants(os.getpid())
        async with LocalSandbox().open(LocalOptions(preload=(), ready=2, sessions=2)) as pool:
            users = [asyncio.create_task(pool.run_once("import time; time.sleep(0.2)", 5.0)) for _ in range(6)]
            await asyncio.sleep(0.05)
        await asyncio.gather(*users, return_exceptions=True)
        assert descendants(os.getpid()) - others == set()
        assert all(isinstance(user.exception(), SandboxUnusable) for user in users[2:])

    asyncio.run(session())
