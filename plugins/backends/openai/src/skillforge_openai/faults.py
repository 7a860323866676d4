"""Faults: what a server answers instead of a completion, as the errors of the contract."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from skillforge import BackendUnusable, Request, RequestFailed, RequestRefused, SkillForgeError
from skillforge_openai.address import Address
from skillforge_openai.discreet import discreet
from skillforge_openai.overflow import context_overflow

_CAN_PASS = frozenset({408, 409, 425, 429})
_NOT_IMPLEMENTED = 501
_ASKS_FOR_LESS = frozenset({429, 503})
_UNKNOWN_MODEL = re.compile(
    r"\bmodel\b.{0,120}?\b(does not exist|doesn't exist|not exist|not found)|\b(unknown|invalid) model\b", re.IGNORECASE
)
_MAY_OVERFLOW = frozenset({400, 413, 422, 500})
_MARKUP = re.compile(rb"\s*<")


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer that is no completion."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


def fault(answer: Answer, address: Address, model: str, request: Request | None = None) -> SkillForgeError:
    """The error that says what `answer` means for `request`, or for all, with no secret and nothing of the prompt in it."""
    status = answer.status
    raw_message, code = server_message(answer.body)
    raw_message = discreet(raw_message, request)
    message = address.clean(raw_message)
    said = f": {message}" if message else ""
    if status in (401, 403):
        return no_entry(status, said, address)
    if status == 402 or code == "insufficient_quota":
        return BackendUnusable(
            f"{address.url} has no credit left for this key (HTTP {status}{said})", "add some, or use another key"
        )
    refused = f"the server refused the request (HTTP {status}{said})"
    if status in _MAY_OVERFLOW and (overflow := context_overflow(refused, raw_message, code)):
        return overflow
    if status in (400, 404) and (code == "model_not_found" or _UNKNOWN_MODEL.search(message)):
        return BackendUnusable(
            f"the server at {address.url} has no model '{model}' (HTTP {status}{said})", "correct --model"
        )
    if status in (404, 405) or 300 <= status < 400:
        return _wrong_address(answer, said, address)
    if status in _CAN_PASS or (not 400 <= status < 500 and status != _NOT_IMPLEMENTED):
        return RequestFailed(
            f"the server answered HTTP {status}{said}",
            throttled=status in _ASKS_FOR_LESS,
            retry_after=retry_after(answer.headers),
        )
    return RequestRefused(refused)


def no_entry(status: int, said: str, address: Address) -> BackendUnusable:
    """The error of a 401 or 403. `said` is the server's message, cleaned."""
    what = f"the server at {address.url} does not let this key in (HTTP {status}{said})"
    if address.authorization is None:
        what = f"the server at {address.url} wants a key (HTTP {status}{said})"
        name = address.key_env or "NAME"
        extra = "" if address.key_env else " and give -o backend.api_key_env=NAME"
        return BackendUnusable(what, f"put the key into the environment variable {name}{extra}")
    if address.authorization.startswith("Basic "):
        return BackendUnusable(what, "check the user and password in --base-url")
    return BackendUnusable(what, f"check the key in the environment variable {address.key_env}")


def _wrong_address(answer: Answer, said: str, address: Address) -> BackendUnusable:
    status = answer.status
    if status in (404, 405):
        what = f"the server does not take POST {answer.url} (HTTP {status}{said})"
        return BackendUnusable(what, "check --base-url (it usually ends in /v1) and the prompt's form (chat or text)")
    location = answer.headers.get("Location", "").partition("?")[0]
    where = address.clean(re.sub(r"//[^/@]*@", "//", location))
    what = f"{answer.url} has moved (HTTP {status}{' to ' + where if where else ''})"
    return BackendUnusable(what, "correct --base-url")


def refuse_page(body: bytes, url: object) -> None:
    """Raises BackendUnusable where a 200 from `url` holds an HTML page, of a login, a proxy or the server's own web site."""
    if _MARKUP.match(body):
        raise BackendUnusable(
            f"{url} answers with an HTML page, not JSON",
            "check --base-url (it usually ends in /v1), and what stands between here and the server",
        )


class _Failed(msgspec.Struct):
    code: int | str | None = None


class _Within(msgspec.Struct):
    error: _Failed | str | None = None


class _Failure(msgspec.Struct):
    """An error of a gateway, or an event of one of the two kinds of stream."""

    error: _Failed | str | None = None
    type: str | None = None
    response: _Within | None = None


def status_inside(body: bytes) -> int:
    """The status of an error that a gateway sends as a 200, or that ends a stream; 0 where there is none."""
    if b'"error"' not in body:
        return 0
    try:
        failure = msgspec.json.decode(body, type=_Failure)
    except (ValueError, RecursionError):
        return 0
    error = failure.error or (failure.response.error if failure.response else None)
    if error is None and failure.type != "error":
        return 0
    code = error.code if isinstance(error, _Failed) else None
    if code == "rate_limit_exceeded":
        return 429
    return code if isinstance(code, int) and 400 <= code < 600 else 500


class _Field(msgspec.Struct):
    loc: list[str | int] = []
    msg: str = ""


class _Invalid(msgspec.Struct):
    detail: list[_Field]


def server_message(body: bytes) -> tuple[str, str | None]:
    """(what the server said, its error code), from the forms that servers use; empty for an HTML page."""
    try:  # FastAPI's list of invalid fields, which repeats what was sent
        fields = msgspec.json.decode(body, type=_Invalid).detail
        return "; ".join(f"{'.'.join(map(str, each.loc))}: {each.msg}" for each in fields), None
    except (ValueError, RecursionError):
        pass
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return ("" if _MARKUP.match(body) else body[:4000].decode("utf-8", "replace")), None
    code = None
    for _ in range(3):  # {"error": {"message": ...}}, {"response": {"error": {"message": ...}}}: at most this deep
        if not isinstance(value, dict):
            break
        code = next((value[name] for name in ("code", "type") if isinstance(value.get(name), str)), code)
        value = next((value[name] for name in ("error", "message", "detail", "msg", "response") if value.get(name)), "")
    return (value if isinstance(value, str) else _compact(value)), code


def _compact(value: Any) -> str:
    return msgspec.json.encode(value)[:4000].decode("utf-8", "replace")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server wants us to wait: `retry-after-ms`, or `Retry-After` as a number or an HTTP date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    wish = headers.get("Retry-After")
    seconds = _number(wish)
    if seconds is None and wish is not None:
        until = _date(wish)
        now = _date(headers.get("Date", "")) or time.time()  # the server's own clock, where it tells it
        seconds = None if until is None else until - now
    return None if seconds is None else max(0.0, seconds)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
