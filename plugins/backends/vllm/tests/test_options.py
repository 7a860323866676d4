"""What the options mean, and what is refused, without any vLLM."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from skillforge import BackendUnusable, Completion, Message, ModelRef, Request, Sampling, Target, UsageError
from skillforge.testing import check_backend
from skillforge_vllm import VllmBackend, VllmOptions
from skillforge_vllm.diagnosis import diagnosis
from skillforge_vllm.installation import find_python, version_in

MODEL = ModelRef("my-model", "owner/weights")
CHAT = (Message("user", "2 + 2?"), Message("assistant", "It is"))


SAYS_IT_HAS_VLLM = '#!/bin/sh\ncase "$*" in *find_spec*) echo True; exit ;; esac\n'
"""The beginning of a program that stands for the Python of an environment with vLLM."""


@pytest.fixture
def has_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each Python finds a module `vllm`."""
    (tmp_path / "modules" / "vllm").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))


def opened(target: Target, **given: Any) -> None:
    async def run() -> None:
        async with VllmBackend().open(target, VllmOptions(**given)):
            raise AssertionError("it opened")

    asyncio.run(run())


@pytest.mark.parametrize("mode", ["server", "offline"])
def test_the_declaration_keeps_the_contract(mode: str) -> None:
    check_backend(VllmBackend(), options={"mode": mode})


def test_only_a_server_can_be_offered_tools() -> None:
    server, offline = (VllmBackend().capabilities(VllmOptions(mode=mode)) for mode in ("server", "offline"))
    assert server - offline == {"tools"}
    assert not offline - server


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"gpus": 2}, "'backend.gpus' has no meaning with --base-url"),
        ({"server_args": "--dtype float32"}, "'backend.server_args' has no meaning with --base-url"),
        ({"mode": "offline"}, "offline mode has no server, and --base-url names one"),
    ],
)
def test_what_a_running_server_cannot_follow_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        opened(Target(MODEL, "http://127.0.0.1:9/v1"), **given)


def test_what_offline_mode_cannot_follow_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'backend.extra_body' has no meaning in offline mode"):
        opened(Target(MODEL), mode="offline", extra_body="{}")
    with pytest.raises(UsageError, match=r"'backend.n' has no meaning in offline mode"):
        opened(Target(MODEL), mode="offline", n=4)
    with pytest.raises(UsageError, match="no server in offline mode"):
        VllmBackend().server(Target(MODEL), VllmOptions(mode="offline"), "127.0.0.1", 8000)


@pytest.mark.parametrize(
    "given",
    [
        {"start_timeout": 1.0}, {"log": "vllm.log"}, {"api_key_env": "KEY"}, {"timeout": 3.0}, {"reasoning_tags": "<a>,</a>"},
        {"n": 4}, {"extra_body": "{}"},
    ],
)  # fmt: skip
@pytest.mark.usefixtures("has_vllm")
def test_what_a_server_for_others_cannot_follow_is_refused(given: dict[str, Any]) -> None:
    (name,) = given
    options = VllmOptions(python=sys.executable, **given)
    with pytest.raises(UsageError, match=f"'backend.{name}' has no meaning for `skillforge serve`; leave it out"):
        VllmBackend().server(Target(MODEL), options, "127.0.0.1", 8000)


def test_a_preview_refuses_what_the_run_would() -> None:
    request = Request(CHAT, Sampling())
    with pytest.raises(UsageError, match=r"'backend.gpus' has no meaning with --base-url"):
        VllmBackend().preview(request, Target(MODEL, "http://127.0.0.1:9/v1"), VllmOptions(gpus=2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--port 8000", "sets --port; leave it out"),
        ("--served_model_name=x", "sets --served-model-name"),
        ("--api-key secret", "VLLM_API_KEY"),
        ("-tp 2", "backend.gpus"),
        ("--x 'y", "cannot be split"),
    ],
)
@pytest.mark.usefixtures("has_vllm")
def test_arguments_that_are_chosen_here_are_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        VllmBackend().server(Target(MODEL), VllmOptions(python=sys.executable, server_args=text), "127.0.0.1", 8000)
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("has_vllm")
def test_a_server_is_described_by_its_command_its_address_and_its_health(tmp_path: Path) -> None:
    options = VllmOptions(python=sys.executable, gpus=2, server_args="--max-model-len 8192 --quantization 'a b'")
    server = VllmBackend().server(Target(MODEL), options, "0.0.0.0", 8001)
    assert server.command[:4] == (sys.executable, "-m", "vllm.entrypoints.cli.main", "serve")
    assert server.command[4:] == (
        "owner/weights", "--host", "0.0.0.0", "--port", "8001", "--served-model-name", "my-model",
        "--tensor-parallel-size", "2", "--max-model-len", "8192", "--quantization", "a b",
    )  # fmt: skip
    assert (server.base_url, server.health) == ("http://127.0.0.1:8001/v1", "http://127.0.0.1:8001/health")
    assert server.model == "my-model"
    assert "HF_HUB_OFFLINE" not in server.env
    folder = VllmBackend().server(Target(ModelRef("m", str(tmp_path))), options, "127.0.0.1", 8001)
    assert folder.env["HF_HUB_OFFLINE"] == "1"


