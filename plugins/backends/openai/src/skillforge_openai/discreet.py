"""Discreet: what a server says, without the prompt that it repeats and without the paths of its machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from skillforge import Request
from skillforge_openai.paths import without_paths

_RUN = 16
"""So many characters in a row that stand in the prompt too are a part of it, cut as servers may have cut it."""

_SHORT = 8
"""A whole text of fewer characters stays: it gives nothing away, and would be found everywhere."""

_LONGEST = 200_000
_LONGEST_MESSAGE = 20_000
"""More of it is not looked through, nor told: each place in it is looked for in the prompt."""


def discreet(message: str, request: Request | None = None) -> str:
    """`message` of a server about `request`, fit to be shown."""
    return discreet_about(message, _texts(request) if request else ())


def discreet_about(message: str, sent: Iterable[str]) -> str:
    """`message` of a server that was sent the texts `sent`, fit to be shown."""
    for text in sent:
        message = _without(message, text)
    return without_paths(message)


def _texts(request: Request) -> Iterator[str]:
    prompt = request.prompt
    if isinstance(prompt, str):
        yield prompt
        return
    for message in prompt:
        yield message.content
        yield from (call.arguments for call in message.tool_calls)


def _without(message: str, text: str) -> str:
    """`message` without `text`, or long parts of it, as it is or as JSON or Python writes it."""
    if len(text) < _SHORT:
        return message
    as_json = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    forms = dict.fromkeys((text, *as_json, repr(text)[1:-1]))
    for form in forms:
        message = message.replace(form, "[prompt]")
    message = message[:_LONGEST_MESSAGE]
    for form in forms:
        message = _without_runs(message, form)
    return message


def _without_runs(message: str, text: str) -> str:
    """`message` without what it has in common with `text` for `_RUN` characters or more."""
    searched = text[:_LONGEST]
    kept: list[str] = []
    at = 0
    while at < len(message):
        end = at
        while end + _RUN <= len(message) and message[end : end + _RUN] in searched:
            end += 1
        if end == at:
            kept.append(message[at])
            at += 1
        else:
            kept.append("[prompt]")
            at = end + _RUN - 1
    return "".join(kept)
