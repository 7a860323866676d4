"""Servers that are started and stopped: readiness by health, clear ends, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skillforge.errors import BackendUnusable, UsageError
from skillforge.parts.backend import Server
from skillforge.server import running, running_program, starts_told
from skillforge.server_command import find_program, free_port, require_free, url_of

PROGRAM = textwrap.dedent(
    """
    import http.server, json, os, signal, subprocess, sys, time
    port, behaviour = int(sys.argv[1]), json.loads(sys.argv[2])
    if behaviour.get("print"):
        print(behaviour["print"], flush=True)
    if "children" in behaviour:
        stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        parent = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {stubborn!r}], stdout=2).pid)"
        own_session = subprocess.Popen([sys.executable, "-c", stubborn], start_new_session=True)
        orphan = subprocess.run([sys.executable, "-c", parent], stdout=subprocess.PIPE, start_new_session=True)
        with open(behaviour["children"], "w") as file:
            json.dump([os.getpid(), own_session.pid, int(orphan.stdout)], file)
    if "exit" in behaviour:
        sys.exit(behaviour["exit"])
    if "signal" in behaviour:
        os.kill(os.getpid(), behaviour["signal"])
    began = time.monotonic()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/die":
                print("fatal: out of blocks", flush=True)
                os._exit(3)
            ready = time.monotonic() - began > behaviour.get("ready_after", 0) and self.path == "/health"
            self.send_response(200 if ready else 503)
            self.end_headers()

    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
    """
)


def scripted(**behaviour: object) -> Server:
    """A server that answers at /health, and first does what `behaviour` says."""
    port = free_port()
    url = url_of("127.0.0.1", port)
    command = (sys.executable, "-c", PROGRAM, str(port), json.dumps(behaviour))
    return Server(command=command, base_url=f"{url}/v1", health=f"{url}/health", model="m")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return False
    return state not in "ZX"


def wait_until_gone(*pids: int) -> None:
    deadline = time.monotonic() + 30
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in pids if is_alive(pid)] == []


async def fault_of(server: Server, log: Path, patience: float = 60.0) -> str:
    with pytest.raises(BackendUnusable) as error:
        async with running(server, log=log, patience=patience):
            raise AssertionError("it is not ready")
    return str(error.value)


def test_it_waits_for_health_and_stops_the_server(tmp_path: Path) -> None:
    server = scripted(ready_after=0.3)

    async def use() -> int:
        async with running(server, log=tmp_path / "logs" / "server.log") as started:
            assert started.seconds > 0.3, "503 is not healthy"
            assert started.fault is None and started.pid and is_alive(started.pid)
            return started.pid

    pid = asyncio.run(use())
    assert not is_alive(pid)
    require_free("127.0.0.1", int(server.command[3]))


def test_nothing_that_the_server_started_is_left(tmp_path: Path) -> None:
    children = tmp_path / "children"

    async def use() -> None:
        async with running(scripted(children=str(children)), log=tmp_path / "log"):
            assert all(map(is_alive, json.loads(children.read_text())))

    asyncio.run(use())
    assert [pid for pid in json.loads(children.read_text()) if is_alive(pid)] == []


def test_a_server_that_dies_leaves_none_of_its_children(tmp_path: Path) -> None:
    children = tmp_path / "children"
    asyncio.run(fault_of(scripted(children=str(children), exit=1), tmp_path / "log"))
    assert [pid for pid in json.loads(children.read_text()) if is_alive(pid)] == []


def test_a_server_that_ends_before_it_is_ready_is_told_with_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier server\n")
    output = (
        "x" * 5000 + "\n" + "\n".join(f"line {number}" for number in range(99)) + "\n\n\x1b[31mno\x1b[0m GPU\x1b[2J\r"
    )
    fault = asyncio.run(fault_of(scripted(print=output, exit=4), log))
    assert fault.startswith(f"the server ended with exit status 4; its output is in {log}, which ends:\n  ")
    assert fault.endswith("\n  line 97\n  line 98\n  no GPU\\x1b[2J")
    assert "xxx" not in fault and len(fault) < 2000
    assert log.read_text().startswith("of an earlier server\nxxx")


def test_silence_is_told_as_such(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier server\n")
    assert asyncio.run(fault_of(scripted(exit=0), log)).endswith("ended with exit status 0; its output is in "
                                                                f"{log}, which is empty")  # fmt: skip


@pytest.mark.parametrize(
    ("number", "told"), [(signal.SIGKILL, "was killed (SIGKILL, as the system does"), (signal.SIGABRT, "by SIGABRT")]
)
def test_the_signal_that_ended_it_is_named(number: int, told: str, tmp_path: Path) -> None:
    assert told in asyncio.run(fault_of(scripted(signal=number), tmp_path / "log"))


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    server = Server(command=("/nowhere/serve",), base_url="", health="http://127.0.0.1:9/health", model="m")
    fault = asyncio.run(fault_of(server, tmp_path / "log"))
    assert fault.startswith("the server could not be started: No such file or directory")


def test_patience_ends(tmp_path: Path) -> None:
    children = tmp_path / "children"
    fault = asyncio.run(fault_of(scripted(ready_after=600, children=str(children)), tmp_path / "log", patience=1.0))
    assert "was not ready within 1 s and was stopped" in fault
    assert [pid for pid in json.loads(children.read_text()) if is_alive(pid)] == []


def test_a_program_may_tell_in_a_way_of_its_own_that_it_is_ready(tmp_path: Path) -> None:
    tells = "import sys, time; open(sys.argv[1], 'w').close(); time.sleep(600)"

    async def use(*command: str) -> float:
        async def ready() -> None:
            while not (tmp_path / "ready").exists():
                await asyncio.sleep(0.01)

        async with running_program("Waiter", command, {}, ready=ready, log=tmp_path / "log", patience=60.0) as program:
            assert program.fault is None and program.pid and is_alive(program.pid)
            return program.seconds

    with pytest.raises(BackendUnusable, match=r"^Waiter ended with exit status 3; its output is in "):
        asyncio.run(use(sys.executable, "-c", "raise SystemExit(3)"))
    assert asyncio.run(use(sys.executable, "-c", tells, str(tmp_path / "ready"))) > 0


def test_who_wants_to_know_is_told_of_starts(tmp_path: Path) -> None:
    async def use(server: Server) -> list[str]:
        told: list[str] = []
        with contextlib.suppress(BackendUnusable), starts_told(told.append):
            async with running(server, log=tmp_path / "log"):
                pass
        async with running(scripted(), log=tmp_path / "log"):  # nobody asked to be told of this one
            pass
        return told

    starting = f"starting the server; its output is in {tmp_path / 'log'}"
    first, second = asyncio.run(use(scripted(ready_after=1.2)))
    assert first == starting and re.fullmatch(r"the server is ready after [1-9]\d* s", second)
    assert asyncio.run(use(scripted(exit=3))) == [starting]


def test_the_end_of_a_ready_server_is_noticed(tmp_path: Path) -> None:
    async def use() -> BackendUnusable:
        server = scripted()
        async with running(server, log=tmp_path / "log") as started:
            ended = asyncio.create_task(started.ended())
            port = int(server.command[3])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /die HTTP/1.0\r\n\r\n")
            fault = await asyncio.wait_for(ended, 30)
            assert started.fault is not None and str(started.fault) == str(fault)
            writer.close()
            return fault

    fault = str(asyncio.run(use()))
    assert "ended with exit status 3" in fault and fault.endswith("fatal: out of blocks")


def test_the_output_is_handed_on_to_the_last_byte(tmp_path: Path) -> None:
    pieces: list[bytes] = []
    log = tmp_path / "log"
    log.write_text("before\n")

    async def use() -> None:
        with contextlib.suppress(BackendUnusable):
            async with running(scripted(print="ß" * 20_000, exit=1), log=log, on_output=pieces.append):
                pass

    asyncio.run(use())
    assert b"".join(pieces).decode() == "ß" * 20_000 + "\n"
    assert log.read_bytes() == b"before\n" + b"".join(pieces)


def test_variables_reach_the_server_and_it_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("CHANGED", "before")
    show = "import os, sys; print(os.environ['KEPT'], os.environ['CHANGED'], repr(sys.stdin.read()))"
    server = Server(
        command=(sys.executable, "-c", show), env={"CHANGED": "after"}, base_url="", health="http://127.0.0.1:9/", model=""
    )  # fmt: skip
    assert asyncio.run(fault_of(server, tmp_path / "log")).endswith("kept after ''")


STARTER = textwrap.dedent(
    """
    import asyncio, msgspec, os, sys, time
    from pathlib import Path
    from skillforge.parts.backend import Server
    from skillforge.server import running

    async def main():
        server = msgspec.json.decode(sys.argv[1], type=Server)
        async with running(server, log=Path(sys.argv[2])):
            if os.fork() == 0:  # as a pool of worker processes would, with every open pipe
                time.sleep(60)
            print("ready", flush=True)
            await asyncio.sleep(600)

    asyncio.run(main())
    """
)


@contextlib.contextmanager
def started_elsewhere(server: Server, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    import msgspec

    command = [sys.executable, "-c", STARTER, msgspec.json.encode(server).decode(), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == b"ready\n"
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_the_server_dies_with_a_process_that_is_killed(tmp_path: Path) -> None:
    children = tmp_path / "children"
    with started_elsewhere(scripted(children=str(children)), tmp_path / "log") as process:
        process.kill()
        process.wait()
        wait_until_gone(*json.loads(children.read_text()))


def test_a_server_that_lost_its_supervisor_is_stopped_all_the_same(tmp_path: Path) -> None:
    async def use() -> int:
        async with running(scripted(), log=tmp_path / "log") as started:
            assert started.pid
            supervisor = int(Path(f"/proc/{started.pid}/stat").read_text().rpartition(") ")[2].split()[1])
            os.kill(supervisor, signal.SIGKILL)
            assert "was lost" in str(await started.ended())
            return started.pid

    wait_until_gone(asyncio.run(use()))


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port() != port
        with pytest.raises(UsageError) as error:
            require_free("127.0.0.1", port)
    told = f"no server can listen on 127.0.0.1 port {port} (Address already in use); choose another --port"
    assert str(error.value) == told
    require_free("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "127.0.0.1.1"])
def test_a_host_on_which_nobody_can_listen_is_told(host: str) -> None:
    with pytest.raises(UsageError) as error:
        require_free(host, 8000)
    told = str(error.value)
    assert told.startswith(f"no server can listen on {host} port 8000 (") and told.endswith("; choose another --host")


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80"), ("h", "http://h:80")],
)  # fmt: skip
def test_an_address_can_be_reached_from_here(host: str, url: str) -> None:
    assert url_of(host, 80) == url


def test_a_program_of_this_environment_comes_before_that_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("own", "path"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "serve-it").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert find_program("serve-it") == str(tmp_path / "path" / "serve-it")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "own" / "python"))
    assert find_program("serve-it") == str(tmp_path / "own" / "serve-it")
    assert find_program("not-there") is None
