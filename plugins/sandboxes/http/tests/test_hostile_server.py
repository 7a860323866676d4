"""Servers that are something else, or mean harm."""

from __future__ import annotations

import asyncio
import gzip
import json
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import Execution, SandboxUnusable, UsageError
from skillforge_http_sandbox import wire

LOAD = {"in_use": 0, "ready": 0, "waiting": 0, "max_sessions": 1, "queue": 1}


def http(status: int, body: Any = b"", **headers: str) -> bytes:
    """An HTTP answer; `body` that is not bytes goes as JSON, `_` in header names stands for `-`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Length": str(len(content)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


ENDLESS = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * (3 * 2**20)
DEEP = b"[" * 100_000
BOMB = gzip.compress(b" " * 2**24)

GARBAGE = [
    b"",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    http(200, b"<html>hello</html>"),
    http(200, b"\xff\xfe"),
    http(200, DEEP),
    http(200, BOMB, Content_Encoding="gzip"),
    http(200, [1]),
    http(200, {"status": "fine"}),
    http(200, {"status": "ok", "stdout": 1}),
    http(204),
    http(302, b"", Location="http://127.0.0.1:1/v1/load"),
    http(404, {"type": "fault", "error": "no-such-error", "detail": 1}),
    http(500, DEEP),
    ENDLESS,
]


@pytest.mark.parametrize("answer", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_when_opening(lab: SimpleNamespace, answer: bytes) -> None:
    with pytest.raises(SandboxUnusable):
        asyncio.run(_opened(lab, answer))


@pytest.mark.parametrize("answer", GARBAGE, ids=range(len(GARBAGE)))
@pytest.mark.parametrize("streamed", [False, True])
def test_garbage_for_a_cell_is_a_sandbox_error(
    lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, answer: bytes, streamed: bool
) -> None:
    monkeypatch.setattr("skillforge_http_sandbox.remote._PAUSES", (0.0,))
    monkeypatch.setattr(wire, "LARGEST_ANSWER", 2**20)
    execution = asyncio.run(_cell(lab, answer, streamed=streamed))
    assert (execution.status, execution.state) == ("sandbox-error", "lost")
    assert execution.detail
    assert len(execution.detail) < 500


@pytest.mark.parametrize("answer", GARBAGE[1:], ids=range(1, len(GARBAGE)))
def test_garbage_for_a_session(lab: SimpleNamespace, answer: bytes) -> None:
    with pytest.raises(SandboxUnusable):
        asyncio.run(_sessions(lab, answer))


@pytest.mark.parametrize("id", ["", "a/../../admin", "a?b", "a\nb", "x" * 65, "é"])
def test_session_ids_that_would_change_the_address(lab: SimpleNamespace, id: str) -> None:
    with pytest.raises(SandboxUnusable, match="no sandbox service's"):
        asyncio.run(_sessions(lab, http(201, {"id": id})))


def test_stream_that_breaks_off_is_asked_for_again(lab: SimpleNamespace) -> None:
    events = [{"type": "output", "stream": "stdout", "text": text} for text in "ab"]
    stream = http(200, "\n".join(map(json.dumps, [*events, ""])).encode())
    execution = asyncio.run(_cell(lab, stream, http(200, {"status": "ok", "stdout": "abc"}), streamed=True))
    assert (execution.status, execution.stdout) == ("ok", "abc")


def test_messages_hold_no_control_characters_and_no_token(
    lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "t0ken-of-the-tests")
    fault = {"type": "fault", "error": "internal", "detail": "\x1b[31mred\n t0ken-of-the-tests" + "x" * 10_000}
    with pytest.raises(SandboxUnusable) as refused:
        asyncio.run(_opened(lab, http(500, fault), token_env="MINE"))
    assert "\\x1b[31mred [token]" in str(refused.value)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000


def test_a_long_retry_after_is_cut(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    full = {"type": "fault", "error": "queue-full", "detail": "full", "waiting": 3}
    answers = [http(429, full, Retry_After=value) for value in ("7", "1e999", "nan", "soon", "-5")]
    monkeypatch.setattr("skillforge_http_sandbox.client.asyncio.sleep", note)
    asyncio.run(_sessions(lab, *answers, http(201, {"id": "a"}), http(204)))
    assert [round(seconds) // 10 * 10 for seconds in slept] == [0, 60, 0, 0, 0]
    assert 7 <= slept[0] <= 7.1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8700",
        "ftp://a",
        "http://",
        "http://a:b",
        "http://u:p@a",
        "http://a?b",
        "http://a b",
        "http://a:0",
    ],
)
def test_addresses_that_cannot_be_used(lab: SimpleNamespace, url: str) -> None:
    async def trial() -> None:
        async with lab.opened(url):
            pass

    with pytest.raises(UsageError, match="write it like http://HOST:PORT"):
        asyncio.run(trial())


def test_nobody_there(lab: SimpleNamespace) -> None:
    async def trial() -> None:
        async with lab.opened("http://127.0.0.1:1"):
            pass

    with pytest.raises(
        SandboxUnusable, match=r"127.0.0.1:1: Connection refused; start it with 'skillforge sandbox serve'"
    ):
        asyncio.run(trial())


async def _opened(lab: SimpleNamespace, *answers: bytes, **options: Any) -> None:
    async with lab.answering(*answers) as url, lab.opened(url, patience=0.0, **options):
        pass


async def _sessions(lab: SimpleNamespace, *answers: bytes) -> None:
    async with (
        lab.answering(http(200, LOAD), *answers) as url,
        lab.opened(url, patience=0.0) as pool,
        pool.session(),
    ):
        pass


async def _cell(lab: SimpleNamespace, *answers: bytes, streamed: bool) -> Execution:
    async with (
        lab.answering(http(200, LOAD), http(201, {"id": "a"}), *answers) as url,
        lab.opened(url, patience=0.0) as pool,
        pool.session() as session,
    ):
        return await session.run("1", 5.0, (lambda stream, text: None) if streamed else None)
