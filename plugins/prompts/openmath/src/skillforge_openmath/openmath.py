"""`openmath` and `openmath-base`: OpenMathInstruct-1, its fine-tuned models and the base model that wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skillforge import Execution, Problem, PromptStyle, ToolLoop
from skillforge_openmath.examples import EXAMPLES
from skillforge_openmath.protocols import LLM_CODE

SOURCE = "https://arxiv.org/abs/2402.10176"

SYSTEM = (
    "You're an expert Python programmer and mathematician. Help the user to solve this problem using code when "
    "necessary. Make sure to put the answer (and only answer) inside \\boxed{}."
)
BASE_PREFIX = (
    "Here are some examples of questions and solutions followed by a new question that you need to solve.\n"
    "Make sure to put the answer (and only answer) inside \\boxed{}.\n\n"
)
BASE_DELIMITER = "\n" * 6

SYNTAX_ERRORS = ("SyntaxError:", "IndentationError:", "TabError:")


class OpenMath(PromptStyle):
    """One text with system, user and assistant, as in fine-tuning. There is no turn after the last execution."""

    name = "openmath"
    summary = "OpenMath models of 2024: text and <llm-code> blocks in turns."
    source = SOURCE
    code = LLM_CODE
    loop = ToolLoop(max_executions=6, last_turn=False, timeout=10.0, max_output=1000)

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> str:
        """Raw text. The models are fine-tuned, so there are no examples to show."""
        return f"System:\n{SYSTEM}\n\nUser:\n{problem.question}\n\nAssistant:\n"

    def show_output(self, execution: Execution, loop: ToolLoop, options: Any) -> str:
        """What an interactive interpreter shows; of an error its message alone, behind its kind."""
        if execution.status == "timeout":
            return "timeout"
        if execution.status != "error":
            return super().show_output(execution, loop, options)
        kind = "Syntax error" if execution.fault.startswith(SYNTAX_ERRORS) else "Execution error"
        return f"{kind}: {execution.fault.partition(': ')[2] or execution.fault}"


class OpenMathBase(OpenMath):
    """Worked examples for a base model, in the format and under the limits in which OpenMathInstruct-1 was made."""

    name = "openmath-base"
    summary = "Few-shot prompt for base models, with solutions that run <llm-code> blocks."
    examples = EXAMPLES
    stop = (BASE_DELIMITER,)
    loop = ToolLoop(max_executions=3, last_turn=False, timeout=10.0, max_output=1000, turn_tokens=512, on_error="stop")

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> str:
        """Raw text: examples and the question, six line breaks between each."""
        asked = [_base_block(shot.question, shot.reference_solution or "") for shot in few_shots]
        return BASE_PREFIX + BASE_DELIMITER.join([*asked, _base_block(problem.question, "")])


def _base_block(question: str, solution: str) -> str:
    return f"Question:\n{question}\n\nMy solution:\n{solution}"
