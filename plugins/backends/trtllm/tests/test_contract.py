"""The contract of backends, on every generation of models, streamed and not, through gRPC and HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from skillforge.testing import CheckResult, ContractBroken, check_backend
from skillforge_trtllm import TrtllmBackend

pytestmark = pytest.mark.xdist_group("triton")

_TELL_NO_LENGTH = ("ensemble_2023", "ensemble")
"""Their answers, not streamed, tell neither tokens nor a reason: a cut one cannot be told from one that ended."""


def contract(**given: Any) -> list[CheckResult]:
    try:
        return check_backend(TrtllmBackend(), **given)
    except ContractBroken as broken:
        return broken.results


@pytest.mark.parametrize("way", ["grpc", "http"])
@pytest.mark.parametrize("name", ["ensemble_2023", "ensemble", "ensemble_2025", "tensorrt_llm"])
@pytest.mark.parametrize("streamed", [False, True], ids=["unary", "stream"])
def test_the_contract_is_kept(triton: Any, name: str, streamed: bool, way: str) -> None:
    model = f"{name}_stream" if streamed else name
    results = contract(target=triton.target(way), options={"model_name": model})
    failed = {result.name: str(result) for result in results if result.state == "failed"}
    if name in _TELL_NO_LENGTH and not streamed:
        assert "'stop'" in failed.pop("max_tokens")
    assert not failed
    passed = {result.name for result in results if result.state == "ok"}
    assert {"completes", "stop", "seed", "a prompt that is too long", "eight at once", "cancelling"} <= passed


@pytest.mark.parametrize("server", ["triton", "trtllm-serve"])
def test_the_declaration_keeps_the_contract(server: str) -> None:
    check_backend(TrtllmBackend(), options={"server": server})
