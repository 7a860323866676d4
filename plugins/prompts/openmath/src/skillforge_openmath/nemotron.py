"""`openmath-tir`, `openmath-kaggle` and `openmath-cot`: OpenMathReasoning and the OpenMath-Nemotron models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from skillforge import Execution, PartOptions, Problem, PromptStyle, ToolLoop
from skillforge_openmath.protocols import COUNTED_TOOL_CALL, TOOL_CALL

SOURCE = "https://arxiv.org/abs/2504.16891"

BOXED = "Make sure to put the answer (and only answer) inside \\boxed{}."


class TirOptions(PartOptions, frozen=True, kw_only=True):
    """Options of `openmath-tir`."""

    executions: Annotated[
        int,
        Meta(
            ge=1,
            description="Executions that the model has and is told of. The models were trained with 1 to 8.",
        ),
    ] = 8


class _Nemotron(PromptStyle):
    """ChatML with an empty system message, as raw text."""

    source = SOURCE
    stop = ("<|im_end|>", "<|endoftext|>")

    def show_output(self, execution: Execution, loop: ToolLoop, options: Any) -> str:
        """What an interactive interpreter shows. It ends its line: the fence that follows has none of its own."""
        if execution.status == "timeout":
            return "Timed out\n"
        shown = super().show_output(execution, loop, options)
        return f"{shown}\n" if shown else ""


class OpenMathCot(_Nemotron):
    """The problem and where to put the answer; the model reasons at length."""

    name = "openmath-cot"
    summary = "OpenMath-Nemotron models without tools: long chain of thought."

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> str:
        """Raw text. The models are fine-tuned, so there are no examples to show."""
        return _chat_ml(f"Solve the following math problem. {BOXED}\n\n{problem.question}")


class OpenMathKaggle(OpenMathCot):
    """The winner of AIMO-2: asked as without tools, it writes code all the same, and is not told how often it may."""

    name = "openmath-kaggle"
    summary = "OpenMath-Nemotron-14B-Kaggle: code in turns, under the limits of the AIMO-2 submission."
    code = TOOL_CALL
    loop = ToolLoop(max_executions=6, timeout=2.0, max_output=200)


class OpenMathTir(_Nemotron):
    """Long reasoning with code in turns. The model knows its executions from the prompt and from a notice after each."""

    name = "openmath-tir"
    summary = "OpenMath-Nemotron models: long reasoning and <tool_call> code in turns."
    Options = TirOptions
    code = COUNTED_TOOL_CALL
    tells_executions = True
    loop = ToolLoop(max_executions=8, timeout=10.0, max_output=1000)

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: TirOptions) -> str:
        """Raw text. The models are fine-tuned, so there are no examples to show."""
        return _chat_ml(
            "Solve the following math problem, integrating natural language reasoning with Python code executions.\n"
            f"You may perform up to {options.executions} Python code calls to assist your reasoning.\n"
            f"{BOXED}\n\n{problem.question}"
        )

    def tool_loop(self, options: TirOptions) -> ToolLoop:
        """As many executions as the prompt tells of."""
        return msgspec.structs.replace(self.loop, max_executions=options.executions)


def _chat_ml(question: str) -> str:
    return f"<|im_start|>system\n<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
