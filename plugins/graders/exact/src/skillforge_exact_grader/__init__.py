"""The grader `exact`: answers that must match as they are written, or as one number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal

from msgspec import Meta

from skillforge import Grader, PartOptions, Problem, Transcript, Verdict, hookimpl
from skillforge_math_grader import extract

SKILLFORGE_CONTRACT = 1

MAX_CHARS = 20_000
"""Longer answers are compared as they are: normalising Unicode takes quadratic time on hostile text."""

MAX_DIGITS = 1_000
"""Longer numerals are no numbers here."""

_SPACES = re.compile(r"\s+")
_DRESSING = " \t\n\"'`*“”‘’«»"
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-−]?)[$€£]?(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]*+)(?P<decimals>\.[0-9]+)?"
    r"(?:/(?P<under>[0-9]+)|[eE](?P<power>[-+]?[0-9]{1,3})(?![0-9]))?"
)


class ExactOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the grader `exact`."""

    mode: Annotated[
        Literal["text", "numeric", "verbatim"],
        Meta(
            description="Compare texts without regard to spacing and dressing, the last number of each, or every character."
        ),
    ] = "text"
    find: Annotated[
        Literal["whole", "text", "math", "number"],
        Meta(
            description="Where the answer stands: the whole text is one, or the rules of the math grader for that kind find it."
        ),
    ] = "text"
    ignore_case: Annotated[bool, Meta(description="In mode text, whether case makes no difference.")] = True
    tolerance: Annotated[
        Annotated[float, Meta(ge=0, lt=1)],
        Meta(description="In mode numeric, the largest difference, as a share of the expected number; 0 is exact."),
    ] = 0.0
    accepted: Annotated[
        str | None, Meta(description="Field of a problem's metadata that lists more answers that are right.")
    ] = None


class ExactGrader(Grader):
    """Compares normalised texts, or exact numbers. Evaluates nothing."""

    name = "exact"
    summary = "Compares answers as they are written, or as one number."
    Options = ExactOptions

    def grade(
        self, problem: Problem, transcript: Transcript, options: ExactOptions, answer: str | None = None
    ) -> Verdict:
        """`correct` where the answer matches one that is expected; `error` for a problem without any."""
        expected = [text for text in _expected(problem, options.accepted) if text.strip()]
        if not expected:
            return Verdict(state="error", reason="the problem has no expected answer")
        found, rule = _find(transcript, options, answer)
        if not found.strip():
            return Verdict(state="no-answer", reason="no answer found")
        matched = any(_same(text, found, options) for text in expected)
        how = {"text": "text", "numeric": "number", "verbatim": "every character"}[options.mode]
        reason = f"{rule}; {'the same' if matched else 'another'} {how}"
        return Verdict(state="correct" if matched else "wrong", answer=_storable(found), reason=reason)

    def group(self, answers: Sequence[str], options: ExactOptions) -> list[int]:
        """Classes of answers that are the same in the mode; where there is a tolerance, of the same number."""
        numbers: dict[object, int] = {}
        return [numbers.setdefault(_form(answer, options), len(numbers)) for answer in answers]


def normal(text: str, ignore_case: bool) -> str:
    """`text` in NFKC, single-spaced, without quotes, Markdown and full stops around it."""
    if len(text) > MAX_CHARS:
        return text
    plain = _SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip(_DRESSING).rstrip(".").strip(_DRESSING)
    return plain.casefold() if ignore_case else plain


def last_number(text: str) -> Fraction | None:
    """The last number in `text`, exactly: integers, thousands groups, decimals and fractions."""
    last = None
    for found in _NUMBER.finditer(text[-MAX_CHARS:]):
        whole, decimals = found["whole"].replace(",", ""), (found["decimals"] or ".")[1:]
        if (not whole and not decimals) or len(whole) + len(decimals) + len(found["under"] or "") > MAX_DIGITS:
            continue
        value = Fraction(int((whole or "0") + decimals), 10 ** len(decimals))
        value *= Fraction(10) ** int(found["power"] or 0)
        under = int(found["under"] or 1)
        last = (-value if found["sign"] else value) / under if under else None
    return last


def _form(answer: str, options: ExactOptions) -> object:
    """What answers share that are the same in the mode."""
    if options.mode == "verbatim":
        return answer.strip()
    number = last_number(answer) if options.mode == "numeric" else None
    return normal(answer, options.ignore_case) if number is None else number


def _expected(problem: Problem, accepted: str | None) -> list[str]:
    more = problem.metadata.get(accepted, []) if accepted else []
    listed = [more] if isinstance(more, str) else list(more) if isinstance(more, list | tuple) else [str(more)]
    return [problem.expected_answer or "", *map(str, listed)]


def _find(transcript: Transcript, options: ExactOptions, answer: str | None) -> tuple[str, str]:
    if answer is not None and answer.strip():
        return answer, "read by the prompt style"
    text = transcript.answer_text
    if options.find == "whole":
        return text, "the whole text"
    found = extract(text, options.find)
    return (found.answer, found.rule) if found else ("", "")


def _same(expected: str, found: str, options: ExactOptions) -> bool:
    if options.mode == "verbatim":
        return expected.strip() == found.strip()
    if options.mode == "text":
        return normal(expected, options.ignore_case) == normal(found, options.ignore_case)
    one, two = last_number(expected), last_number(found)
    return one is not None and two is not None and abs(one - two) <= abs(one) * Fraction(options.tolerance)


def _storable(answer: str) -> str:
    """Lone surrogates, which UTF-8 cannot hold, as escapes."""
    return answer.encode("utf-8", "backslashreplace").decode("utf-8")


@hookimpl
def skillforge_grader() -> Grader:
    return ExactGrader()
