"""What goes over the wire: the structs and limits that the service and its clients share."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from skillforge import Execution
from skillforge.parts.sandbox import StreamName
from skillforge.text import storable

SESSIONS = "/v1/sessions"
CELLS = "/cells"
FORK = "/fork"
LOAD = "/v1/load"
HEALTH = "/v1/health"

JSON = "application/json"
JSON_LINES = "application/x-ndjson"

LONGEST_CODE = 4 * 2**20
"""Bytes of UTF-8 that the code of one cell may have."""

LARGEST_REQUEST = 6 * LONGEST_CODE + 4096
"""Bytes: JSON writes one byte with up to six."""

LARGEST_ANSWER = 64 * 2**20
"""Bytes of one answer; in a stream, of all its output, and of its last event."""

LONGEST_TIMEOUT = 3600.0
"""Seconds that one cell may ask for."""

LONGEST_ID = 64
Id = Annotated[str, Meta(pattern=rf"\A[A-Za-z0-9_-]{{1,{LONGEST_ID}}}\Z")]


def new_session_id() -> str:
    """An id that nobody guesses."""
    return secrets.token_urlsafe(24)


class SessionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which session to open. Whoever names its id can end it before hearing of it."""

    id: Annotated[Id, Meta(min_length=32)] | None = None


class NewCell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Code to run. A cell whose `id` the session has seen is not run again."""

    code: str
    timeout: Annotated[float, Meta(gt=0, le=LONGEST_TIMEOUT)]
    id: Id


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How busy the service is."""

    in_use: int
    ready: int
    """Sessions that are started and wait for a user."""

    waiting: int
    """Requests for a session that wait: the depth of the queue."""

    max_sessions: int
    queue: int
    """Requests that may wait at once."""


class NewSession(msgspec.Struct, frozen=True):
    """A session or a fork was opened."""

    id: Id
    ready: int = 0
    """As in `Load`."""


FaultName = Literal[
    "bad-request", "bad-token", "browser", "unknown-session", "expired-session", "busy", "repeated-cell", "queue-full",
    "cannot-fork", "too-large", "ended", "unusable", "internal",
]  # fmt: skip


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="fault"):
    """Why a request was not done: the body of an answer from 400 on, or the last event of a stream."""

    error: FaultName
    detail: str
    waiting: int | None = None
    """Where the queue is full: its depth."""


class Output(msgspec.Struct, frozen=True, tag="output"):
    """An event of a stream: the next piece of what the code writes."""

    stream: StreamName
    text: str


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The last event of a stream."""

    execution: Execution


Event = Output | Finished | Fault

_encoder = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """`value` as JSON; half characters, which JSON cannot hold, are replaced."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(storable(msgspec.to_builtins(value)))


def encode_finished(execution: Execution, *, as_event: bool) -> bytes:
    """An execution as the answer, or as the last event, and never larger than an answer may be."""
    body = encode(Finished(execution) if as_event else execution)
    if len(body) <= LARGEST_ANSWER:
        return body
    too_much = Execution(
        status="output-limit",
        state=execution.state,
        detail=f"the result has {len(body)} bytes, and the service sends {LARGEST_ANSWER} at most",
        seconds=execution.seconds,
        waited=execution.waited,
    )
    return encode(Finished(too_much) if as_event else too_much)
