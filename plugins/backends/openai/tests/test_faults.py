"""What goes wrong, and what is said of it."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import BackendUnusable, Message, Request, RequestFailed, RequestRefused, Sampling, ToolCall
from skillforge_openai.faults import retry_after

KEY = "sk-very-secret-0123456789"


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_can_pass(lab: SimpleNamespace, status: int) -> None:
    found = lab.ask(lab.http(status, error("later"))).error
    assert isinstance(found, RequestFailed)
    assert (found.throttled, found.connection, found.retry_after) == (status in (429, 503), False, None)
    assert str(found) == f"the server answered HTTP {status}: later"


@pytest.mark.parametrize("status", [400, 413, 422, 451, 501])
def test_what_this_request_is_refused_for(lab: SimpleNamespace, status: int) -> None:
    found = lab.ask(lab.http(status, error("maximum context length\n is 512 \x1b[31mtokens"))).error
    assert isinstance(found, RequestRefused)
    assert (
        str(found) == f"the server refused the request (HTTP {status}: maximum context length is 512 \\x1b[31mtokens)"
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (error("m"), ": m"),
        ({"error": "m"}, ": m"),
        ({"object": "error", "message": "m", "code": 400}, ": m"),
        ({"detail": "m"}, ": m"),
        ({"detail": [{"loc": ["body", "n", 0], "msg": "m", "input": "secret"}]}, ": body.n.0: m"),
        ({"detail": [1]}, ": [1]"),
        ({"detail": {"error": "m"}}, ": m"),
        (b"plain \xff text", ": plain \ufffd text"),
        (b"<html><body>nginx</body></html>", ""),
        (b"", ""),
        ({}, ""),
    ],
)
def test_forms_of_the_servers_message(lab: SimpleNamespace, body: Any, said: str) -> None:
    assert str(lab.ask(lab.http(400, body)).error) == f"the server refused the request (HTTP 400{said})"


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_names_the_variable_and_never_the_key(
    lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    found = lab.ask(lab.http(status, error(f"Incorrect API key provided: {KEY}."))).error
    assert isinstance(found, BackendUnusable)
    assert "Incorrect API key provided: [redacted]." in str(found)
    assert "OPENAI_API_KEY" in found.fix
    assert KEY not in str(found)


def test_a_missing_key_says_where_to_put_one(lab: SimpleNamespace) -> None:
    found = lab.ask(lab.http(401), api_key_env="MY_KEY").error
    assert isinstance(found, BackendUnusable)
    assert "wants a key" in found.what
    assert "MY_KEY" in found.fix


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 307])
@pytest.mark.parametrize("key", [KEY, "x", "EMPTY"])
def test_no_message_holds_a_secret(
    lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, status: int, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    padding = "a " * 140  # so that a long key stands where the message is cut
    for body in (error(f"no: {key}!"), error(padding + key), f"<{key}>".encode(), f"key={key}".encode()):
        found = lab.ask(lab.http(status, body, Location=f"/{key}?{key}")).error
        for secret in (f": {key}", f"={key}", f"/{key}", key[:12] if key == KEY else f" {key}!"):
            assert secret not in str(found)


def test_no_message_holds_credentials_of_the_url(lab: SimpleNamespace) -> None:
    def with_user(url: str) -> str:
        return url.replace("//", "//ann:p%40ssword@")

    for answer in (lab.http(400, error("ann:p%40ssword ann:p@ssword YW5uOnBAc3N3b3Jk")), lab.http(401), None):
        found = str(lab.ask(answer, url=with_user).error)
        for secret in ("p%40ssword", "p@ssword", "YW5uOnBAc3N3b3Jk", "ann:"):
            assert secret not in found
    assert "user and password" in str(lab.ask(lab.http(401), url=with_user).error)


PROBLEM = 'Anna has "three" apples.\nShe gives Ärni 1. How many are left? \x00'
ASKED = Request(
    (Message("user", PROBLEM), Message("assistant", "", (ToolCall("a", "python", '{"code": "print(3 - 1)"}'),))),
    Sampling(),
)


@pytest.mark.parametrize(
    "said",
    [
        f"cannot: {PROBLEM}",
        f"cannot: {json.dumps(PROBLEM)}",
        f"cannot: {json.dumps(PROBLEM, ensure_ascii=False)}",
        f"cannot: [{{'type': 'missing', 'input': {{'content': {PROBLEM!r}}}}}]",
        f"cannot: input_value='{PROBLEM[:17]}...{PROBLEM[-20:]}'",
        'cannot: print(3 - 1)} in {"code": "print(3 - 1)"}',
    ],
)
@pytest.mark.parametrize("status", [400, 422, 429, 500])
def test_no_message_holds_the_prompt(lab: SimpleNamespace, status: int, said: str) -> None:
    for body in (error(said), said.encode(), {"detail": said}):
        found = str(lab.ask(lab.http(status, body), request=ASKED).error)
        assert "cannot: " in found
        assert "[prompt]" in found
        for part in ("Anna has", "apples", "How many", '"code"'):
            assert part not in found


def test_a_prompt_about_models_is_no_unknown_model(lab: SimpleNamespace) -> None:
    request = Request((Message("user", "Why is this model not found in the museum?"),), Sampling())
    found = lab.ask(lab.http(400, error("bad: Why is this model not found in the museum?")), request=request).error
    assert isinstance(found, RequestRefused)


def test_a_short_prompt_garbles_no_message(lab: SimpleNamespace) -> None:
    assert str(lab.ask(lab.http(500, error("2 + 2? is too hard")), request=lab.QUESTION).error).endswith(
        ": 2 + 2? is too hard"
    )


@pytest.mark.parametrize("status", [400, 500])
def test_no_message_holds_the_servers_paths(lab: SimpleNamespace, status: int) -> None:
    said = "in /home/ann/venv/lib/server.py: see https://example.org/opt/help and POST /v1/chat/completions"
    found = str(lab.ask(lab.http(status, error(said))).error)
    assert "in …/server.py: see https://example.org/opt/help and POST /v1/chat/completions" in found
    said = r"cannot open /lustre/projects/a.bin, C:\Users\bob\secret\b.bin, file:///gpfs/secret/c and \\host\share\d"
    found = str(lab.ask(lab.http(status, error(said))).error)
    assert "cannot open …/a.bin, …/b.bin, …/c and …/d" in found


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, error("The model `m` does not exist.", type="NotFoundError")),
        (404, error('model "m" not found, try pulling it first')),
        (404, error("?", code="model_not_found")),
        (400, error("Model Not Exist")),
        (400, error("Invalid model: m")),
    ],
)
def test_an_unknown_model_makes_the_backend_unusable(lab: SimpleNamespace, status: int, body: Any) -> None:
    found = lab.ask(lab.http(status, body)).error
    assert isinstance(found, BackendUnusable)
    assert "has no model 'm'" in str(found)
    assert "--model" in found.fix


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json"])
@pytest.mark.parametrize("listener", [None, lambda text: None])
@pytest.mark.parametrize("page", [b"<html>hello</html>", b"\n <!DOCTYPE html><title>Log in</title>"])
def test_a_page_in_place_of_an_answer_makes_the_backend_unusable(
    lab: SimpleNamespace, kind: str, listener: Any, page: bytes
) -> None:
    answer = lab.http(200, page, Content_Type=kind)
    outcome = lab.ask(answer, call=lambda client: client.complete(lab.QUESTION, listener))
    assert isinstance(outcome.error, BackendUnusable)
    assert outcome.error.what == f"{outcome.server.url}/chat/completions answers with an HTML page, not JSON"
    assert "check --base-url" in outcome.error.fix


@pytest.mark.parametrize("status", [404, 405])
def test_a_wrong_address_makes_the_backend_unusable(lab: SimpleNamespace, status: int) -> None:
    outcome = lab.ask(lab.http(status, {"detail": "Not Found"}))
    assert isinstance(outcome.error, BackendUnusable)
    assert f"{outcome.server.url}/chat/completions" in str(outcome.error)
    assert "--base-url" in outcome.error.fix


def test_a_redirect_is_told_and_not_followed(lab: SimpleNamespace) -> None:
    outcome = lab.ask(lab.http(308, b"", Location="https://user:pw@elsewhere/v1/chat/completions?token=1"))
    assert isinstance(outcome.error, BackendUnusable)
    assert "(HTTP 308 to https://elsewhere/v1/chat/completions)" in str(outcome.error)
    assert len(outcome.server.received) == 1


@pytest.mark.parametrize(
    ("status", "body"), [(402, error("Insufficient Balance")), (429, error("?", code="insufficient_quota"))]
)
def test_no_credit_is_not_retried(lab: SimpleNamespace, status: int, body: Any) -> None:
    assert isinstance(lab.ask(lab.http(status, body)).error, BackendUnusable)


@pytest.mark.parametrize(
    ("inner", "kind", "throttled"),
    [
        ({"message": "m", "code": 429}, RequestFailed, True),
        ({"message": "m", "code": 400}, RequestRefused, None),
        ({"message": "m", "code": "odd"}, RequestFailed, False),
        ({"message": "m"}, RequestFailed, False),
        ("m", RequestFailed, False),
    ],
)
def test_an_error_inside_a_200(lab: SimpleNamespace, inner: Any, kind: type, throttled: bool | None) -> None:
    found = lab.ask(lab.http(200, {"error": inner})).error
    assert type(found) is kind
    assert getattr(found, "throttled", None) is throttled
    assert ": m" in str(found)


# Retry-After ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7),
        ({"Retry_After": "0.5"}, 0.5),
        ({"retry_after_ms": "250", "Retry_After": "7"}, 0.25),
        ({"Retry_After": "-3"}, 0),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "nan"}, None),
        ({"Retry_After": "inf"}, None),
        ({"Retry_After": ""}, None),
        ({"Retry_After": "Fri, 20 Nov 2026 10:00:30 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 30),
        ({"Retry_After": "Fri, 20 Nov 1998 10:00:30 GMT"}, 0),
        ({}, None),
    ],
)
def test_forms_of_retry_after(lab: SimpleNamespace, headers: dict[str, str], seconds: float | None) -> None:
    assert lab.ask(lab.http(429, error("slow down"), **headers)).error.retry_after == seconds


def test_retry_after_as_a_date_without_the_servers_clock() -> None:
    wish = retry_after({"Retry-After": formatdate(time.time() + 60, usegmt=True)})
    assert wish == pytest.approx(60, abs=2)


# Broken connections -----------------------------------------------------------------------------------------------


def test_a_dropped_connection(lab: SimpleNamespace) -> None:
    found = lab.ask(None).error
    assert isinstance(found, RequestFailed)
    assert (found.connection, found.throttled) == (True, False)
    assert "closed the connection without an answer" in str(found)


def test_a_connection_that_breaks_in_an_answer(lab: SimpleNamespace) -> None:
    found = lab.ask(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{").error
    assert isinstance(found, RequestFailed)
    assert "in the middle of an answer" in str(found)


def test_an_answer_that_is_not_http(lab: SimpleNamespace) -> None:
    found = lab.ask(b"220 mail.example ESMTP\r\n\r\n\r\nConnection: close").error
    assert isinstance(found, RequestFailed)


def test_a_timeout_starts_when_the_request_is_sent(lab: SimpleNamespace) -> None:
    started = time.monotonic()
    found = lab.ask("hang", timeout=0.3).error
    assert isinstance(found, RequestFailed)
    assert found.connection
    assert "no answer" in str(found)
    assert "0.3 s" in str(found)
    assert time.monotonic() - started > 0.25


def test_a_refused_connection(lab: SimpleNamespace) -> None:
    found = lab.ask(lab.chat(), url=lambda _: "http://127.0.0.1:9").error
    assert isinstance(found, RequestFailed)
    assert found.connection
    assert str(found) == "cannot reach http://127.0.0.1:9/v1: Connection refused"
