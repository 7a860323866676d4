"""The contract of backends, through the real LiteLLM: on the mock server, and on a real one where there is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skillforge import BackendUnusable, ModelRef, Target
from skillforge.testing import CheckResult, check_backend
from skillforge_litellm import LiteLLMBackend, LiteLLMOptions

MOCK_SERVER = Path(__file__).parents[4] / "bench" / "mock_server.py"
REAL_SERVER = "SKILLFORGE_LLAMA_CPP_URL"


@pytest.fixture
def mock_server() -> Iterator[str]:
    with subprocess.Popen([sys.executable, str(MOCK_SERVER)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{msgspec.json.decode(process.stdout.readline())['port']}/v1"
        process.terminate()


def checked(url: str, model: str) -> list[CheckResult]:
    return check_backend(LiteLLMBackend(), target=Target(ModelRef(model, model), url))


def passed(results: list[CheckResult]) -> set[str]:
    return {result.name for result in results if result.state == "ok"}


CHECKED = {"completes", "usage", "stream", "max_tokens", "stop", "seed", "eight at once", "cancelling", "unknown model"}


@pytest.mark.usefixtures("litellm")
def test_the_contract_is_kept_on_the_mock_server(mock_server: str) -> None:
    assert CHECKED | {"tools", "a prompt that is too long"} <= passed(checked(mock_server, "openai/mock"))


@pytest.mark.usefixtures("litellm")
def test_raw_text_goes_to_a_server_of_completions(mock_server: str) -> None:
    assert passed(checked(mock_server, "text-completion-openai/mock")) >= CHECKED


@pytest.mark.usefixtures("litellm")
def test_the_contract_is_kept_on_a_real_server(record_property: Any) -> None:
    url = os.environ.get(REAL_SERVER)
    if not url:
        pytest.skip(f"{REAL_SERVER} is not set: `.ci/llama-cpp run .ci/litellm run pytest ...` starts a server")
    results = checked(url, "openai/tiny")
    assert CHECKED - {"unknown model"} | {"a prompt that is too long"} <= passed(results)
    told = {each.name: None if each.state == "ok" else each.detail for each in results}
    record_property("backend: litellm, llama-server", json.dumps(told))


def test_the_declaration_keeps_the_contract() -> None:
    check_backend(LiteLLMBackend())


def test_without_the_library_a_line_tells_what_to_install() -> None:
    if find_spec("litellm") is not None:
        pytest.skip("LiteLLM is installed")
    with pytest.raises(BackendUnusable, match=r"LiteLLM is not installed; pip install 'skillforge-litellm\[library\]'"):
        LiteLLMBackend().open(Target(ModelRef("openai/m", "openai/m")), LiteLLMOptions())
    assert LiteLLMBackend().diagnose()[0].state == "missing"
