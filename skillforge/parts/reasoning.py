"""Reasoning: a model's private thinking told apart from its answer."""

from __future__ import annotations

from skillforge.errors import UsageError
from skillforge.parts.transcript import Message, Prompt


class ReasoningTags:
    """The pair of tags around reasoning, for backends whose models write it into their text; with no pair nothing is split."""

    def __init__(self, pair: str | None) -> None:
        """Raises UsageError unless `pair` is two different tags with a comma between, or empty."""
        tags = tuple(tag.strip() for tag in pair.split(",")) if pair and pair.strip() else ()
        if tags and (len(tags) != 2 or not all(tags) or tags[0] == tags[1]):
            raise UsageError(
                f"bad value {pair!r} for option 'backend.reasoning_tags'",
                "give two tags with a comma between them, such as '<think>,</think>', or nothing",
            )
        self._tags = tags

    def opened_by(self, prompt: Prompt) -> bool:
        """Whether the answer begins inside reasoning, since `prompt` (text, or the start of an answer) ends with the tag."""
        if not self._tags:
            return False
        if isinstance(prompt, str):
            return prompt.rstrip().endswith(self._tags[0])
        last: Message | None = prompt[-1] if prompt else None
        return last is not None and last.role == "assistant" and last.content.rstrip().endswith(self._tags[0])

    def split(self, text: str, opened: bool = False) -> tuple[str | None, str, bool]:
        """(reasoning or None, answer, whether all reasoning was closed) of a model's whole output.

        Output begins inside reasoning where the prompt `opened` it, or where a closing tag comes before any opening one: a
        chat template on the server's side opened it then. Of reasoning without an end, nothing is answer.
        """
        if not self._tags:
            return None, text, True
        start, end = self._tags
        inside = self._begins_inside(text, opened)
        if not inside and start not in text:
            return None, text, True
        reasoning: list[str] = []
        answer: list[str] = []
        rest, found = text, start
        while found:
            piece, found, rest = rest.partition(end if inside else start)
            (reasoning if inside else answer).append(piece)
            inside = not inside if found else inside
        if inside:
            return text.lstrip().removeprefix(start), "", False
        if answer[0].isspace() and text.startswith(answer[0] + start):
            del answer[0]
        return "\n".join(reasoning), "".join(answer), True

    def _begins_inside(self, text: str, opened: bool) -> bool:
        start, end = self._tags
        if opened:
            return not text.lstrip().startswith(start)
        before, closed, _ = text.partition(end)
        return bool(closed) and start not in before
