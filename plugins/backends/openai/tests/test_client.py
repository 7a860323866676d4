"""The client as a whole: its check, its connections, and the contract."""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import ssl
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import BackendUnusable, Client, ModelRef, Target
from skillforge.testing import check_backend
from skillforge_openai import OpenAIBackend, OpenAIOptions

MOCK_SERVER = Path(__file__).parents[4] / "bench" / "mock_server.py"


def models(*names: str) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


def check(client: Client) -> Any:
    return client.check()


# check ------------------------------------------------------------------------------------------------------------


def test_check_asks_for_the_models_with_the_key(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1234")
    outcome = lab.ask(lab.http(200, models("other", "m")), call=check)
    assert outcome.error is None
    assert outcome.sent.line == "GET /v1/models HTTP/1.1"
    assert outcome.sent.headers["authorization"] == "Bearer sk-1234"


@pytest.mark.parametrize("listed", ["m", "m:latest", "models/m", "*", "m*"])
def test_check_knows_the_ways_to_list_a_model(lab: SimpleNamespace, listed: str) -> None:
    assert lab.ask(lab.http(200, models(listed)), call=check).error is None


def test_check_names_the_models_that_are_there(lab: SimpleNamespace) -> None:
    found = lab.ask(lab.http(200, models("llama", "mm")), call=check).error
    assert isinstance(found, BackendUnusable)
    assert "has no model 'm'" in str(found)
    assert "'mm'" in str(found)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, models()),
        (200, b"{"),
        (200, {"data": [{"name": "x"}]}),
        (200, [1]),
        (404, b""),
        (405, b""),
        (429, b""),
        (500, b"Internal Server Error"),
        (302, b""),
    ],
)
def test_check_passes_over_what_a_server_does_not_tell(lab: SimpleNamespace, status: int, body: Any) -> None:
    assert lab.ask(lab.http(status, body), call=check).error is None


@pytest.mark.parametrize("answer", [None, "hang", b"nonsense\r\n\r\nConnection: close"])
def test_check_passes_over_a_server_that_gives_no_answer(lab: SimpleNamespace, answer: Any) -> None:
    assert lab.ask(answer, call=check, timeout=0.3).error is None


