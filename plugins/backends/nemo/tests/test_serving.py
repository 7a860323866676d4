"""How Export-Deploy's script is started, and what is told of this machine. NeMo needs a GPU: only the command line is
tested, as its documentation gives it."""

from __future__ import annotations

from pathlib import Path

import pytest

from skillforge import ModelRef, Target, UsageError
from skillforge_nemo_backend import NemoBackend, NemoOptions

BACKEND = NemoBackend()
TODAY = "scripts/deploy/llm/automodel/deploy_ray.py"
BEFORE = "scripts/deploy/nlp/deploy_ray_hf.py"


def target(location: Path | str) -> Target:
    return Target(ModelRef("m", str(location)))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of Export-Deploy with the script of 2025, and a python on the PATH that has NeMo."""
    folder = tmp_path / "Export-Deploy"
    (folder / BEFORE).parent.mkdir(parents=True)
    (folder / BEFORE).touch()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch(mode=0o755)
    monkeypatch.setenv("EXPORT_DEPLOY", str(folder))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return folder


def test_it_is_started_with_model_host_port_and_one_gpu(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4")
    server = BACKEND.server(target(weights), NemoOptions(), "127.0.0.1", 1024)
    assert server.command[1:] == (
        str(checkout / BEFORE), "--model_path", str(weights), "--model_id", "weights", "--host", "127.0.0.1",
        "--port", "1024", "--cuda_visible_devices", "3",
    )  # fmt: skip
    assert (server.base_url, server.health) == ("http://127.0.0.1:1024/v1", "http://127.0.0.1:1024/v1/health")
    assert server.model == "weights"


def test_the_script_of_today_comes_first(checkout: Path) -> None:
    (checkout / TODAY).parent.mkdir(parents=True)
    (checkout / TODAY).touch()
    command = BACKEND.server(target("owner/name"), NemoOptions(), "127.0.0.1", 1024).command
    assert command[1] == str(checkout / TODAY) and command[command.index("--model_id") + 1] == "owner/name"


def test_what_cannot_be_started_is_refused(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="the classic NeMo server is not started from here"):
        BACKEND.server(target("owner/name"), NemoOptions(protocol="classic"), "127.0.0.1", 1024)
    with pytest.raises(UsageError, match=r"'backend.timeout' has no meaning for `skillforge serve`"):
        BACKEND.server(target("owner/name"), NemoOptions(timeout=3), "127.0.0.1", 1024)
    monkeypatch.setenv("EXPORT_DEPLOY", "/nowhere")
    with pytest.raises(UsageError, match="deploy script is not here; work in NVIDIA's NeMo container"):
        BACKEND.server(target("owner/name"), NemoOptions(), "127.0.0.1", 1024)


def test_the_doctor_is_told_that_a_client_needs_nothing(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.state for finding in BACKEND.diagnose()] == ["ok", "ok"]
    monkeypatch.setenv("EXPORT_DEPLOY", "/nowhere")
    assert [finding.state for finding in BACKEND.diagnose()] == ["ok", "weak"]
