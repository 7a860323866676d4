"""How `transformers serve` is started, and what is told of this machine. (tests/cli/test_serve.py of the core runs it.)"""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest

import skillforge_transformers.serving as serving
from skillforge import ModelRef, Target, UsageError
from skillforge_transformers import TransformersBackend, TransformersOptions

BACKEND = TransformersBackend()


def target(location: Path | str) -> Target:
    return Target(ModelRef("m", str(location)))


def test_options_go_to_the_server(tmp_path: Path) -> None:
    options = TransformersOptions(
        device="cpu", dtype="float32", threads=1, attn_implementation="eager", trust_remote_code=True
    )
    server = BACKEND.server(target(tmp_path), options, "0.0.0.0", 8123)
    assert Path(server.command[0]).name == "transformers"
    assert server.command[1:] == (
        "serve", str(tmp_path), "--host", "0.0.0.0", "--port", "8123", "--device", "cpu", "--dtype", "float32",
        "--attn-implementation", "eager", "--trust-remote-code",
    )  # fmt: skip
    assert server.env["OMP_NUM_THREADS"] == "1"
    assert server.env["HF_HUB_OFFLINE"] == "1", "a folder is never looked up on the hub"
    assert (server.base_url, server.health) == ("http://127.0.0.1:8123/v1", "http://127.0.0.1:8123/health")
    assert server.model == str(tmp_path), "the server takes no other name for it"


def test_a_revision_is_part_of_the_name() -> None:
    server = BACKEND.server(target("owner/name"), TransformersOptions(revision="v2"), "localhost", 8000)
    assert server.model == server.command[2] == "owner/name@v2"
    assert server.env == {}


@pytest.mark.parametrize(
    ("folder", "options", "told"),
    [
        (
            "weights",
            TransformersOptions(batch_size=3),
            "'backend.batch_size' has no meaning for 'transformers serve'; leave it",
        ),
        ("weights", TransformersOptions(revision="v2"), "is for models from the hub, and "),
        ("we@ights", TransformersOptions(), "because of the @ in it; rename the folder"),
    ],
)
def test_what_the_server_cannot_do_is_refused(
    tmp_path: Path, folder: str, options: TransformersOptions, told: str
) -> None:
    (tmp_path / folder).mkdir()
    with pytest.raises(UsageError, match=told):
        BACKEND.server(target(tmp_path / folder), options, "localhost", 8000)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else find(name))
    with pytest.raises(UsageError, match=r'install it: pip install "transformers\[serving\]"'):
        BACKEND.server(target(tmp_path), TransformersOptions(), "localhost", 8000)
    (server,) = (finding for finding in BACKEND.diagnose() if finding.name == "server")
    assert (server.state, server.fix) == ("weak", 'pip install "transformers[serving]"')


def test_the_doctor_is_told_of_versions_and_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(serving, "_DEVICES_SECONDS", 120.0)  # this machine may be busy
    found = {finding.name: finding for finding in BACKEND.diagnose()}
    assert found["torch"].detail == torch.__version__ and found["transformers"].state == "ok"
    assert found["device"].state in ("ok", "weak")
    assert ("CPU alone" in found["device"].detail) == (not torch.cuda.is_available())


@pytest.mark.parametrize(
    ("printed", "state", "detail"),
    [
        ('[2, "12.8", [["cuda:0", "H200", 75161927680, 150323855360]]]', "ok", "cuda:0 H200, 70 of 140 GiB free"),
        ('[2, "12.8", []]', "weak", "CPU alone, 2 threads: torch 12.8 sees no GPU"),
        ("nonsense", "missing", "torch cannot be used: "),
    ],
)
def test_devices_are_told_as_torch_sees_them(
    monkeypatch: pytest.MonkeyPatch, printed: str, state: str, detail: str
) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, printed + "\n", "")

    monkeypatch.setattr(subprocess, "run", run)
    finding = serving._devices()
    assert finding.state == state and finding.detail.startswith(detail)
