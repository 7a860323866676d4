"""Private reasoning between tags, told apart from the answer."""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"


def opens_reasoning(prompt: str) -> bool:
    """Whether `prompt` ends inside reasoning, as chat templates of reasoning models make it."""
    return prompt.rstrip().endswith(OPEN)


def split_reasoning(text: str, opened: bool = False) -> tuple[str | None, str, bool]:
    """(reasoning or None, answer, whether the reasoning was closed) of a model's whole output.

    `opened` tells that the prompt opened the reasoning already. Without any tag all is answer.
    """
    before, closed, after = text.partition(CLOSE)
    started = before.lstrip()
    if started.startswith(OPEN):
        return started.removeprefix(OPEN), after, bool(closed)
    if opened or (closed and OPEN not in before):
        return before, after, bool(closed)
    return None, text, True
