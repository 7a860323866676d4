"""Faults: what LiteLLM raises, as the errors of the contract."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from skillforge import (
    BackendUnusable,
    ContextOverflow,
    Request,
    RequestFailed,
    RequestRefused,
    SkillForgeError,
    UsageError,
)
from skillforge.text import one_line
from skillforge_openai.discreet import discreet
from skillforge_openai.faults import retry_after
from skillforge_openai.overflow import context_overflow

_NO_ENTRY = frozenset({401, 403})
_ASKS_FOR_LESS = frozenset({429, 503})
_REFUSED = frozenset({400, 413, 422})
_NO_CREDIT = "insufficient_quota"
_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")
_SHORTEST_SECRET = 8


def no_provider(model: str) -> BackendUnusable:
    """The error for a model whose provider the library does not know."""
    return BackendUnusable(
        f"LiteLLM knows no provider of the model '{one_line(model, 80)}'",
        "name the provider first, such as --model anthropic/MODEL or openai/MODEL (https://docs.litellm.ai/docs/providers)",
    )


def no_key(model: str, names: list[str]) -> BackendUnusable:
    """The error for a provider whose key stands in none of the variables `names`."""
    return BackendUnusable(f"the provider of {model} wants a key", f"set the environment variable {' or '.join(names)}")


def fault(litellm: Any, error: Exception, model: str, request: Request) -> SkillForgeError:
    """What `error` of a call for `request` means, with no secret and nothing of the prompt in it."""
    known = litellm.exceptions
    status = getattr(error, "status_code", None)
    message = _shown(error, request)
    said = f" ({message})" if message else ""
    refused = f"the provider refused the request{said}"
    if isinstance(error, known.UnsupportedParamsError):
        return UsageError(f"{model} does not take this request{said}", "leave that setting out")
    if isinstance(error, known.ContextWindowExceededError):
        return context_overflow(refused, str(error), None) or ContextOverflow(refused, "shorten the prompt")
    if status in _NO_ENTRY:
        return BackendUnusable(f"the provider of {model} does not let this key in{said}", "check the key that is set")
    if status == 402 or _NO_CREDIT in (_code(error), getattr(error, "code", None)):
        return BackendUnusable(f"the provider of {model} has no credit left for this key{said}", "add some")
    if status == 404:
        return BackendUnusable(f"the provider has no model {model}{said}", "correct --model, or --base-url")
    if status in _REFUSED:
        return context_overflow(refused, str(error), None) or RequestRefused(refused)
    if _is_lost_connection(litellm, error):
        return RequestFailed(f"the provider cannot be reached{said}", connection=True)
    throttled = status in _ASKS_FOR_LESS
    return RequestFailed(f"the call failed{said}", throttled=throttled, retry_after=_retry_after(error))


def _is_lost_connection(litellm: Any, error: Exception) -> bool:
    """LiteLLM tells a lost connection as an error of the server's; what was raised first tells more."""
    httpx = import_module("httpx")
    return isinstance(error, litellm.exceptions.Timeout) or any(
        isinstance(cause, httpx.TransportError) for cause in _causes(error)
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _code(error: Exception) -> Any:
    body = getattr(error, "body", None)
    return body.get("code") if isinstance(body, Mapping) else None


def _shown(error: Exception, request: Request) -> str:
    message = str(getattr(error, "message", error)).partition("\nTraceback")[0]
    message = discreet(message, request)
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET.search(name):
            message = message.replace(value, "[redacted]")
    return one_line(message)


def _retry_after(error: Exception) -> float | None:
    headers = getattr(error, "litellm_response_headers", None)
    return retry_after(headers) if isinstance(headers, Mapping) else None
