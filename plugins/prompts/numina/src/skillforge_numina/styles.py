"""`numina-cot` and `numina-tir`: the bare problem between two headings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from skillforge import CodeProtocol, Execution, PartOptions, Problem, PromptStyle, ToolLoop
from skillforge_numina.faults import own_frames, with_frames_eaten

SOURCE = "https://github.com/project-numina/aimo-progress-prize"

PRELUDE = "import math\nimport numpy as np\nimport sympy as sp"


class TirOptions(PartOptions, frozen=True, kw_only=True):
    """Options of `numina-tir`."""

    released: Annotated[
        bool,
        Meta(
            description="Run code and show errors exactly as Numina's released notebook does: the last line of the text is"
            " printed, whatever it is, and frames of a traceback are cut off behind the word File."
        ),
    ] = False


class NuminaCot(PromptStyle):
    """The problem and the heading of its solution, as one text. There is no instruction."""

    name = "numina-cot"
    summary = "NuminaMath CoT models: the problem and the heading of its solution."
    source = SOURCE

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> str:
        """Raw text. The models are fine-tuned, so there are no examples to show."""
        return f"### Problem: {problem.question}\n### Solution: "


class NuminaTir(NuminaCot):
    """The same text; the model writes Python and opens the block of its output itself.

    Each block runs alone, after the imports of `PRELUDE`: at most three of them, in four turns of the model.
    """

    name = "numina-tir"
    summary = "NuminaMath TIR models: reasoning and Python in turns, each block run alone."
    Options = TirOptions
    code = CodeProtocol(
        code_begin="```python\n",
        code_end="```",
        output_begin="```output\n",
        output_end="\n```",
        stop="```output\n",
        cut_mark=" ... (output truncated)",
    )
    loop = ToolLoop(
        max_executions=3,
        timeout=5.0,
        max_output=200,
        turn_tokens=2048,
        state="fresh",
        last_line="print",
        prelude=PRELUDE,
    )

    def tool_loop(self, options: TirOptions) -> ToolLoop:
        """Under `released` the code itself has the imports and prints its last line."""
        return msgspec.structs.replace(self.loop, last_line="hide", prelude="") if options.released else self.loop

    def prepare_code(self, code: str, options: TirOptions) -> str:
        """What is run for `code`."""
        return as_released(code) if options.released else code

    def show_output(self, execution: Execution, loop: ToolLoop, options: TirOptions) -> str:
        """What the code printed; of an error the traceback, with the frames of the model's own code only."""
        if execution.status == "timeout":
            return f"Timed out after {loop.timeout:g} seconds."
        if execution.status == "error":
            return with_frames_eaten(execution.stderr) if options.released else own_frames(execution.stderr)
        if execution.status == "ok" or execution.detail == "exit code 0":
            return execution.printed
        return super().show_output(execution, loop, options)


def as_released(code: str) -> str:
    """`code` as the released notebook runs it: below the imports, with its last line inside of `print(…)`.

    That line is found in the text, so that code which ends with an assignment or within a loop fails.
    """
    *before, last = f"{PRELUDE}\n{code}".strip().split("\n")
    if "print(" not in last:
        last = f"print({last.partition('#')[0]})"
    return "\n".join([*before, last])
