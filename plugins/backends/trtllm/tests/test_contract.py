"""The contract of backends, on every generation of models, streamed and not, through gRPC and HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from skillforge.testing import CheckResult, ContractBroken, check_backend
from skillforge_trtllm import TrtllmBackend

pytestmark = pytest.mark.xdist_group("triton")

_GENERATIONS = {"ensemble_2023": "2023", "ensemble": "2024", "ensemble_2025": "2025", "tensorrt_llm": "LLM API"}
_TELL_NO_LENGTH = ("ensemble_2023", "ensemble")
"""Their answers, not streamed, tell neither tokens nor a reason: a cut one cannot be told from one that ended."""


def contract(**given: Any) -> list[CheckResult]:
    try:
        return check_backend(TrtllmBackend(), **given)
    except ContractBroken as broken:
        return broken.results


@pytest.mark.parametrize("way", ["grpc", "http"])
@pytest.mark.parametrize("name", _GENERATIONS)
@pytest.mark.parametrize("streamed", [False, True], ids=["unary", "stream"])
def test_the_contract_is_kept(triton: Any, name: str, streamed: bool, way: str, record_property: Any) -> None:
    model = f"{name}_stream" if streamed else name
    results = contract(target=triton.target(way), options={"model_name": model})
    assert not [str(result) for result in results if result.state == "failed"]
    passed = {result.name for result in results if result.state == "ok"}
    assert {"completes", "stop", "seed", "a prompt that is too long", "eight at once", "cancelling"} <= passed
    assert ("max_tokens" in passed) == (streamed or name not in _TELL_NO_LENGTH)
    assert ("stream" in passed) == streamed
    told = {each.name: None if each.state == "ok" else each.detail for each in results}
    column = _GENERATIONS[name] + (", streamed" if streamed else "")
    record_property(f"backend: trtllm, {column}", json.dumps(told))  # gRPC and HTTP are to do the same


@pytest.mark.parametrize("server", ["triton", "trtllm-serve"])
def test_the_declaration_keeps_the_contract(server: str) -> None:
    check_backend(TrtllmBackend(), options={"server": server})
