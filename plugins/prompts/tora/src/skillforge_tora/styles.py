"""`tora` for the fine-tuned models and `tora-fewshot` for others: rationale, program and output in turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skillforge import Execution, Problem, PromptStyle, ToolLoop
from skillforge_tora.examples import EXAMPLES
from skillforge_tora.protocol import PROTOCOL

SOURCE = "https://arxiv.org/abs/2309.17452"

GUIDELINES = (
    "Solve math problems by reasoning in steps and by running Python. Keep to these rules:\n\n"
    "- Think about the question, then put the computation into functions that take no arguments, and print what they "
    "return.\n"
    "- State the final result in LaTeX, inside \\boxed{}, and leave units out of the box.\n"
    "- Keep numbers exact: use `pi` and `Rational` of sympy, and simplify fractions and roots instead of writing "
    "decimals."
)
INTRODUCTION = "\n\nThese examples show how:"
SEPARATOR = "\n\n---\n\n"


class Tora(PromptStyle):
    """The question between two role marks, as in fine-tuning. Each block runs alone, and a sample ends with the fourth."""

    name = "tora"
    summary = "ToRA models: rationale, Python program and output in turns."
    source = SOURCE
    stop: tuple[str, ...] = ("</s>",)
    code = PROTOCOL
    loop = ToolLoop(
        max_executions=4,
        last_turn=False,
        timeout=5.0,
        max_output=400,
        output_cut="middle",
        turn_tokens=1024,
        state="fresh",
        last_line="hide",
    )

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> str:
        """Raw text. The models are fine-tuned, so there are no examples to show."""
        return f"<|user|>\n{problem.question}\n<|assistant|>\n"

    def show_output(self, execution: Execution, loop: ToolLoop, options: Any) -> str:
        """What the code printed, or `Done` where that is nothing; of an error the last line of its traceback."""
        if execution.status == "timeout":
            return "Timeout Error"
        if execution.status == "error":
            return execution.fault
        if execution.status == "ok":
            return execution.printed or "Done"
        return super().show_output(execution, loop, options)


class ToraFewShot(Tora):
    """Guidelines and worked examples, for models that are not fine-tuned on the format."""

    name = "tora-fewshot"
    summary = "ToRA's format for any base model: guidelines and worked examples with programs."
    examples = EXAMPLES
    stop = ("</s>", "---")

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> str:
        """Raw text: guidelines, examples and the question, `---` between each."""
        opening = GUIDELINES + (INTRODUCTION if few_shots else "")
        demos = [f"Question: {shot.question}\n\nSolution:\n{shot.reference_solution or ''}" for shot in few_shots]
        return SEPARATOR.join([opening, *demos, f"Question: {problem.question}\n\nSolution:"])
