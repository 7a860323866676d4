"""A look at a running server, through the client of a backend: what it is, what it can do, and that it answers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from typing import Literal

import msgspec

from skillforge.errors import SkillForgeError, UsageError
from skillforge.parts.backend import Backend, Client, Request, Target
from skillforge.parts.model import ModelRef
from skillforge.parts.part import Finding
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Message
from skillforge.pipeline.resolve import Chosen
from skillforge.text import one_line

STEP_LIMIT = 60.0
"""Seconds that the server may take for each answer."""

QUESTION = "What is 2 + 3? Answer with the number."
TOKENS = 16
MODELS_SHOWN = 8


def check_server(backend: Chosen, url: str, model: str | None) -> AsyncIterator[Finding]:
    """What is found of the server at `url`, each as soon as it is; `model` is the first that it has where it is None.

    Raises UsageError, at once, where the backend asks no servers.
    """
    part: Backend = backend.part
    if part.default_for == "weights":
        raise UsageError(f"the backend '{part.name}' loads weights and asks no server", "choose another --backend")
    return _check_server(backend, url, model)


async def _check_server(backend: Chosen, url: str, model: str | None) -> AsyncIterator[Finding]:
    part: Backend = backend.part
    try:
        async with asyncio.timeout(STEP_LIMIT), part.open(_target(model or "", url), backend.options) as client:
            names = await client.models()
            ready = await client.ready()
    except (SkillForgeError, TimeoutError) as error:
        yield _failed("server", error)
        return
    if not ready:
        yield Finding("server", "missing", "is there, and takes no requests", "wait until it has loaded its model")
        return
    yield Finding("server", "ok", f"answers{_with_key(backend, shown=bool(names))}")
    yield _told_models(names, model)
    model = model or next(iter(names), None)
    if model is not None:
        async with part.open(_target(model, url), backend.options) as client:
            async for finding in _check_model(client, part.capabilities(backend.options), model, listed=bool(names)):
                yield finding


async def _check_model(client: Client, able: frozenset[str], model: str, *, listed: bool) -> AsyncIterator[Finding]:
    """What is found of one model; `listed`: the server tells which ones it has."""
    try:
        async with asyncio.timeout(STEP_LIMIT):
            await client.check()
            length = await client.context_length()
    except (SkillForgeError, TimeoutError) as error:
        yield _failed("model", error)
        return
    yield Finding("model", "ok", one_line(model) if listed else f"{one_line(model)}, as you name it")
    yield Finding("context", "ok", f"{length:,} tokens" if length else "the server does not tell it")
    there = client.capabilities()
    has = able if there is None else able & there
    of_whom = " (the backend's; the server does not tell its own)" if there is None else ""
    yield Finding("capabilities", "ok", ", ".join(sorted(has)) + of_whom)
    if lacking := able - has:
        detail = f"not here, though the backend has them: {', '.join(sorted(lacking))}"
        yield Finding("capabilities", "weak", detail, "runs that ask for them are refused")
    for finding in _weighed([await _ask(client, has, form) for form in ("chat", "text") if form in has]):
        yield finding


async def _ask(client: Client, able: frozenset[str], form: str) -> Finding:
    """One short completion."""
    prompt = (Message("user", QUESTION),) if form == "chat" else f"Question: {QUESTION}\nAnswer:"
    sampling = Sampling(
        temperature=0.0 if "temperature" in able else None, max_tokens=TOKENS if "max_tokens" in able else None
    )
    began = time.monotonic()
    try:
        async with asyncio.timeout(STEP_LIMIT):
            completion = await client.complete(Request(prompt, sampling))
    except (SkillForgeError, TimeoutError) as error:
        return _failed(form, error, "see whether --backend and --model fit this server")
    seconds = time.monotonic() - began
    tokens = "" if completion.completion_tokens is None else f"{completion.completion_tokens} tokens "
    text = one_line(completion.text or completion.reasoning or "", 60)
    return Finding(
        form, "ok", f"{tokens}in {seconds:.2f} s: {text!r}" if text else f"{tokens}in {seconds:.2f} s, no text"
    )


def _weighed(answers: Sequence[Finding]) -> Sequence[Finding]:
    """A form of prompt that is not answered is no more than a weakness where the other one is."""
    if all(answer.state == "missing" for answer in answers):
        return answers
    return [msgspec.structs.replace(answer, state=_milder(answer.state)) for answer in answers]


def _milder(state: Literal["ok", "weak", "missing"]) -> Literal["ok", "weak"]:
    return "ok" if state == "ok" else "weak"


def _target(model: str, url: str) -> Target:
    return Target(ModelRef(model, model), url)


def _with_key(backend: Chosen, *, shown: bool) -> str:
    """With which key we were there, by the name of its variable; `shown`: it let us see more than an open door."""
    variable = getattr(backend.options, "api_key_env", None)
    if variable is None:
        return ""
    if not os.environ.get(variable):
        return f", without a key ({variable} is not set)"
    return f", with the key in {variable}" if shown else f" what is sent with the key in {variable}"


def _told_models(names: Sequence[str], wanted: str | None) -> Finding:
    if not names and wanted:
        return Finding("models", "ok", "the server does not tell them")
    if not names:
        what = "the server tells none: nothing here speaks this protocol, or they have to be named"
        return Finding("models", "missing", what, "correct --base-url, or name a model with --model")
    more = f", … ({len(names) - MODELS_SHOWN} more)" if len(names) > MODELS_SHOWN else ""
    return Finding("models", "ok", ", ".join(one_line(name, 100) for name in names[:MODELS_SHOWN]) + more)


def _failed(name: str, error: SkillForgeError | TimeoutError, otherwise: str = "") -> Finding:
    """What is wrong, and what to do: as the error says, or `otherwise`."""
    if isinstance(error, TimeoutError):
        return Finding(name, "missing", f"no answer within {STEP_LIMIT:g} s", "see what else it has to do")
    return Finding(name, "missing", getattr(error, "what", str(error)), getattr(error, "fix", None) or otherwise)