@pytest.mark.usefixtures("has_vllm")
def test_the_python_of_an_environment_can_be_named_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    server = VllmBackend().server(Target(MODEL), VllmOptions(python=str(tmp_path)), "127.0.0.1", 8001)
    assert server.command[0] == str(tmp_path / "bin" / "python")
    with pytest.raises(UsageError, match=r"'backend.python' names no program"):
        VllmBackend().server(Target(MODEL), VllmOptions(python="/nowhere"), "127.0.0.1", 8001)


@pytest.mark.parametrize("mode", ["server", "offline"])
def test_a_python_without_vllm_is_refused_before_anything_is_started(mode: str, tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)  # beside no pyvenv.cfg: a bare Python
    log = tmp_path / "vllm.log"
    with pytest.raises(
        UsageError, match=r"'backend.python' names a Python without vLLM \(.*\); install it in"
    ) as caught:
        opened(Target(MODEL), mode=mode, python=str(tmp_path / "python"), log=str(log))
    assert "\n" not in str(caught.value)
    assert not (log.exists() and log.read_text())


def test_the_python_of_the_program_vllm_is_found_by_its_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("skillforge_vllm.installation.find_spec", lambda name: None)
    assert find_python() is None
    with pytest.raises(UsageError, match="vLLM is not installed where it could be started from"):
        opened(Target(MODEL))
    program = tmp_path / "vllm"
    program.write_text(f"#!{sys.executable}\nimport sys\n")
    program.chmod(0o755)
    assert find_python() == sys.executable
    program.write_bytes(b"\x7fELF")
    assert find_python() is None


def test_the_diagnosis_names_the_version_and_who_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 1.2.3+cpu\n")
    python.chmod(0o755)
    assert version_in(str(python)) == "1.2.3+cpu"
    assert version_in(str(tmp_path / "nothing")) is None
    monkeypatch.setattr("skillforge_vllm.diagnosis._nvidia_gpus", list)
    monkeypatch.setattr("skillforge_vllm.diagnosis.find_python", lambda: str(python))
    found = diagnosis()
    assert [(finding.name, finding.state) for finding in found] == [("vLLM", "ok"), ("GPU", "ok")]
    assert found[0].detail == f"1.2.3+cpu, run by {python}"
    monkeypatch.setattr("skillforge_vllm.diagnosis.find_python", lambda: None)
    assert [finding.state for finding in diagnosis()] == ["weak", "weak"]


def test_a_preview_shows_what_a_server_is_sent_and_what_the_engine_is_asked() -> None:
    sampling = Sampling(top_k=5, token_ids=True, json_schema='{"type": "integer"}')
    request = Request(CHAT, sampling, seed=3)
    for address in (None, "http://127.0.0.1:9/v1"):
        head, _, body = VllmBackend().preview(request, Target(MODEL, address), VllmOptions()).partition("\n")
        assert head == f"POST {address or 'http://127.0.0.1:PORT/v1'}/chat/completions"
        sent = json.loads(body)
        assert (sent["top_k"], sent["seed"], sent["return_token_ids"]) == (5, 3, True)
        assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)
    engine = json.loads(VllmBackend().preview(request, Target(MODEL), VllmOptions(mode="offline")))
    assert engine["params"] == {"top_k": 5, "seed": 3}
    assert [message["role"] for message in engine["prompt"]] == ["user", "assistant"]


