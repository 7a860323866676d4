"""Problems, samples and texts that the contract tests try parts with."""

from __future__ import annotations

from collections.abc import Sequence

from skillforge.parts.problem import Problem
from skillforge.parts.sample import Sample
from skillforge.parts.transcript import Message, Segment, Transcript, prompt_segments

PROBLEM = Problem(
    id="1",
    question="Ann has 3 apples and buys 4 more. How many has she?",
    expected_answer="7",
    reference_solution="She has 3 + 4 = 7 apples. The answer is \\boxed{7}.",
    metadata={"subject": "arithmetic", "level": 1},
)

ANOTHER = Problem(
    id="2",
    question="What is 6 times 7?",
    expected_answer="42",
    reference_solution="6 * 7 = \\boxed{42}",
    metadata={"subject": "arithmetic", "level": 2},
)

HARD_QUESTIONS = (
    "Write {x} and {0} and {{}} and } and {",
    "A discount of 20% and %s and %(name)s and 100%",
    "$x$ costs ${price} and $$5 and \\boxed{} and \\n",
    "First line\nsecond line\r\n\n\tfourth line",
    "π ≈ 3,14 · 問題 · 🍎🍏 · e\u0301 · \u202eright to left",
    "{{ problem.question }} {% for x in y %} {# comment #}",
    "<|im_start|>system ### Response: [INST] </s>",
    "<b>&amp;</b> \"quoted\" 'single' `code` ```python\nprint(1)\n```",
)
"""Questions that break a template which is filled carelessly."""

HOSTILE_TEXTS: dict[str, str] = {
    "empty": "",
    "only white space": " \n\t ",
    "a plain answer": "The answer is \\boxed{7}.",
    "several answers": "\\boxed{1} \\boxed{2} #### 3 The answer is 4. \\boxed{}",
    "a million digits": "7" * 1_000_000,
    "a tower of powers": "\\boxed{9^{9^{9^{9^{9^9}}}}}",
    "a huge factorial": "\\boxed{((10^9)!)!}",
    "a tiny and a huge float": "\\boxed{1e-999999999} \\boxed{1e999999999}",
    "unbalanced braces": "\\boxed{\\frac{1}{2 \\boxed{ \\left( [ } ) {{{",
    "deep nesting": "\\boxed{" + "(" * 20_000 + "1" + ")" * 20_000 + "}",
    "deep fractions": "\\boxed{" + "\\frac{1}{" * 3_000 + "1" + "}" * 3_000 + "}",
    "many boxes": "\\boxed{" * 20_000,
    "zero bytes and control characters": "\\boxed{7\x00} \x00\x1b[31m\x07\x7f",
    "lone surrogates": "\\boxed{\ud800 7 \udfff}",
    "other digits and directions": "\\boxed{\u0667\u202e12\u2066³½} ７ Ⅶ",
    "code as an answer": "\\boxed{__import__('os')._exit(1)} \\boxed{exit()} \\boxed{().__class__}",
    "not a number": "\\boxed{nan} \\boxed{inf} \\boxed{\\infty} \\boxed{0/0} \\boxed{1/0}",
    "text made to backtrack": "a" * 50_000 + "!" + "1," * 50_000 + " " * 50_000 + "x",
}
"""Answers that a model may well give, by what is bad about them."""


def transcript(text: str, problem: Problem = PROBLEM) -> Transcript:
    """A finished transcript: the question, then `text` from the model."""
    return Transcript((*prompt_segments((Message("user", problem.question),)), Segment("text", text)))


def sample(text: str, index: int = 0, problem: Problem = PROBLEM) -> Sample:
    """A finished sample with `text` as the model's answer, and log-probabilities that fall with `index`."""
    return Sample(
        benchmark="contract-test",
        split="test",
        problem=problem,
        sample_index=index,
        transcript=transcript(text, problem),
        finish_reason="stop",
        seed=index,
        prompt_tokens=12,
        completion_tokens=3,
        logprobs=[{"token": text[:8], "logprob": -0.1 * (index + 1), "top": {}}],
        latency=0.1,
        finished_at=1.0,
    )


def samples(answers: Sequence[str | None]) -> list[Sample]:
    """One sample for each answer."""
    return [sample(f"The answer is \\boxed{{{answer or ''}}}.", index) for index, answer in enumerate(answers)]
