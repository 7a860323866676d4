"""`qwen-math-cot` and `qwen-math-tir`: ChatML whose system message says whether to write programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skillforge import CodeProtocol, Execution, Problem, PromptStyle, ToolLoop

SOURCE = "https://arxiv.org/abs/2409.12122"


class QwenMathCot(PromptStyle):
    """ChatML as raw text, with the authors' system message for chain of thought."""

    name = "qwen-math-cot"
    summary = "Qwen2.5-Math-Instruct by chain of thought."
    source = SOURCE
    stop = ("<|im_end|>", "<|endoftext|>")
    system = "Please reason step by step, and put your final answer within \\boxed{}."

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> str:
        """Raw text. The models are fine-tuned, so there are no examples to show."""
        return (
            f"<|im_start|>system\n{self.system}<|im_end|>\n"
            f"<|im_start|>user\n{problem.question}<|im_end|>\n"
            "<|im_start|>assistant\n"
        )


class QwenMathTir(QwenMathCot):
    """With the system message for tool-integrated reasoning, and the loop of Qwen-Agent: ten turns, each block alone."""

    name = "qwen-math-tir"
    summary = "Qwen2.5-Math-Instruct with Python in turns."
    system = (
        "Please integrate natural language reasoning with programs to solve the problem above, and put your final "
        "answer within \\boxed{}."
    )
    code = CodeProtocol(
        code_begin="```python\n",
        code_end="```",
        output_begin="```output\n",
        output_end="\n```\n",
        stop="```output",
    )
    loop = ToolLoop(
        max_executions=10,
        last_turn=False,
        timeout=20.0,
        max_output=256,
        output_cut="middle",
        state="fresh",
        last_line="hide",
    )

    def show_output(self, execution: Execution, loop: ToolLoop, options: Any) -> str:
        """What the code printed; of an error the last line of its traceback."""
        if execution.status == "timeout":
            return "Timeout Error"
        if execution.status == "error":
            return execution.fault
        if execution.status == "ok":
            return execution.printed
        return super().show_output(execution, loop, options)
