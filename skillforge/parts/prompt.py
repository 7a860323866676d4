"""PromptStyle: how a model family is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from skillforge.parts.part import Part
from skillforge.parts.problem import Problem
from skillforge.parts.transcript import Prompt


class CodeProtocol(msgspec.Struct, frozen=True):
    """The strings around a block of code that the model writes, and around the output that it is shown."""

    code_begin: str
    code_end: str
    output_begin: str
    output_end: str


class PromptStyle(Part):
    """Renders a problem to chat messages or raw text, and reads the answer back. Mostly data."""

    kind = "prompt"

    stop: tuple[str, ...] = ()
    """Strings at which generation stops, besides the user's own."""

    code: CodeProtocol | None = None
    """How code blocks are marked, for a style whose models call tools in text."""

    examples: tuple[Problem, ...] = ()
    """Worked examples (with `reference_solution`), of which `--few-shots N` shows the first N."""

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> Prompt:
        """The prompt for `problem`: a tuple of Messages (chat) or a str (raw text). Must not depend on anything else."""
        raise NotImplementedError

    def stop_strings(self, options: Any) -> tuple[str, ...]:
        """The stop strings for these options; `stop` unless a style's format decides."""
        return self.stop

    def read_answer(self, text: str) -> str | None:
        """The final answer in the model's `text`, for a style that marks it in its own way; None leaves it to the grader."""
        return None
