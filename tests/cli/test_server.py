"""`skillforge eval` against a server in a process of its own, through the real backend for it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, skillforge

pytest.importorskip("skillforge_openai")
pytestmark = pytest.mark.usefixtures("scripted")

MOCK = Path(__file__).parents[2] / "bench" / "mock_server.py"


@contextlib.contextmanager
def mock_server(*options: object) -> Iterator[str]:
    """The base URL of a mock server."""
    command = [sys.executable, str(MOCK), "--port", "0", "--latency", "0.002", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}/v1"
        finally:
            process.kill()


def model_of(address: str) -> str:
    import urllib.request

    with urllib.request.urlopen(f"{address}/models") as answer:
        return str(json.load(answer)["data"][0]["id"])


def run(address: str, *more: object, model: str | None = None, out: str = "run", code: int = 0) -> Ended:
    ended = skillforge(
        "eval", "--benchmark", "scripted-sums", "--base-url", address, "--model", model or model_of(address),
        "--seed", 1, "--out", out, "--quiet", *more,
    )  # fmt: skip
    assert ended.code == code, ended.err
    return ended


def facts(path: str) -> dict[tuple[str, int], tuple[str, int]]:
    return {
        (row["problem"]["id"], row["sample_index"]): (row["transcript"]["segments"][-1]["text"], row["seed"])
        for row in map(json.loads, Path(path, "samples.jsonl").read_text().splitlines())
    }


def summary(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path, "summary.json").read_text())
    return found


def test_an_evaluation_end_to_end() -> None:
    answers = [{"question": f"What is {n} + {n + 1}?", "answer": str(2 * n + 1)} for n in range(12)]
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    with mock_server("--answers", "answers.jsonl") as address:
        run(address, "--repeats", 2, "--prompt", "scripted-chat")
        run(address, "--repeats", 2, "--prompt", "scripted-raw", out="raw")
    for path in ("run", "raw"):
        found = summary(path)
        assert (found["samples"], found["accuracy"]["value"]) == (24, 1.0)
        assert found["tokens"]["completion_total"] > 0 and found["latency"]["p50"] > 0
    assert json.loads(Path("run/run.json").read_text())["resolved"]["backend"] == "skillforge-openai:openai"


def test_with_one_fault_in_ten_nothing_is_lost_and_nothing_changes() -> None:
    work = ("--repeats", 4, "-o", "benchmark.count=40", "--concurrency", 16)
    with mock_server() as address:
        run(address, *work, out="calm")
    with mock_server("--rate-429", 0.05, "--rate-drop", 0.05, "--seed", 3) as address:
        run(address, *work, out="faulty")
    assert facts("calm") == facts("faulty") and len(facts("calm")) == 160
    attempts = [json.loads(line).get("attempts", 1) for line in Path("faulty/samples.jsonl").read_text().splitlines()]
    assert sum(number > 1 for number in attempts) >= 5
    assert summary("faulty")["accuracy"] == summary("calm")["accuracy"]


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_permanent_fault_costs_only_its_sample(status: int) -> None:
    with mock_server("--status-for", "What is 3 ", status, "--status-for", "What is 5 ", status) as address:
        run(address, "--concurrency", 1, code=3)
    found = summary("run")
    assert (found["samples"], found["error"]) == (12, 2)
    failed = [
        row
        for row in map(json.loads, Path("run/samples.jsonl").read_text().splitlines())
        if row.get("state") == "error"
    ]
    assert {row["problem"]["id"] for row in failed} == {"test-3", "test-5"}
    assert all(str(status) in row["error"] for row in failed)
    assert {row.get("attempts", 1) for row in failed} == {1}


def test_a_server_that_goes_away_leaves_a_run_to_continue() -> None:
    work = ("-o", "benchmark.count=120", "--concurrency", 4, "--retries", 1)
    with mock_server() as address:
        run(address, *work, out="whole")
        model = model_of(address)
        run(address, *work, out="run")
    samples = Path("run/samples.jsonl")
    samples.write_bytes(
        samples.read_bytes()[: samples.stat().st_size // 2]
    )  # killed halfway; then the server ended too
    ended = skillforge("eval", "--resume", "run", "--base-url", address, "--model", model, "--retries", 1)
    assert ended.code == 1 and "cannot reach" in ended.err and "start the server" in ended.err, ended.err
    with mock_server() as address:
        ended = skillforge("eval", "--resume", "run", "--base-url", address, "--quiet")
    assert ended.code == 0, ended.err
    assert facts("run") == facts("whole")


def test_a_model_that_the_server_does_not_have() -> None:
    with mock_server("--model", "org/tiny-7b") as address:
        ended = run(address, model="org/tiny-8b", code=1)
    assert "has no model 'org/tiny-8b'; did you mean 'org/tiny-7b'?" in ended.err and not Path("run").exists()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1"])
def test_an_unreachable_server(address: str) -> None:
    ended = run(address, model="m", code=1)
    assert "cannot reach" in ended.err and "Traceback" not in ended.err and ended.err.count("\n") <= 2
    assert not Path("run").exists()


def test_a_server_that_is_too_slow_is_not_to_be_started_again() -> None:
    with mock_server("--latency", 60) as address:
        ended = run(address, "-o", "backend.timeout=0.3", "--retries", 1, code=1)
    assert "within 0.3 s, 2 times in a row; the server is up, but slow or stuck: give it longer" in ended.err


class Gatekeeper(BaseHTTPRequestHandler):
    """Lets nobody in, and repeats the key in its answer as some servers do."""

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        body = json.dumps({"error": {"message": f"bad key {self.headers.get('Authorization')}"}}).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def gatekeeper() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gatekeeper)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_wrong_key_is_told_and_not_repeated(gatekeeper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2-hunter2")
    ended = run(f"http://{gatekeeper}", model="m", code=1)
    assert "does not let this key in (HTTP 401" in ended.err and "OPENAI_API_KEY" in ended.err
    assert "hunter2" not in ended.err + ended.out and not Path("run").exists()
    ended = run(f"http://me:hunter2-hunter2@{gatekeeper}", model="m", code=1)
    assert "check the user and password" in ended.err and "hunter2" not in ended.err + ended.out


def test_no_secret_reaches_a_file_or_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2-hunter2")
    monkeypatch.setenv("OTHER_KEY", "sk-hunter3-hunter3")
    with mock_server("--status-for", "What is 3 ", 400) as address:
        with_password = address.replace("http://", "http://me:hunter4-hunter4@")
        model = model_of(address)
        ends = [
            run(address, out="one", code=3),
            run(address, "-o", "backend.api_key_env=OTHER_KEY", out="two", code=3),
            run(with_password, model=model, out="three", code=3),
            run(with_password, "--dry-run", model=model, out="four"),
            skillforge("eval", "--resume", "three", "--retry-errors", "--base-url", with_password),
            skillforge("report", "one", "two", "three", "--json"),
            skillforge("runs", "list", "."),
            skillforge("export", "three"),
        ]
    shown = "".join(ended.out + ended.err for ended in ends)
    shown += "".join(path.read_text() for path in Path().rglob("*") if path.is_file())
    assert "hunter" not in shown and "127.0.0.1" in shown


def test_a_secret_given_as_an_option_is_refused() -> None:
    ended = run("http://127.0.0.1:1/v1", "-o", "backend.api_key=sk-hunter2", model="m", code=2)
    assert "unknown option 'backend.api_key'; did you mean 'api_key_env'" in ended.err and "hunter" not in ended.err


@pytest.mark.parametrize("name", ["gsk_AbC0123456789", "sk-hunter2-hunter2", "NOPE_KEY"])
def test_a_variable_that_is_not_there_is_refused_before_a_run_and_not_repeated(name: str) -> None:
    """It may be the key itself."""
    for how in ((), ("--dry-run",)):
        ended = run("http://127.0.0.1:1/v1", "-o", f"backend.api_key_env={name}", *how, model="m", code=2)
        assert "'backend.api_key_env' names no environment variable that is set" in ended.err
        assert name not in ended.err + ended.out and not list(Path().iterdir())
    ended = skillforge("doctor", "--base-url", "http://127.0.0.1:1/v1", "-o", f"backend.api_key_env={name}")
    assert ended.code == 2 and name not in ended.err + ended.out


def test_a_run_is_continued_with_the_variable_of_its_key_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-hunter3-hunter3")
    with mock_server("--status-for", "What is 3 ", 400) as address:
        run(address, "-o", "backend.api_key_env=OTHER_KEY", code=3)
        stored = Path("run", "run.json").read_bytes()
        monkeypatch.delenv("OTHER_KEY")
        ended = skillforge("eval", "--resume", "run", "--retry-errors")
    assert ended.code == 2 and "'backend.api_key_env' names no environment variable that is set" in ended.err
    assert Path("run", "run.json").read_bytes() == stored