@pytest.mark.parametrize("address", [None, "http://127.0.0.1:9/v1"])
def test_a_preview_shows_how_many_samples_one_request_asks_for(address: str | None) -> None:
    shown = VllmBackend().preview(Request(CHAT, Sampling()), Target(MODEL, address), VllmOptions(n=4))
    assert json.loads(shown.partition("\n")[2])["n"] == 4


def test_several_samples_in_one_request_have_neither_seeds_nor_streams() -> None:
    one, many = (VllmBackend().capabilities(VllmOptions(n=n)) for n in (1, 4))
    assert one - many == {"seed", "stream"}


def test_samples_of_one_prompt_go_as_one_request() -> None:
    asked: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(await request.json())
        choices = [{"index": at, "text": f"#{at}", "finish_reason": "stop"} for at in range(asked[-1].get("n", 1))]
        return web.json_response({"choices": choices, "usage": {"prompt_tokens": 5, "completion_tokens": 6}})

    async def run() -> list[Completion]:
        app = web.Application()
        app.router.add_post("/v1/completions", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target = Target(MODEL, f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
        try:
            async with VllmBackend().open(target, VllmOptions(n=8)) as client:
                alike = [Request("2 + 2 =", Sampling(top_k=5))] * 3
                return list(await asyncio.gather(*map(client.complete, alike)))
        finally:
            await runner.cleanup()

    answers = asyncio.run(run())
    assert [(each.text, each.completion_tokens) for each in answers] == [("#0", 2), ("#1", 2), ("#2", 2)]
    assert [(body["n"], body["top_k"]) for body in asked] == [(3, 5)]


@pytest.mark.parametrize("mode", ["server", "offline"])
def test_one_that_cannot_start_tells_why_with_its_last_words(mode: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'{SAYS_IT_HAS_VLLM}echo "this is no vLLM" >&2\nexit 3\n')
    python.chmod(0o755)
    log = tmp_path / "logs" / "vllm.log"
    with pytest.raises(BackendUnusable, match=r"ended.*; its output is in .*vllm.log, which ends:\n  this is no vLLM"):
        opened(Target(MODEL), mode=mode, python=str(python), log=str(log))
    assert log.read_text() == "this is no vLLM\n"


@pytest.mark.parametrize("mode", ["server", "offline"])
def test_the_log_is_kept_only_where_an_error_names_it(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(BackendUnusable, match=r"skillforge-vllm-.*\.log") as caught:
        opened(Target(MODEL), mode=mode, python="/bin/false")
    (log,) = tmp_path.glob("*")
    assert str(log) in str(caught.value)
    log.unlink()
    with pytest.raises(UsageError, match="two tags"):
        opened(Target(MODEL), mode=mode, python="/bin/false", reasoning_tags="<think>")
    assert not list(tmp_path.glob("*"))


def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"the log .* cannot be written"):
        opened(Target(MODEL), mode="offline", python="/bin/false", log=str(tmp_path / "file" / "log"))


def test_one_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"{SAYS_IT_HAS_VLLM}echo $$ >&2\nexec sleep 300\n")
    python.chmod(0o755)
    log = tmp_path / "log"
    for mode in ("server", "offline"):
        with pytest.raises(BackendUnusable, match=r"within 0.5 s and was stopped"):
            opened(Target(MODEL), mode=mode, python=str(python), log=str(log), start_timeout=0.5)
    for pid in log.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_the_engine_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"{SAYS_IT_HAS_VLLM}echo $$ >&2\nexec sleep 300\n")
    python.chmod(0o755)
    log = tmp_path / "log"
    log.touch()
    program = (
        "import asyncio, sys\n"
        "from skillforge import ModelRef, Target\n"
        "from skillforge_vllm import VllmBackend, VllmOptions\n"
        "async def run():\n"
        "    options = VllmOptions(mode='offline', python=sys.argv[1], log=sys.argv[2])\n"
        "    async with VllmBackend().open(Target(ModelRef('m', 'm')), options): pass\n"
        "asyncio.run(run())\n"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ours = subprocess.Popen([sys.executable, "-c", program, python, log], env=environment)
    until = time.monotonic() + 30
    while not log.read_text().endswith("\n") and time.monotonic() < until:
        time.sleep(0.02)
    engine = int(log.read_text())
    os.kill(engine, 0)
    ours.send_signal(signal.SIGKILL)
    ours.wait()
    while Path(f"/proc/{engine}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(f"/proc/{engine}").exists()
