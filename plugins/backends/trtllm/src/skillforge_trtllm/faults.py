"""Faults: what a link raises, as the errors of the contract."""

from __future__ import annotations

import re

from skillforge import BackendUnusable, Request, RequestFailed, RequestRefused, SkillForgeError
from skillforge.text import one_line
from skillforge_openai.discreet import discreet
from skillforge_openai.overflow import context_overflow
from skillforge_trtllm.links import LinkError

_FULL = re.compile(r"queue.{0,40}(size|full)|(size|full).{0,40}queue", re.IGNORECASE)


def fault(error: LinkError, url: str, model: str, request: Request) -> SkillForgeError:
    """The error that says what `error` means for `request`, or for all."""
    said = _said(error, request)
    refused = f"the Triton model '{model}' refused the request ({error.code}{said})"
    if overflow := context_overflow(refused, error.message, None):
        return overflow
    match error.code:
        case "INVALID_ARGUMENT" | "OUT_OF_RANGE":
            return RequestRefused(refused)
        case "NOT_FOUND":
            return BackendUnusable(f"{url} has no model '{model}' ({error.code}{said})", "see -o backend.model_name")
        case "UNAUTHENTICATED" | "PERMISSION_DENIED":
            return BackendUnusable(f"{url} does not let us in ({error.code}{said})", "ask who runs the server")
        case "UNIMPLEMENTED":
            return BackendUnusable(f"{url} does not take such requests ({error.code}{said})", "check --base-url")
        case "DEADLINE_EXCEEDED":
            return RequestFailed(f"no answer from {url} within the time for one (backend.timeout)", connection=True)
    throttled = error.code == "RESOURCE_EXHAUSTED" or bool(_FULL.search(error.message))
    lost = error.code == "UNAVAILABLE" and not throttled
    return RequestFailed(f"{url} failed ({error.code}{said})", throttled=throttled, connection=lost)


def unusable(error: LinkError, url: str) -> BackendUnusable:
    """The error for a server that cannot be asked about its models."""
    said = one_line(discreet(error.message), 300)
    return BackendUnusable(
        f"cannot reach a Triton server at {url} ({error.code}: {said})", "start the server, or correct --base-url"
    )


def _said(error: LinkError, request: Request) -> str:
    """The server's message without the prompt and paths, which it may repeat."""
    message = one_line(discreet(error.message, request), 300)
    return f": {message}" if message else ""