@pytest.mark.parametrize("status", [401, 403])
def test_check_finds_a_wrong_key(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    answer = lab.http(status, {"error": {"message": "Bad key sk-very-secret in /gpfs/u/keys"}})
    found = lab.ask(answer, call=check, api_key_env="MY_KEY").error
    assert isinstance(found, BackendUnusable)
    assert "MY_KEY" in found.fix
    assert "Bad key [redacted] in …/keys" in str(found)


def test_check_finds_a_key_that_has_expired_since(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")

    async def twice(client: Client) -> None:
        await client.check()
        assert list(await client.models()) == ["m"]
        with pytest.raises(BackendUnusable, match=r"does not let this key in \(HTTP 401") as caught:
            await client.check()
        assert "OPENAI_API_KEY" in str(caught.value.fix)
        assert list(await client.models()) == ["m"]  # as it is known
        assert await client.context_length() is None

    outcome = lab.ask(lab.http(200, models("m")), lab.http(401), call=twice)
    assert outcome.error is None
    assert len(outcome.server.received) == 2


def test_a_list_that_is_not_told_for_once_is_not_forgotten(lab: SimpleNamespace) -> None:
    async def twice(client: Client) -> Any:
        await client.check()
        await client.check()
        return list(await client.models())

    assert lab.ask(lab.http(200, models("m")), lab.http(500), call=twice).completion == ["m"]


def test_check_passes_over_a_key_that_may_only_complete(lab: SimpleNamespace) -> None:
    answer = lab.http(403, {"error": {"message": "Missing scopes: api.model.read"}})
    assert lab.ask(answer, call=check).error is None


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no-such-host.invalid", "http://256.1.1.1"])
def test_check_finds_an_unreachable_server(lab: SimpleNamespace, url: str) -> None:
    found = lab.ask(lab.chat(), call=check, url=lambda _: url).error
    assert isinstance(found, BackendUnusable)
    assert f"cannot reach {url}/v1" in str(found)
    assert "--base-url" in found.fix


def test_check_finds_plain_http_behind_https() -> None:
    async def go() -> BackendUnusable:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        return await _check_over_tls(await asyncio.start_server(serve, "127.0.0.1", 0))

    assert "http://" in str(asyncio.run(go()).fix)


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
def test_check_finds_a_bad_certificate(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key"), str(tmp_path / "certificate")
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*making, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    async def go() -> BackendUnusable:
        return await _check_over_tls(await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context))

    found = asyncio.run(go())
    assert "bad certificate" in str(found)
    assert "SSL_CERT_FILE" in str(found.fix)


async def _check_over_tls(server: asyncio.Server) -> BackendUnusable:
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with OpenAIBackend().open(Target(ModelRef("m", "m"), url), OpenAIOptions()) as client:
            with pytest.raises(BackendUnusable) as caught:
                await client.check()
    return caught.value


# Connections ------------------------------------------------------------------------------------------------------


def test_sequential_requests_share_a_connection(lab: SimpleNamespace) -> None:
    async def many(client: Client) -> None:
        for _ in range(20):
            await client.complete(lab.QUESTION)

    outcome = lab.ask(lab.chat(), call=many)
    assert (len(outcome.server.received), outcome.server.connections) == (20, 1)


def test_errors_keep_the_connection(lab: SimpleNamespace) -> None:
    async def many(client: Client) -> None:
        for _ in range(5):
            await asyncio.gather(client.complete(lab.QUESTION), return_exceptions=True)

    assert lab.ask(lab.http(400), lab.http(429), lab.http(500), lab.chat(), call=many).server.connections == 1


def test_a_connection_that_the_server_closed_is_not_used_again(lab: SimpleNamespace) -> None:
    async def many(client: Client) -> int:
        for _ in range(5):
            await client.complete(lab.QUESTION)
            await asyncio.sleep(0.02)
        return 5

    closing = lab.chat().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    assert lab.ask(closing, call=many).completion == 5


def test_all_requests_are_in_flight_at_once(lab: SimpleNamespace) -> None:
    async def go() -> int:
        async with lab.Server("hang") as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with OpenAIBackend().open(target, OpenAIOptions()) as client:
                tasks = [asyncio.create_task(client.complete(lab.QUESTION)) for _ in range(150)]
                while len(server.received) < 150:
                    await asyncio.sleep(0.01)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                return server.connections

    assert asyncio.run(asyncio.wait_for(go(), 30)) == 150


def test_cancelling_closes_the_connection(lab: SimpleNamespace) -> None:
    async def go() -> None:
        async with lab.Server("hang") as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with OpenAIBackend().open(target, OpenAIOptions()) as client:
                task = asyncio.create_task(client.complete(lab.QUESTION))
                while not server.received:
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await asyncio.wait_for(server.lost.wait(), 5)

    asyncio.run(go())


def test_closing_leaves_nothing_open(lab: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert lab.ask(lab.chat()).completion.text == "4"
        assert lab.ask(lab.http(500)).error
        assert lab.ask("hang", timeout=0.1).error
        gc.collect()
    assert not [str(each.message) for each in seen if "nclosed" in str(each.message)]
    assert "nclosed" not in caplog.text


def test_importing_the_plugin_imports_no_http_library() -> None:
    code = "import sys, skillforge_openai as p; p.skillforge_backend(); sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# The contract, against the mock server ----------------------------------------------------------------------------


@pytest.mark.skipif(not MOCK_SERVER.exists(), reason="the mock server is part of the repository, not of the package")
def test_contract() -> None:
    command = [sys.executable, str(MOCK_SERVER), "--latency", "0.01"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}/v1"
            results = check_backend(OpenAIBackend(), target=Target(ModelRef("mock", "mock"), url))
        finally:
            process.terminate()
    assert not [result for result in results if not result.ok]


# diagnose ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "state", "said"),
    [(None, "ok", "is not set"), ("sk-very-secret", "ok", "is set"), ("sk very secret", "weak", "has spaces")],
)
def test_the_diagnosis_tells_of_the_key_without_its_value(
    monkeypatch: pytest.MonkeyPatch, key: str | None, state: str, said: str
) -> None:
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    found, server = OpenAIBackend().diagnose()
    assert (found.name, found.state) == ("key", state)
    assert "OPENAI_API_KEY" in found.detail and said in found.detail
    assert "secret" not in found.detail + found.fix
    assert "skillforge doctor --base-url URL" in server.detail
