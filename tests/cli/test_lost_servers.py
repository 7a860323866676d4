"""`skillforge eval` on servers that go away in mid-run: others take over, and one that comes back is waited for."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import skillforge, started

pytest.importorskip("skillforge_openai")

MOCK = Path(__file__).parents[2] / "bench" / "mock_server.py"
PROBLEMS = 300


@pytest.fixture
def ports() -> list[int]:
    """Two that are free."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return [server.getsockname()[1] for server in (one, other)]


@contextlib.contextmanager
def mock_server(port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(MOCK), "--port", str(port), "--latency", "0.02"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def evaluation(address: str, scripted: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A run of PROBLEMS problems without retries, of which some are done."""
    work = ("eval", "--benchmark", "scripted-sums", "-o", f"benchmark.count={PROBLEMS}", "--model", "mock", "--seed", 1)
    how = ("--base-url", address, "--concurrency", 4, "--retries", 0, "--out", "run")
    with started(*work, *how, cwd=Path.cwd(), env=scripted) as process:
        until = time.monotonic() + 30
        while not samples() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        yield process


def samples() -> list[dict[str, object]]:
    path = Path("run/samples.jsonl")
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def check_complete(process: subprocess.Popen[str]) -> str:
    """All is done, once and without a fault; gives what was printed."""
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    found = samples()
    assert len(found) == len({row["problem"]["id"] for row in found}) == PROBLEMS  # type: ignore[index]
    assert all("error" not in row for row in found)
    return output + errors


def test_of_two_servers_one_may_be_lost(scripted: dict[str, str], ports: list[int]) -> None:
    lost, kept = (f"http://127.0.0.1:{port}/v1" for port in ports)
    with mock_server(ports[0]) as server, mock_server(ports[1]):
        with_password = lost.replace("//", "//me:hunter2@")
        with evaluation(f"{with_password}, {kept}", scripted) as process:
            server.kill()
            assert len(samples()) < PROBLEMS
            shown = check_complete(process)
    assert f"the server at {lost} is left out: " in shown
    assert json.loads(Path("run/run.json").read_text())["settings"]["base_url"] == f"{lost},{kept}"
    assert "hunter2" not in shown + "".join(path.read_text() for path in Path("run").iterdir() if path.is_file())


def test_a_server_that_starts_again_in_mid_run_costs_nothing(scripted: dict[str, str], ports: list[int]) -> None:
    with mock_server(ports[0]) as server, evaluation(f"http://127.0.0.1:{ports[0]}/v1", scripted) as process:
        server.kill()
        server.wait()
        assert len(samples()) < PROBLEMS
        with mock_server(ports[0]):
            shown = check_complete(process)
    assert shown.count("; waiting up to 10 min for the server to be back") == 1
    assert shown.count("the server answers again") == 1


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://127.0.0.1:1/v1,", "address 2 of 2 in --base-url is empty"),
        ("http://127.0.0.1:1/v1,me:hunter2@host", "address 2 of 2 in --base-url is not an address"),
        ("nohost,http://127.0.0.1:1/v1,http://127.0.0.1:1/v1", "address 1 of 3 in --base-url is not an address"),
        (",", "address 1 of 2 in --base-url is empty"),
        ("", "--base-url is empty"),
    ],
)
def test_each_address_of_a_list_is_checked(address: str, told: str) -> None:
    ended = skillforge("eval", "--benchmark", "scripted-sums", "--base-url", address, "--model", "m")
    assert ended.code == 2 and f"Error: {told}; write it like http://localhost:8000/v1" in ended.err
    assert "hunter2" not in ended.err


@pytest.mark.usefixtures("scripted")
def test_where_no_server_of_a_list_is_there_nothing_is_begun(ports: list[int]) -> None:
    address = ",".join(f"http://127.0.0.1:{port}/v1" for port in ports)
    ended = skillforge("eval", "--benchmark", "scripted-sums", "--base-url", address, "--model", "m", "--out", "run")
    assert ended.code == 1 and "none of the 2 servers can be used: cannot reach http://127.0.0.1:" in ended.err
    assert not Path("run").exists()
