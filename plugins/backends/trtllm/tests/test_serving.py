"""How trtllm-serve is started, and what is told of this machine. TensorRT-LLM needs a GPU, and runs nowhere here: only the
command line is tested, as its documentation gives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from skillforge import ModelRef, Target, UsageError
from skillforge_trtllm import TrtllmBackend, TrtllmOptions

BACKEND = TrtllmBackend()


def target(location: Path | str) -> Target:
    return Target(ModelRef("m", str(location)))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A trtllm-serve on the PATH."""
    path = tmp_path / "bin" / "trtllm-serve"
    path.parent.mkdir()
    path.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(path.parent))
    return str(path)


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_it_is_started_with_folder_host_and_port(program: str, tmp_path: Path) -> None:
    server = BACKEND.server(target(tmp_path), TrtllmOptions(), "0.0.0.0", 8123)
    assert server.command == (program, str(tmp_path), "--host", "0.0.0.0", "--port", "8123")
    assert (server.base_url, server.health) == ("http://127.0.0.1:8123/v1", "http://127.0.0.1:8123/health")
    assert server.model == tmp_path.name, "it calls a folder by its last part"


def test_a_model_of_the_hub_keeps_its_name(program: str) -> None:
    server = BACKEND.server(target("owner/name"), TrtllmOptions(), "localhost", 8000)
    assert server.model == server.command[1] == "owner/name"


@pytest.mark.parametrize(
    ("options", "host", "told"),
    [
        (
            TrtllmOptions(model_name="ensemble"),
            "localhost",
            "'backend.model_name' has no meaning for `skillforge serve`",
        ),
        (TrtllmOptions(timeout=3), "localhost", "'backend.timeout' has no meaning for `skillforge serve`"),
        (TrtllmOptions(), "::1", "IPv4 addresses only"),
    ],
)
def test_what_it_cannot_do_is_refused(program: str, options: TrtllmOptions, host: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        BACKEND.server(target("owner/name"), options, host, 8000)


def test_without_the_program_it_says_what_to_install(nothing: None) -> None:
    with pytest.raises(UsageError, match="the program trtllm-serve is not here; install TensorRT-LLM"):
        BACKEND.server(target("owner/name"), TrtllmOptions(), "localhost", 8000)


def test_the_doctor_is_told_of_client_and_server(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {finding.name: (finding.state, finding.detail) for finding in BACKEND.diagnose()}
    assert states["tritonclient"][0] == "ok" and states["trtllm-serve"] == ("ok", program)
    monkeypatch.setenv("PATH", "")
    assert {finding.name: finding.state for finding in BACKEND.diagnose()}["trtllm-serve"] == "weak"
