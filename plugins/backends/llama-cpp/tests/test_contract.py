"""The contract of backends, on each of the ways to llama.cpp."""

from __future__ import annotations

import json
from typing import Any

import pytest

from skillforge.testing import check_backend
from skillforge_llama_cpp import LlamaCppBackend

pytestmark = pytest.mark.xdist_group("llama-cpp")

EVERYWHERE = {
    "completes", "usage", "max_tokens", "stop", "a prompt that is too long", "seed", "eight at once", "cancelling",
    "unknown model", "ready", "models",
}  # fmt: skip
BEYOND = {
    "llama-server": {"stream", "continues", "tools"},
    "python": set[str](),
    "library": {"stream", "continues", "token_ids", "tells the stop string"},
}


def test_the_contract_is_kept(way: Any, record_property: Any) -> None:
    results = check_backend(LlamaCppBackend(), target=way.target)
    assert {result.name for result in results if result.state == "ok"} >= EVERYWHERE | BEYOND[way.name]
    told = {each.name: None if each.state == "ok" else each.detail for each in results}
    record_property(f"backend: llama-cpp, {way.name}", json.dumps(told))


def test_the_declaration_keeps_the_contract() -> None:
    check_backend(LlamaCppBackend())
