"""The openai backend against a real server: `transformers serve` with the embedded model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from byte_model import make_byte_model
from transformers_server import TransformersServer, transformers_server

from skillforge import BackendUnusable, Message, ModelRef, Request, Sampling, Target
from skillforge.pipeline.evaluate import evaluate
from skillforge.pipeline.observer import Silent
from skillforge.pipeline.plan import Plan
from skillforge.pipeline.settings import EvalSettings
from skillforge.registry import default_registry
from skillforge.runs.directory import RunDirectory
from skillforge.testing import check_backend
from skillforge_openai import OpenAIBackend, OpenAIOptions
from skillforge_tiny import WEIGHTS

pytestmark = pytest.mark.xdist_group("transformers")


@pytest.fixture
def server(transformers: TransformersServer) -> str:
    """The address of a server that has the embedded model."""
    return f"{transformers.root}/v1"


def _texts(settings: EvalSettings, path: Path) -> dict[str, str]:
    registry = default_registry()
    evaluate(Plan(settings, registry), path, registry, Silent())
    return {sample.problem.id: sample.transcript.answer_text for sample in RunDirectory.open(path).samples()}


def test_a_real_server_says_what_the_local_model_says(server: str, tmp_path: Path) -> None:
    asked = EvalSettings(benchmark="forge-arith", limit=12, max_tokens=96, prompt="tiny")
    served = EvalSettings(
        benchmark="forge-arith", limit=12, max_tokens=96, prompt="tiny", base_url=server, model=str(WEIGHTS)
    )
    texts = _texts(served, tmp_path / "served")
    assert len(texts) == 12
    assert all("####" in text for text in texts.values())
    assert texts == _texts(asked, tmp_path / "local")


def test_a_real_server_counts_tokens_and_tells_why_it_stopped(server: str, tmp_path: Path) -> None:
    settings = EvalSettings(
        benchmark="forge-arith", limit=3, max_tokens=4, prompt="tiny", base_url=server, model=str(WEIGHTS)
    )
    registry = default_registry()
    summary = evaluate(Plan(settings, registry), tmp_path / "cut", registry, Silent())
    assert (summary.truncated, summary.error) == (3, 0)
    assert summary.tokens is not None
    assert summary.tokens.completion_max == 4


# The Responses API, which the same server has -----------------------------------------------------------------------

RESPONSES: dict[str, Any] = {"api": "responses"}


def test_the_responses_api_of_a_real_server_says_the_same(server: str, tmp_path: Path) -> None:
    def settings(**options: Any) -> EvalSettings:
        return EvalSettings(
            benchmark="forge-arith", limit=12, max_tokens=96, prompt="tiny", base_url=server, model=str(WEIGHTS),
            options={"backend": options},
        )  # fmt: skip

    texts = _texts(settings(**RESPONSES), tmp_path / "responses")
    assert len(texts) == 12
    assert texts == _texts(settings(), tmp_path / "chat")


@pytest.fixture(scope="module")
def byte_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server of another model: `transformers serve` fails for stop strings with the tokens of tiny."""
    folder = tmp_path_factory.mktemp("byte-model")
    make_byte_model(folder)
    with transformers_server(folder, tmp_path_factory.mktemp("server") / "log") as server:
        yield Target(ModelRef(str(folder), str(folder)), f"{server.root}/v1")


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_real_server_keeps_the_contract(byte_model: Target, api: str, record_property: Any) -> None:
    results = check_backend(OpenAIBackend(), options={"api": api}, target=byte_model)
    told = {each.name: each.detail or None for each in results}
    record_property(f"backend: transformers serve, {api}", json.dumps(told))
    assert "is not capable of logprobs" in (told["logprobs"] or "")


def test_a_run_that_needs_what_a_real_server_passes_over_ends_at_once(server: str, tmp_path: Path) -> None:
    settings = EvalSettings(
        benchmark="forge-arith", limit=5, max_tokens=96, prompt="tiny", base_url=server, model=str(WEIGHTS), logprobs=0
    )
    with pytest.raises(BackendUnusable, match="answers as if --logprobs had not been asked for"):
        _texts(settings, tmp_path / "run")


@pytest.mark.parametrize("options", [{}, RESPONSES], ids=["chat", "responses"])
def test_pieces_of_a_real_stream_make_the_whole_answer(server: str, options: dict[str, Any]) -> None:
    request = Request((Message("user", "What is 34 + 66?"),), Sampling(temperature=0.0, max_tokens=64))

    async def ask() -> tuple[list[str], Any, Any]:
        pieces: list[str] = []
        target = Target(ModelRef(str(WEIGHTS), str(WEIGHTS)), server)
        async with OpenAIBackend().open(target, OpenAIOptions(**options)) as client:
            assert await client.ready()
            return pieces, await client.complete(request, pieces.append), await client.complete(request)

    pieces, streamed, whole = asyncio.run(ask())
    assert len(pieces) > 5
    assert "".join(pieces) == streamed.text == whole.text
    assert (streamed.completion_tokens, streamed.prompt_tokens) == (whole.completion_tokens, whole.prompt_tokens)
    assert streamed.first_token is not None
