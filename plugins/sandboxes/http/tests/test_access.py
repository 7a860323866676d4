"""Who is let in, and what is refused."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from skillforge import SandboxUnusable, SkillForgeError, UsageError
from skillforge_http_sandbox import DEFAULT_TOKEN_ENV, ServeCommand
from skillforge_http_sandbox.wire import LARGEST_REQUEST, LONGEST_CODE

TOKEN = "t0ken-of-the-tests"


def test_only_the_token_lets_in(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def trial() -> None:
        with lab.serving("--token-env", "ANY_NAME", env={"ANY_NAME": TOKEN}) as service:
            for header in ({}, {"Authorization": TOKEN}, {"Authorization": f"Bearer {TOKEN[:-1]}"}):
                async with lab.api(service, **header) as api:
                    status, fault = await api.ask("POST", "/sessions")
                    assert (status, fault["error"]) == (401, "bad-token")
                    assert (await api.ask("GET", "/load"))[0] == 401
                    assert (await api.ask("GET", "/health")) == (200, {"status": "ok"})
            for token in (None, "wrong"):
                monkeypatch.setenv("MINE", token or "")
                with pytest.raises(SandboxUnusable, match="put the service's token into the environment variable MINE"):
                    async with lab.opened(service, token_env="MINE"):
                        pass
            monkeypatch.setenv("MINE", TOKEN)
            async with lab.opened(service, token_env="MINE") as pool:
                assert (await pool.run_once("6 * 7", 5.0)).value == "42"

    asyncio.run(trial())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::ffff:10.0.0.1", "192.0.2.1"])
def test_other_addresses_need_a_token(host: str) -> None:
    error = _refusal("--sandbox", "local", "--host", host)
    assert isinstance(error, UsageError)
    assert (error.exit_code, DEFAULT_TOKEN_ENV in str(error)) == (2, True)


def test_all_addresses_with_a_token(lab: SimpleNamespace) -> None:
    with lab.serving("--host", "0.0.0.0", env={DEFAULT_TOKEN_ENV: TOKEN}) as service:
        assert service.line.startswith("Serving the sandbox 'local' at http://0.0.0.0:")


def test_token_that_cannot_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "NOT_SET holds no token" in str(_refusal("--sandbox", "local", "--token-env", "NOT_SET"))
    assert "not the name" in str(_refusal("--sandbox", "local", "--token-env", "s3cret/token"))
    monkeypatch.setenv("BAD", "with a space")
    error = str(_refusal("--sandbox", "local", "--token-env", "BAD"))
    assert "BAD" in error
    assert "with a space" not in error


def test_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        error = _refusal("--sandbox", "local", "--port", port)
    assert str(error).startswith(f"cannot listen on 127.0.0.1, port {port}: Address already in use")


def test_pages_in_a_browser_are_not_served(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.api(service, Origin="http://127.0.0.1:8700") as api:
            assert (await api.ask("POST", "/sessions"))[1]["error"] == "browser"

    asyncio.run(trial())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"[" * 100_000, 400),
        (b'{"code": "1", "timeout": 1}', 400),
        (b'{"code": "1", "timeout": 0, "id": "a"}', 400),
        (b'{"code": "1", "timeout": 3601, "id": "a"}', 400),
        (b'{"code": "1", "timeout": 1, "id": ""}', 400),
        (b'{"code": "1", "timeout": 1, "id": "a/../b"}', 400),
        (b'{"code": "1", "timeout": 1, "id": "a\\n"}', 400),
        (b'{"code": "1", "timeout": 1, "id": "a", "x": 1}', 400),
        (b'{"code": "\xff", "timeout": 1, "id": "a"}', 400),
        (b'{"code": "' + b"#" * (LONGEST_CODE + 1) + b'", "timeout": 1, "id": "a"}', 413),
        (b"#" * (LARGEST_REQUEST + 1), 413),
    ],
)
def test_bodies_that_are_no_cell(lab: SimpleNamespace, service: Any, body: bytes, status: int) -> None:
    async def trial() -> None:
        async with lab.api(service) as api:
            session = await api.session()
            async with api.http.post(f"{api.url}/v1{session}/cells", data=body) as response:
                assert response.status == status
                fault = await response.json()
            assert (fault["type"], fault["error"]) == ("fault", "too-large" if status == 413 else "bad-request")
            assert (await api.cell(session, "1 + 1", "a"))[1]["value"] == "2"

    asyncio.run(trial())


def test_ids_of_sessions_cannot_be_guessed(lab: SimpleNamespace, service: Any) -> None:
    async def trial() -> None:
        async with lab.api(service) as api:
            ids = {(await api.session()).rpartition("/")[2] for _ in range(5)}
            assert len(ids) == 5
            assert all(len(each) >= 32 for each in ids)
            for guess in ("x", "..", "%2e%2e", "a" * 5000):
                assert (await api.cell(f"/sessions/{guess}", "1"))[0] in (404, 405)

    asyncio.run(trial())


def test_log_of_requests_holds_no_secret(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        with lab.serving("--access-log", env={DEFAULT_TOKEN_ENV: TOKEN}) as service:
            async with lab.api(service, Authorization=f"Bearer {TOKEN}") as api:
                session = await api.session()
                await api.cell(session, "1")
                await api.ask("GET", "/\x1b[31m")
            service.stop()
            lines = service.process.stderr.read().splitlines()
            assert [line.split()[1:4] for line in lines] == [
                ["POST", "/v1/sessions", "201"],
                ["POST", f"/v1{session[:16]}…/cells", "200"],
                ["GET", "/v1/\\x1b[31m", "404"],
            ]

    asyncio.run(trial())


def _refusal(*arguments: str) -> SkillForgeError:
    error = CliRunner().invoke(ServeCommand().command(), [*arguments]).exception
    assert isinstance(error, SkillForgeError)
    return error
