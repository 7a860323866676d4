"""`deepseek-math-cot` and `deepseek-math-tir`: the question, what to do with it, and the assistant's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skillforge import CodeProtocol, Execution, Problem, PromptStyle, ToolLoop
from skillforge_deepseek_math.faults import short_traceback

SOURCE = "https://arxiv.org/abs/2402.03300"


class DeepSeekMathCot(PromptStyle):
    """One text with the authors' sentence for chain of thought below the question; there is no system message."""

    name = "deepseek-math-cot"
    summary = "DeepSeekMath by chain of thought."
    source = SOURCE
    instruction = "Please reason step by step, and put your final answer within \\boxed{}."

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> str:
        """Raw text. The models are fine-tuned, so there are no examples to show."""
        return f"User: {problem.question}\n{self.instruction}\n\nAssistant:"


class DeepSeekMathTir(DeepSeekMathCot):
    """With the sentence for tool-integrated reasoning: two turns, each of which may run a block of code."""

    name = "deepseek-math-tir"
    summary = "DeepSeekMath with Python in turns."
    instruction = (
        "Please integrate natural language reasoning with programs to solve the problem above, and put your final "
        "answer within \\boxed{}."
    )
    code = CodeProtocol(
        code_begin="```python\n",
        code_end="```",
        output_begin="\n```output\n",
        output_end="\n```\n",
        stop="```output",
        trim=True,
    )
    loop = ToolLoop(
        max_executions=2,
        last_turn=False,
        timeout=10.0,
        max_output=100,
        output_cut="middle",
        turn_tokens=1024,
        last_line="hide",
    )

    def show_output(self, execution: Execution, loop: ToolLoop, options: Any) -> str:
        """What the code printed, or its shortened traceback behind `Runtime errors: `."""
        if execution.status == "timeout":
            return "Runtime errors: Timeout Error"
        if execution.status == "error":
            return f"Runtime errors: {short_traceback(execution.stderr)}"
        if execution.status == "ok":
            return execution.printed
        return super().show_output(execution, loop, options)
