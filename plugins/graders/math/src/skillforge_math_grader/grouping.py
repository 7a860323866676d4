"""Equivalence classes of answers, for majority votes."""

from __future__ import annotations

from collections.abc import Sequence

from skillforge_math_grader.answer import Answer, read
from skillforge_math_grader.check import check
from skillforge_math_grader.effort import many_pairs, one_pair
from skillforge_math_grader.identity import fingerprint, is_arithmetic
from skillforge_math_grader.tree import Number, Quantity

MAX_REPRESENTATIVES = 64
"""So many classes are compared pair by pair; an answer beyond joins a class by its canonical form alone."""


def group(answers: Sequence[str], policy: str = "default") -> list[int]:
    """The number of each answer's class; numbers are in order of first appearance.

    Answers with the same canonical form are one class. Classes are then joined where `check` finds their first members
    equal; two plain numbers need no such check. An answer with a unit or a percent sign joins last, so that 50% votes with
    the bare 50 where somebody answers that, else with 0.5. Near-linear for typical sets: few classes, many answers.
    """
    with many_pairs():
        return _group(answers, policy)


def _group(answers: Sequence[str], policy: str) -> list[int]:
    forms = [_canonical(answer, policy) for answer in answers]
    first: dict[object, str] = {}
    for answer, form in zip(answers, forms, strict=True):
        first.setdefault(form, answer)
    classes: dict[object, object] = {}
    representatives: list[object] = []
    for form in sorted(first, key=lambda form: isinstance(read(first[form]).node, Quantity)):
        equal = classes.get(_without_unit(first[form]))
        if equal is None:
            equal = next((other for other in representatives if _joins(form, other, first, policy)), None)
        classes[form] = form if equal is None else equal
        if equal is None and len(representatives) < MAX_REPRESENTATIVES:
            representatives.append(form)
    numbers: dict[object, int] = {}
    return [numbers.setdefault(classes[form], len(numbers)) for form in forms]


def _joins(form: object, other: object, first: dict[object, str], policy: str) -> bool:
    if isinstance(form, Number) and isinstance(other, Number):
        return False
    return check(first[other], first[form], policy).equal


def _without_unit(answer: str) -> Number | None:
    """The bare number in an answer that has a unit."""
    match read(answer).node:
        case Quantity(Number(value)):
            return Number(value)
    return None


def _canonical(answer: str, policy: str) -> object:
    form = read(answer)
    try:
        with one_pair():
            return _form(form, policy)
    except (RecursionError, ArithmeticError, TypeError, ValueError):  # a fault of ours costs one answer its place
        return form.key


def _form(form: Answer, policy: str) -> object:
    if policy != "default":
        return form.text
    if isinstance(form.node, Number):
        return Number(form.node.value)
    if form.fault is None and not isinstance(form.node, Quantity) and is_arithmetic(form.node):
        return fingerprint(form.node)
    return form.key
