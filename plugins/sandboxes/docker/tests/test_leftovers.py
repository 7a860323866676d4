"""Nothing stays: of a session, of a pool, of a process that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from skillforge_docker_sandbox.inside.first_process import empty
from skillforge_docker_sandbox.leftovers import OWNER_LABEL, POOL_LABEL, is_gone, owner, remove

PATIENCE = 10.0

pytestmark = pytest.mark.xdist_group("docker")

OWNER = """
import asyncio, sys
from skillforge_docker_sandbox import DockerOptions, DockerSandbox

async def main():
    options = DockerOptions(image=sys.argv[1], preload=("json",), ready=1)
    async with DockerSandbox().open(options) as pool, pool.session() as session:
        await session.run("x = 1", 10)
        print("ready", flush=True)
        await session.run("while True: pass", 600)

asyncio.run(main())
"""


def containers_of(engine: Any, pid: int) -> list[Any]:
    found = engine.containers(all=True, filters={"label": OWNER_LABEL})
    return [each for each in found if each["Labels"][OWNER_LABEL].split()[2] == str(pid)]


def becomes_true(test: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not test():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def test_a_pool_leaves_no_container(engine: Any, docker: Any) -> None:
    docker.cells("import os; os._exit(1)", "while True: pass", timeout=0.5, ready=2)
    assert not containers_of(engine, os.getpid())


def test_what_is_removed_is_gone_although_another_one_was_first(engine: Any, docker: Any) -> None:
    def is_gone_after_removal(container: str) -> bool:
        remove(engine, container)
        return not engine.containers(all=True, filters={"id": container})

    for _ in range(3):
        container = engine.create_container(docker.image, ["python3", "-c", "import time; time.sleep(600)"])["Id"]
        engine.start(container)
        with ThreadPoolExecutor(4) as several:
            assert all(several.map(is_gone_after_removal, [container] * 4))


def test_nothing_stays_where_the_owner_is_killed(engine: Any, docker: Any) -> None:
    process = subprocess.Popen([sys.executable, "-c", OWNER, docker.image], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "ready\n"
        assert containers_of(engine, process.pid)
        process.send_signal(signal.SIGKILL)
    assert becomes_true(lambda: all(each["State"] == "created" for each in containers_of(engine, process.pid)))
    docker.cells("1")  # removes also what had not come to run
    assert not containers_of(engine, process.pid)


def test_a_container_that_nobody_speaks_to_ends(engine: Any, docker: Any) -> None:
    """Its owner was killed between two calls of the engine, which then never closes its stdin."""
    impatient = (
        "import sys; sys.path.insert(0, '/opt/skillforge/jail')\n"
        "from skillforge_docker_sandbox.inside import first_process\n"
        "first_process.SETUP_PATIENCE = 1; first_process.main()"
    )
    container = engine.create_container(docker.image, ["python3", "-c", impatient], stdin_open=True, user="65534")["Id"]
    try:
        engine.start(container)
        assert engine.wait(container, timeout=PATIENCE)["StatusCode"] == 0
    finally:
        engine.remove_container(container, force=True)


def test_containers_of_the_dead_are_removed_and_those_of_the_living_are_not(engine: Any, docker: Any) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    own = owner()
    dead = own.replace(f" {os.getpid()} ", f" {ended.pid} ")
    started = {}
    for label in (own, dead):
        sleeping = ["python3", "-c", "import time; time.sleep(600)"]
        started[label] = engine.create_container(
            docker.image, sleeping, labels={OWNER_LABEL: label, POOL_LABEL: "test"}, network_disabled=True
        )["Id"]
        engine.start(started[label])
    try:
        docker.cells("1")
        left = {each["Id"] for each in engine.containers(all=True)}
        assert started[own] in left
        assert started[dead] not in left
    finally:
        engine.remove_container(started[own], force=True)


def test_who_is_gone() -> None:
    place, boot, pid, begun = owner().split(" ")
    assert not is_gone(owner())
    assert is_gone(f"{place} {boot} {pid} 1"), "another process with the same number"
    assert is_gone(f"{place} earlier {pid} {begun}"), "the machine was started anew"
    assert not is_gone(f"elsewhere {boot} {pid} 1"), "of other machines nothing is known"
    assert not is_gone("") and not is_gone("what is this")


def test_a_container_that_serves_again_shows_nothing_of_the_session_before(engine: Any, docker: Any) -> None:
    litter = (
        "import os, subprocess\n"
        "secret = 'secret'\n"
        "for folder in ('/tmp', '/tmp/work', '/dev/shm'): open(folder + '/secret', 'w').write(secret)\n"
        "os.makedirs('/tmp/work/' + 'deep/' * 500); os.symlink('/etc', '/tmp/link')\n"
        "os.mkdir('/tmp/closed'); os.mkdir('/tmp/closed/inner'); os.chmod('/tmp/closed/inner', 0); os.chmod('/tmp/closed', 0)\n"
        "subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "if os.fork() == 0: os.setsid(); import time; time.sleep(600)"
    )
    look = (
        "import glob, os\n"
        "print('secret' in globals(), os.listdir('/tmp'), os.listdir('/tmp/work'), os.listdir('/dev/shm'))\n"
        "print([open(path, 'rb').read() for path in glob.glob('/proc/[0-9]*/cmdline') if b'sleep' in open(path, 'rb').read()])"
    )

    async def two(pool: Any) -> tuple[set[str], Any]:
        async with pool.session() as session:
            first = await session.run(litter, 20)
            assert first.status == "ok", first.stderr
            names = {each["Id"] for each in containers_of(engine, os.getpid())}
        async with pool.session() as session:
            second = await session.run(look, 20)
            names |= {each["Id"] for each in containers_of(engine, os.getpid())}
        return names, second

    names, second = docker.in_pool(two, sessions_per_container=2, sessions=1)
    assert len(names) == 1
    assert second.stdout == "False ['work'] [] []\n[]\n"


def test_a_session_has_a_container_of_its_own(engine: Any, docker: Any) -> None:
    async def two(pool: Any) -> list[str]:
        seen = []
        for _ in range(2):
            async with pool.session() as session:
                seen.append((await session.run("open('/proc/self/mountinfo').read()", 20)).value)
        return seen

    one, other = docker.in_pool(two, sessions=1)
    assert one != other


def test_emptying_a_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    outside.write_text("stays")
    deepest = folder
    for _ in range(300):
        deepest = deepest / "d"
    deepest.mkdir(parents=True)
    (folder / "link").symlink_to(outside)
    (folder / "d" / "folders").symlink_to(tmp_path)
    (folder / "d" / "closed").mkdir(mode=0)
    empty(folder)
    assert list(folder.iterdir()) == []
    assert outside.read_text() == "stays"
