"""The grader `judge`: a model says whether an answer is right, or which of two solutions is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from skillforge import (
    Grader,
    ModelGrader,
    ModelGraderOptions,
    Problem,
    Question,
    ReasoningTags,
    Transcript,
    Verdict,
    hookimpl,
)
from skillforge_judge_grader.prompts import STYLES, Judgement, ask_better, ask_correct, ask_equivalence
from skillforge_judge_grader.replies import Unreadable, read_verdict

SKILLFORGE_CONTRACT = 1

MAX_SHOWN = 20_000
"""Characters of one text that a judge is shown. More costs without end, and fits into few contexts."""

_REASONING = ReasoningTags("<think>,</think>")


class JudgeOptions(ModelGraderOptions, frozen=True, kw_only=True):
    """Options of the judge."""

    prompt: Annotated[
        Literal["equivalence", "problem", "pairwise"],
        Meta(
            description="What is asked: whether the final answer is equivalent to the expected one (no problem is shown);"
            " whether the solution reaches the expected answer to the problem; or whether the solution or the reference"
            " solution is better."
        ),
    ] = "equivalence"
    swap: Annotated[
        bool | None,
        Meta(
            description="Ask a second time with the two things that are compared in the other order, and decide only if"
            " both replies agree. Default: only for pairwise."
        ),
    ] = None


class Case(NamedTuple):
    """What is to be judged: the question in both orders, the answer that was found, and the rule that found it."""

    question: Question
    swapped: Question
    answer: str | None = None
    rule: str | None = None


class JudgeGrader(ModelGrader):
    """Asks for a verdict on the last line of the reply, and takes nothing else for one."""

    name = "judge"
    summary = "A model judges: equivalence of answers, correctness of solutions, or which solution is better."
    source = "Zheng et al. 2023, arXiv:2306.05685 (position bias, and verdicts from both orders)"
    Options = JudgeOptions

    def questions(
        self, problem: Problem, transcript: Transcript, options: JudgeOptions, answer: str | None
    ) -> Verdict | tuple[Question, ...]:
        """One question, with `swap` two; a Verdict where an answer, what to compare it with, or any difference is missing."""
        case = _case(problem, transcript, options, answer)
        if isinstance(case, Verdict):
            return case
        return (case.question, case.swapped) if _swaps(options) else (case.question,)

    def conclude(
        self,
        problem: Problem,
        transcript: Transcript,
        options: JudgeOptions,
        answer: str | None,
        replies: Sequence[str],
    ) -> Verdict:
        """What the replies agree on; `error` where one cannot be parsed, or where the order decided."""
        case = _case(problem, transcript, options, answer)
        if isinstance(case, Verdict):
            return case
        style = STYLES[options.prompt]
        try:
            judgements = [
                _judgement(reply, meaning)
                for reply, meaning in zip(replies, (style.meaning, style.swapped), strict=False)
            ]
        except Unreadable as error:
            return _error(f"judge's reply could not be parsed: {error}", case.answer)
        first, *others = judgements
        if any(other != first for other in others):
            said = ", in the other order: ".join(judgement.said for judgement in judgements)
            return _error(f"undecided: {said}", case.answer)
        reason = f"the judge says: {first.said}" + (" (in both orders)" if others else "")
        return Verdict(
            state=first.state,
            answer=case.answer,
            reason=f"{case.rule}; {reason}" if case.rule else reason,
            score=first.score,
        )

    def group(self, answers: Sequence[str], options: Any) -> list[int]:
        """Classes of equal answers, as the maths grader compares them: a vote must not cost requests."""
        from skillforge_math_grader import group

        return group(answers)


def _judgement(reply: str, meaning: Mapping[str, Judgement]) -> Judgement:
    return meaning[read_verdict(reply, meaning)]


def _swaps(options: JudgeOptions) -> bool:
    return options.prompt == "pairwise" if options.swap is None else options.swap


def _case(problem: Problem, transcript: Transcript, options: JudgeOptions, answer: str | None) -> Case | Verdict:
    solution = _REASONING.split(transcript.answer_text)[1].strip()
    if options.prompt == "pairwise":
        return _pairwise(problem, solution)
    if problem.expected_answer is None or not problem.expected_answer.strip():
        return _error("the problem has no expected answer")
    expected = problem.expected_answer.strip()
    if len(expected) > MAX_SHOWN:
        return _too_long("expected answer", expected)
    found, rule = _final_answer(solution, answer)
    if options.prompt == "problem":
        return _problem(problem.question, expected, solution, found, rule)
    return _equivalence(expected, found, rule)


def _final_answer(solution: str, answer: str | None) -> tuple[str | None, str | None]:
    """The final answer as it may be stored, and the rule that found it; (None, None) where there is none."""
    if answer is not None and answer.strip():
        return answer.strip(), "read by the prompt style"
    from skillforge_math_grader import extract

    found = extract(solution)
    return (found.answer.strip(), found.rule) if found else (None, None)


def _equivalence(expected: str, found: str | None, rule: str | None) -> Case | Verdict:
    if found is None:
        return Verdict(state="no-answer", reason="no answer found")
    if found == expected:
        return Verdict(state="correct", answer=_stored(found), reason=f"{rule}; identical text")
    if len(found) > MAX_SHOWN:
        return _too_long("answer", found)
    return Case(ask_equivalence(expected, found), ask_equivalence(found, expected), _stored(found), rule)


def _problem(question: str, expected: str, solution: str, found: str | None, rule: str | None) -> Case | Verdict:
    if not solution:
        return Verdict(state="no-answer", reason="the model wrote nothing")
    correct = ("Correct answer", expected)
    judged = ("Solution to judge", solution)
    if len(solution) > MAX_SHOWN:  # a final answer stands last
        judged = (f"Solution to judge (its last {MAX_SHOWN} characters)", solution[-MAX_SHOWN:])
    stored = None if found is None else _stored(found)
    return Case(ask_correct(question, correct, judged), ask_correct(question, judged, correct), stored, rule)


def _pairwise(problem: Problem, solution: str) -> Case | Verdict:
    reference = (problem.reference_solution or "").strip()
    if not reference:
        return _error("the problem has no reference solution")
    if not solution:
        return Verdict(state="no-answer", reason="the model wrote nothing")
    if solution == reference:
        tie = STYLES["pairwise"].meaning["tie"]
        return Verdict(state=tie.state, reason="identical text", score=tie.score)
    for what, text in (("reference solution", reference), ("solution", solution)):
        if len(text) > MAX_SHOWN:
            return _too_long(what, text)
    question = problem.question
    return Case(ask_better(question, solution, reference), ask_better(question, reference, solution))


def _too_long(what: str, text: str) -> Verdict:
    return _error(f"the {what} has {len(text)} characters, and a judge is shown at most {MAX_SHOWN}")


def _error(reason: str, answer: str | None = None) -> Verdict:
    return Verdict(state="error", answer=answer, reason=reason)


def _stored(answer: str) -> str:
    """`answer` as a verdict holds it: no halves of surrogate pairs, which UTF-8 cannot hold."""
    return answer if answer.isascii() else answer.encode("utf-8", "backslashreplace").decode("utf-8")


@hookimpl
def skillforge_grader() -> Grader:
    return JudgeGrader()
