"""PromptStyle: how a model family is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skillforge.parts.code import CodeProtocol, ToolLoop, ToolProtocol
from skillforge.parts.part import Part
from skillforge.parts.problem import Problem
from skillforge.parts.sandbox import Execution
from skillforge.parts.transcript import Prompt


class PromptStyle(Part):
    """Renders a problem to chat messages or raw text, and reads the answer back. Mostly data."""

    kind = "prompt"

    stop: tuple[str, ...] = ()
    """Strings at which generation stops, besides the user's own and that of `code`."""

    code: CodeProtocol | ToolProtocol | None = None
    """How the model asks for code to be run; None for a style whose models run none."""

    loop: ToolLoop = ToolLoop()
    """Budgets and rules under which code is run, where there is `code`; `-o rollout.NAME=VALUE` goes over them."""

    tells_executions: bool = False
    """Whether the prompt says how many executions there are, so that none but the number of `tool_loop` will do."""

    examples: tuple[Problem, ...] = ()
    """Worked examples (with `reference_solution`), of which `--few-shots N` shows the first N."""

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> Prompt:
        """The prompt for `problem`: a tuple of Messages (chat) or a str (raw text). Must not depend on anything else."""
        raise NotImplementedError

    def stop_strings(self, options: Any) -> tuple[str, ...]:
        """The stop strings for these options; `stop` unless a style's format decides."""
        return self.stop

    def code_protocol(self, options: Any) -> CodeProtocol | ToolProtocol | None:
        """How the model asks for code to be run, with these options; `code` unless a style's options decide."""
        return self.code

    def tool_loop(self, options: Any) -> ToolLoop:
        """The budgets and rules for these options; `loop` unless a style's options decide."""
        return self.loop

    def prepare_code(self, code: str, options: Any) -> str:
        """What is run for a block of code that the model wrote, which is hostile text; the code as it is by default."""
        return code

    def show_output(self, execution: Execution, loop: ToolLoop, options: Any) -> str:
        """What the model is shown of an execution, before it is cut to `loop.max_output`. The text is hostile.

        By default as an interactive interpreter shows it, and a line on what ended the code where nothing else tells.
        """
        shown = execution.shown
        if execution.status in ("ok", "error"):
            return shown
        ended = f"timed out after {loop.timeout:g} seconds" if execution.status == "timeout" else execution.status
        detail = f": {execution.detail}" if execution.detail and execution.status != "timeout" else ""
        lost = "; all variables are lost" if execution.state == "lost" and loop.state == "session" else ""
        what = f"[{ended}{detail}{lost}]"
        return f"{shown}\n{what}" if shown else what

    def read_answer(self, text: str) -> str | None:
        """The final answer in the model's `text`, for a style that marks it in its own way; None leaves it to the grader."""
        return None
