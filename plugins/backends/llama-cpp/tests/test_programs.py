"""What is found on the machine, and how a server is started."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from skillforge import Message, ModelRef, Request, Sampling, Server, Target, UsageError
from skillforge_llama_cpp import LlamaCppBackend, LlamaCppOptions

pytestmark = pytest.mark.xdist_group("llama-cpp")


def server_of(file: Path, **options: Any) -> Server:
    target = Target(ModelRef("my-model", str(file)))
    return LlamaCppBackend().server(target, LlamaCppOptions(**options), "127.0.0.1", 8123)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "some.gguf"
    file.touch()
    return file


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A llama-server on the PATH."""
    program = tmp_path / "bin" / "llama-server"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def test_llama_server_is_started_where_it_is_there(file: Path, program: Path) -> None:
    server = server_of(file, context=4096, gpu_layers=0, threads=2)
    assert server.command[:3] == (str(program), "--model", str(file))
    pairs = dict(zip(server.command[1::2], server.command[2::2], strict=True))
    assert pairs["--alias"] == server.model == "my-model"
    assert (pairs["--ctx-size"], pairs["--gpu-layers"], pairs["--threads"]) == ("4096", "0", "2")
    assert "--gpu-layers" not in server_of(file).command
    assert (server.base_url, server.health) == ("http://127.0.0.1:8123/v1", "http://127.0.0.1:8123/health")


@pytest.mark.parametrize(
    "given", [{"grammar": 'root ::= "4"'}, {"cache_prompt": False}, {"timeout": 3.0}, {"api_key_env": "KEY"}]
)
def test_what_belongs_to_requests_is_refused(file: Path, program: Path, given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(UsageError, match=f"'backend.{name}' has no meaning for `skillforge serve`"):
        server_of(file, **given)


def test_without_any_server_a_line_tells_what_to_install(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if find_spec("llama_cpp") is not None:
        pytest.skip("llama-cpp-python is installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="neither llama-server nor llama-cpp-python's server is installed"):
        server_of(file)
    assert [finding.state for finding in LlamaCppBackend().diagnose()] == ["ok", "weak", "weak"]


def test_doctor_is_told_of_the_program(program: Path) -> None:
    assert LlamaCppBackend().diagnose()[1].detail == str(program)


def test_only_a_gguf_file_is_served(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a GGUF file"):
        server_of(tmp_path)


def test_the_server_that_is_started_answers(library: Any, unused_port: int) -> None:
    assert shutil.which("llama-server"), "llama-server is not on the PATH: use `.ci/llama-cpp run pytest ...`"
    server = LlamaCppBackend().server(
        Target(library.target.model), LlamaCppOptions(threads=1), "127.0.0.1", unused_port
    )
    with subprocess.Popen(server.command, env=os.environ | server.env, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(server.health)
            answer = asyncio.run(ask(server))
        finally:
            process.terminate()
        assert process.wait(10) is not None
    assert "####" in answer


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(health: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    sys.exit("the server did not start")


async def ask(server: Server) -> str:
    target = Target(ModelRef(server.model, server.model), server.base_url)
    async with LlamaCppBackend().open(target, LlamaCppOptions()) as client:
        await client.check()
        question = (Message("user", "Ana has 3 pens. Ben gives Ana 4 pens. How many pens does Ana have?"),)
        return (await client.complete(Request(question, Sampling(temperature=0.0, max_tokens=60)))).text
