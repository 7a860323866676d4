"""Azure OpenAI: its paths, its version and its header."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import BackendUnusable, Client, Message, ModelRef, Request, Sampling, Target
from skillforge_openai import OpenAIBackend, OpenAIOptions

DATED = {"azure_api_version": "2024-10-21"}
REQUEST = Request((Message("user", "2 + 2?"),), Sampling())


@pytest.mark.parametrize("path", ["", "/", "/openai", "/openai/deployments/m"])
def test_a_dated_version_asks_the_deployment(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("AZURE_KEY", "secret-key")
    options = {**DATED, "api_key_env": "AZURE_KEY"}
    outcome = lab.ask(lab.chat(), url=lambda url: url.removesuffix("/v1") + path, **options)
    assert outcome.completion.text == "4"
    assert outcome.sent.line == "POST /openai/deployments/m/chat/completions?api-version=2024-10-21 HTTP/1.1"
    assert outcome.sent.headers["api-key"] == "secret-key"
    assert "authorization" not in outcome.sent.headers


def test_version_one_needs_no_deployment(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    outcome = lab.ask(lab.chat(), url=lambda url: url.removesuffix("/v1") + "/openai/v1", azure_api_version="v1")
    assert outcome.sent.line == "POST /openai/v1/chat/completions?api-version=v1 HTTP/1.1"
    assert outcome.sent.headers["api-key"] == "secret-key"
    assert json.loads(outcome.sent.body)["model"] == "m"


@pytest.mark.parametrize(
    ("options", "path"),
    [({"api": "responses"}, "/openai/responses"), ({}, "/openai/deployments/m/chat/completions")],
)
def test_the_preview_shows_where_it_goes(options: dict[str, Any], path: str) -> None:
    target = Target(ModelRef("m", "m"), "https://x.openai.azure.com")
    shown = OpenAIBackend().preview(REQUEST, target, OpenAIOptions(**DATED, **options))
    assert shown.splitlines()[0] == f"POST https://x.openai.azure.com{path}?api-version=2024-10-21"


def test_check_finds_a_wrong_key_and_no_missing_model(lab: SimpleNamespace) -> None:
    async def check(client: Client) -> list[str]:
        await client.check()
        return list(await client.models())

    listed = {"data": [{"id": "gpt-4o-2024-11-20"}]}
    outcome = lab.ask(lab.http(200, listed), call=check, url=lambda url: url.removesuffix("/v1"), **DATED)
    assert outcome.error is None
    assert outcome.completion == []
    assert outcome.sent.line == "GET /openai/models?api-version=2024-10-21 HTTP/1.1"
    assert isinstance(lab.ask(lab.http(401), call=check, **DATED).error, BackendUnusable)


def test_no_message_holds_the_key(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "azure-secret-key")
    found = str(lab.ask(lab.http(401, {"error": {"message": "no: azure-secret-key"}}), **DATED).error)
    assert "azure-secret-key" not in found
    assert "OPENAI_API_KEY" in found
