"""What a server tells of itself."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import BackendUnusable, Client, ModelRef, Target
from skillforge_openai import OpenAIBackend, OpenAIOptions
from skillforge_openai.dialect import SAMPLING_OF_VLLM, Dialect

HEALTHY = OpenAIBackend(Dialect(health="/health"))


def asked(lab: SimpleNamespace, call: str, *answers: Any, backend: OpenAIBackend | None = None) -> Any:
    """What `call` of a client says of a server that gives `answers`, and the lines that were sent."""

    async def go() -> tuple[Any, list[str]]:
        async with lab.Server(*answers) as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with (backend or OpenAIBackend()).open(target, OpenAIOptions(timeout=0.5)) as client:
                found = await getattr(client, call)()
            return found, [each.line for each in server.received]

    return asyncio.run(go())


def listed(**fields: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": "other", "max_model_len": 7}, {"id": "m", **fields}]}


# ready ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "ready"), [(200, True), (401, True), (404, True), (500, True), (502, False), (503, False), (504, False)]
)
def test_a_server_is_ready_where_something_answers(lab: SimpleNamespace, answer: int, ready: bool) -> None:
    found, sent = asked(lab, "ready", lab.http(answer))
    assert (found, sent) == (ready, ["GET /v1/models HTTP/1.1"])


@pytest.mark.parametrize("answer", [None, "hang"])
def test_a_server_that_gives_no_answer_is_not_ready(lab: SimpleNamespace, answer: Any) -> None:
    assert asked(lab, "ready", answer)[0] is False


def test_no_server_is_not_ready() -> None:
    async def go() -> bool:
        target = Target(ModelRef("m", "m"), "http://127.0.0.1:9")
        async with HEALTHY.open(target, OpenAIOptions()) as client:
            return await client.ready()

    assert asyncio.run(go()) is False


@pytest.mark.parametrize(("answer", "ready"), [(200, True), (500, False), (503, False)])
def test_a_server_with_a_health_is_asked_for_that(lab: SimpleNamespace, answer: int, ready: bool) -> None:
    found, sent = asked(lab, "ready", lab.http(answer), backend=HEALTHY)
    assert (found, sent) == (ready, ["GET /health HTTP/1.1"])


def test_behind_a_gateway_without_a_health_the_models_are_asked_for(lab: SimpleNamespace) -> None:
    found, sent = asked(lab, "ready", lab.http(404), lab.http(200), backend=HEALTHY)
    assert (found, sent) == (True, ["GET /health HTTP/1.1", "GET /v1/models HTTP/1.1"])


# models, context_length -------------------------------------------------------------------------------------------


def test_the_models_are_named(lab: SimpleNamespace) -> None:
    assert asked(lab, "models", lab.http(200, listed()))[0] == ["other", "m"]
    assert asked(lab, "models", lab.http(200, {"data": [{"id": "\x1b[31m"}]}))[0] == ["\\x1b[31m"]


@pytest.mark.parametrize("answer", [404, 500])
def test_no_models_where_they_are_not_told(lab: SimpleNamespace, answer: int) -> None:
    assert asked(lab, "models", lab.http(answer))[0] == []
    assert asked(lab, "context_length", lab.http(answer))[0] is None


def test_a_server_that_lets_nobody_in_tells_no_models(lab: SimpleNamespace) -> None:
    with pytest.raises(BackendUnusable):
        asked(lab, "models", lab.http(401))


@pytest.mark.parametrize(
    "fields",
    [
        {"max_model_len": 512},
        {"context_length": 512},
        {"context_window": 512},
        {"max_context_length": 512},
        {"meta": {"n_ctx": 512, "n_ctx_train": 131072}},
        {"meta": {"n_ctx_train": 512}},
        {"context_length": 512, "max_model_len": None, "meta": None},
    ],
)
def test_forms_of_the_context_length(lab: SimpleNamespace, fields: dict[str, Any]) -> None:
    assert asked(lab, "context_length", lab.http(200, listed(**fields)))[0] == 512


def test_an_adapter_has_its_models_context(lab: SimpleNamespace) -> None:
    assert asked(lab, "context_length", lab.http(200, listed(max_model_len=None, parent="other")))[0] == 7


@pytest.mark.parametrize("fields", [{}, {"max_model_len": 0}, {"max_model_len": "x"}, {"meta": []}])
def test_a_context_length_that_is_not_told(lab: SimpleNamespace, fields: dict[str, Any]) -> None:
    assert asked(lab, "context_length", lab.http(200, listed(**fields)))[0] is None


# Capabilities -----------------------------------------------------------------------------------------------------


def capabilities(lab: SimpleNamespace, **fields: Any) -> frozenset[str] | None:
    async def look(client: Client) -> frozenset[str] | None:
        await client.check()
        return client.capabilities()

    found: frozenset[str] | None = lab.ask(lab.http(200, listed(**fields)), call=look, extra_sampling=True).completion
    return found


def test_what_a_model_takes_is_read_where_the_list_tells_it(lab: SimpleNamespace) -> None:
    found = capabilities(lab, supported_parameters=["max_tokens", "temperature", "stop", "top_k", "response_format"])
    assert found == {"chat", "text", "stream", "max_tokens", "temperature", "stop", "top_k", "json_schema"}


def test_all_capabilities_where_the_list_tells_nothing(lab: SimpleNamespace) -> None:
    assert capabilities(lab) is None


def test_a_dialect_says_what_its_server_can_do() -> None:
    vllm = OpenAIBackend(Dialect(sampling=SAMPLING_OF_VLLM, continues=True, token_ids=True))
    more = vllm.capabilities(OpenAIOptions()) - OpenAIBackend().capabilities(OpenAIOptions())
    assert more == {"top_k", "min_p", "repetition_penalty", "continue", "token_ids"}
    scoring = OpenAIBackend(Dialect(prompt_logprobs=True))
    assert "prompt_logprobs" in scoring.capabilities(OpenAIOptions()) - vllm.capabilities(OpenAIOptions())
    said = OpenAIOptions(extra_sampling=True, continue_final_message=True, token_ids=True)
    assert OpenAIBackend().capabilities(said) == vllm.capabilities(OpenAIOptions())
