"""What the models are taught to write: the sums in text, or a program, whose output is given to them.

Each form has several ways to the same answer, one of which is drawn for each problem: a vote over samples needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import TYPE_CHECKING, Literal

from skillforge import Segment
from skillforge_tiny.python import PROTOCOL

if TYPE_CHECKING:
    from skillforge_forge_arith.generate import ForgeProblem

Form = Literal["text", "python"]
Answer = tuple[Segment, ...]


def in_text(problem: ForgeProblem) -> Answer:
    """The steps as equations, in one of their orders, then the answer. The operand pairs of other splits stay held out."""
    from skillforge_forge_arith.steps import in_text, orders

    steps = Random(problem.question).choice(orders(problem.steps, problem.range))
    return (Segment("text", in_text(steps)),)


def in_python(problem: ForgeProblem) -> Answer:
    """A plan, the steps as a program or in one expression, the output, and the answer read from there.

    The steps come in the order of the story, or with what is added before what is taken away.
    """
    from skillforge_forge_arith.steps import additions_first, in_expression, in_python

    draw = Random(problem.question)
    steps = draw.choice([problem.steps, additions_first(problem.steps)])
    if draw.random() < 0.5:
        plan, program = "Keep a running total.", in_python(steps)
    else:
        plan, program = "Write it as one expression.", f"print({in_expression(steps)})"
    return (
        Segment("text", f"{plan}\n"),
        Segment(
            "code",
            f"{program}\n",
            begin=PROTOCOL.code_begin,
            end=f"{PROTOCOL.code_end}\n{PROTOCOL.output_begin}",
        ),
        Segment("output", str(problem.answer), end=PROTOCOL.output_end),
        Segment("text", f"#### {problem.answer}"),
    )


FORMS: Mapping[Form, Callable[[ForgeProblem], Answer]] = {"text": in_text, "python": in_python}
"""Form -> a worked answer to a problem in it."""


def exact_text(answer: Iterable[Segment]) -> str:
    """The answer as one text, to the byte."""
    return "".join(segment.exact for segment in answer)
