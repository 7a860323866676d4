"""`skillforge serve`: a server in the foreground, the command that asks it, and how it ends."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import Ended, separately

from skillforge.errors import UsageError
from skillforge.parts.part import Part
from skillforge.pipeline.serving import plan_serving
from skillforge.registry import Registry
from skillforge.server_command import free_port, require_free

PLUGIN = '''
import os
import sys
from skillforge import Backend, BackendUnusable, Client, Completion, PartOptions, Server, UsageError, hookimpl
from skillforge.server_command import url_of, weights_of
SKILLFORGE_CONTRACT = 1

SERVER = """
import http.server, os, sys
print("\\\\x1b[32mloading\\\\x1b[0m", os.environ["GREETING"], "10%\\\\r20%\\\\x1b[2J", flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            print("fatal: out of blocks", flush=True)
            os._exit(3)
        self.send_response(200)
        self.end_headers()
if sys.argv[2] == "fail":
    sys.exit("no GPU is here")
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

class Options(PartOptions):
    start: str = "well"
    speaks: str = "mine"

class Asked(Client):
    async def context_length(self):
        return 2048
    async def complete(self, request, on_text=None):
        return Completion(text="")

class Fake(Backend):
    summary = "Starts a scripted server"
    Options = Options
    name = "fake"
    def capabilities(self, options):
        return frozenset({"chat"})
    def preview(self, request, target, options):
        return ""
    def open(self, target, options):
        return self._open(target, options)
    from contextlib import asynccontextmanager
    @asynccontextmanager
    async def _open(self, target, options):
        if options.speaks != os.environ.get("FAKE_SPEAKS", "mine"):
            raise BackendUnusable("that is not my protocol")
        yield Asked()
    def server(self, target, options, host, port):
        if options.start == "never":
            raise UsageError("the program fake-serve is not here", "pip install fake-serve")
        url = url_of(host, port)
        command = (sys.executable, "-c", SERVER, str(port), options.start)
        return Server(command=command, env={"GREETING": "hello"}, base_url=url + "/v1", health=url + "/health",
                      model=weights_of(target))

@hookimpl
def skillforge_backend():
    return Fake()
'''


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The backend `fake` is installed, and `weights` is a model. For other processes."""
    site = tmp_path / "site"
    info = site / "fake_serving-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-serving\nVersion: 1.0\nSummary: Fakes.\n")
    (info / "entry_points.txt").write_text("[skillforge.backends]\nfake = fake_serving\n")
    (info / "RECORD").write_text("fake_serving.py,,\n")
    (site / "fake_serving.py").write_text(PLUGIN)
    (tmp_path / "weights").mkdir()
    return {"PYTHONPATH": str(site), "TMPDIR": str(tmp_path)}


class Served:
    """A `skillforge serve` that runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        assert process.stdout
        for line in process.stdout:
            self.lines.append(line.rstrip())
            if "Ctrl-C stops it" in line:
                return

    @property
    def command(self) -> list[str]:
        """The command to copy."""
        (line,) = (line for line in self.lines if line.startswith("  skillforge "))
        return shlex.split(line)

    def stop(self, number: signal.Signals) -> Ended:
        """How it ends when it is sent a signal; what it wrote after it was ready."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return Ended(self.process.returncode, out, err)


@pytest.fixture
def serve(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts `skillforge serve ARGUMENTS` in a process of its own, and waits until it says that it is ready, or ends."""
    with _processes() as processes:

        def start(*arguments: object) -> Served:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "skillforge", "serve", *map(str, arguments)],
                    cwd=tmp_path,
                    env={**os.environ, **environment},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            return Served(processes[-1])

        yield start


@contextmanager
def _processes() -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    try:
        yield processes
    finally:
        for process in processes:
            with process:
                process.kill()


def wait_until_free(port: int) -> None:
    """Until the server that had `port` is gone."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
    pytest.fail("the server is still there")


FAKE = ("--backend", "fake", "--model", "weights")


def test_it_tells_when_the_server_is_ready_and_how_to_ask_it(serve: Callable[..., Served], tmp_path: Path) -> None:
    port = free_port()
    served = serve(*FAKE, "--port", port)
    weights = str(tmp_path / "weights")
    assert served.lines[0].startswith("$ GREETING=hello ")
    (ready,) = (line for line in served.lines if line.startswith("✓ "))
    assert ready.startswith(f"✓ {weights} takes requests at http://127.0.0.1:{port}/v1 (after ")
    assert ready.endswith(" s, context of 2,048 tokens)")
    assert served.command[-6:] == ["--base-url", f"http://127.0.0.1:{port}/v1", "--model", weights, "--backend", "fake"]
    ended = served.stop(signal.SIGINT)
    assert ended.code == 130
    assert ended.out == "stopped by SIGINT; nothing of the server is left\n"
    assert ended.err.splitlines()[:2] == ["loading hello 10%", "20%\\x1b[2J"], "as lines that cannot steer a terminal"
    (log,) = tmp_path.glob("skillforge-serve-weights-*.log")
    assert f"its output follows, and is kept in {log}" in served.lines
    assert log.read_bytes().startswith(b"\x1b[32mloading")
    require_free("127.0.0.1", port)


def test_sigterm_is_the_ordinary_end(serve: Callable[..., Served]) -> None:
    port = free_port()
    ended = serve(*FAKE, "--port", port).stop(signal.SIGTERM)
    assert (ended.code, ended.out) == (0, "stopped by SIGTERM; nothing of the server is left\n")
    require_free("127.0.0.1", port)


def test_killed_it_leaves_no_server(serve: Callable[..., Served]) -> None:
    port = free_port()
    serve(*FAKE, "--port", port).process.kill()
    wait_until_free(port)


@pytest.mark.parametrize(
    ("speaks", "options", "client"),
    [
        ("mine", ("-o", "backend.start=well"), ["--backend", "fake"]),
        ("theirs", ("-o", "backend.speaks=theirs"), ["--backend", "fake", "-o", "backend.speaks=theirs"]),
        ("theirs", (), ["--backend", "openai"]),
    ],
    ids=["asked without options", "asked with the options given", "asked by another backend"],
)
def test_the_command_to_copy_is_one_that_works(
    serve: Callable[..., Served],
    monkeypatch: pytest.MonkeyPatch,
    speaks: str,
    options: tuple[str, ...],
    client: list[str],
) -> None:
    pytest.importorskip("skillforge_openai")
    monkeypatch.setenv("FAKE_SPEAKS", speaks)
    served = serve(*FAKE, "--port", free_port(), *options)
    assert served.command[-len(client) :] == client
    served.stop(signal.SIGTERM)


def test_a_server_that_dies_ends_the_command(serve: Callable[..., Served], tmp_path: Path) -> None:
    port = free_port()
    served = serve(*FAKE, "--port", port, "--log", "kept.log")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /die HTTP/1.0\r\n\r\n")
        _, errors = served.process.communicate(timeout=60)
    assert served.process.returncode == 1
    assert "Error: the server ended with exit status 3; its output is in kept.log, which ends:" in errors
    assert errors.endswith("\n  fatal: out of blocks\n")
    assert "fatal: out of blocks" in (tmp_path / "kept.log").read_text()


def test_a_server_that_does_not_start_ends_the_command(environment: dict[str, str], tmp_path: Path) -> None:
    arguments = ("serve", *FAKE, "--port", free_port(), "-o", "backend.start=fail")
    ended = separately(*arguments, cwd=tmp_path, env=environment)
    assert ended.code == 1
    assert "Error: the server ended with exit status 1" in ended.err and ended.err.endswith("\n  no GPU is here\n")
    assert "✓" not in ended.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*FAKE, "-o", "backend.start=never"), "the program fake-serve is not here; pip install fake-serve"),
        (("--backend", "fake", "--model", "./nowhere"), "there is no model folder ./nowhere; check --model; a hub"),
        ((*FAKE, "-o", "backend.strat=well"), "did you mean 'start'?"),
        ((*FAKE, "-o", "grader.policy=strict"), "'grader' is not used here"),
        (("--backend", "fak", "--model", "weights"), "did you mean 'fake'"),
        ((*FAKE, "--port", "0"), "0 is not in the range 1<=x<=65535"),
    ],
)
def test_what_cannot_be_started_is_one_line(
    environment: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    ended = separately("serve", *arguments, cwd=tmp_path, env=environment)
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1), ended.err
    assert ended.err.startswith("Error: ") and told in ended.err


def test_without_a_model_only_what_serve_takes_is_advised() -> None:
    class NoModels(Registry):
        def all_parts(self, kind: str) -> Iterator[Part]:
            return iter(())

    with pytest.raises(UsageError) as caught:
        plan_serving(None, None, {}, "127.0.0.1", 8000, NoModels())
    assert str(caught.value) == "no model is named; give --model NAME or --model FOLDER"


def test_a_port_in_use_is_one_line_before_anything_starts(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = separately("serve", *FAKE, "--port", port, cwd=tmp_path, env=environment)
    assert (ended.code, ended.out) == (2, "")
    told = f"Error: no server can listen on 127.0.0.1 port {port} (Address already in use); choose another --port\n"
    assert ended.err == told
    assert list(tmp_path.glob("*.log")) == []


def test_the_embedded_model_is_served_and_evaluated(serve: Callable[..., Served], tmp_path: Path) -> None:
    """For real: `transformers serve`, and the command that is shown to ask it."""
    pytest.importorskip("skillforge_transformers")
    pytest.importorskip("skillforge_openai")
    pytest.importorskip("skillforge_forge_arith")
    arguments = ("--model", "tiny", "--backend", "transformers", "--port", free_port(), "-o", "backend.device=cpu")
    served = serve(*arguments)
    assert served.process.poll() is None, served.process.communicate()
    asked = dict(zip(served.command[2::2], served.command[3::2], strict=True))
    assert (asked["--backend"], asked["--prompt"]) == ("openai", "tiny")
    asked["--benchmark"] = "forge-arith"
    words = [word for pair in asked.items() for word in pair]
    ended = separately("eval", *words, "--limit", 3, "--out", "run", "--json", cwd=tmp_path, env={})
    assert ended.code == 0, ended.err
    summary = json.loads(ended.out)
    assert (summary["samples"], summary["error"], summary["no_answer"]) == (3, 0, 0)
    address = ("--base-url", asked["--base-url"], "--model", asked["--model"])
    looked = separately("doctor", *address, "--json", cwd=tmp_path, env={"OPENAI_API_KEY": "sk-never-shown"})
    assert looked.code == 0, looked.out
    found = {finding["name"]: finding for finding in json.loads(looked.out)["servers"][0]["findings"]}
    assert {found[form]["state"] for form in ("server", "model", "chat", "text")} == {"ok"}
    assert "with the key in OPENAI_API_KEY" in found["server"]["detail"] and "sk-never" not in looked.out
    assert served.stop(signal.SIGINT).code == 130
