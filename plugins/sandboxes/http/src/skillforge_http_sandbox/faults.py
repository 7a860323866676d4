"""Refused: a request that the service does not do, and the HTTP status that says so."""

from __future__ import annotations

from collections.abc import Mapping

from skillforge_http_sandbox.wire import Fault, FaultName

STATUS: Mapping[FaultName, int] = {
    "bad-request": 400,
    "bad-token": 401,
    "browser": 403,
    "unknown-session": 404,
    "busy": 409,
    "repeated-cell": 409,
    "expired-session": 410,
    "too-large": 413,
    "queue-full": 429,
    "internal": 500,
    "unusable": 500,
    "cannot-fork": 501,
    "ended": 503,
}


class Refused(Exception):
    """The service does not do what a request asks."""

    def __init__(self, error: FaultName, detail: str, *, waiting: int | None = None) -> None:
        super().__init__(detail)
        self.fault = Fault(error=error, detail=detail, waiting=waiting)
        self.status = STATUS[error]
