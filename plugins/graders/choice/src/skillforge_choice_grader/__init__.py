"""The grader `choice`: multiple-choice answers, by their letter or by the text of the option."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta

from skillforge import Grader, PartOptions, Problem, Transcript, Verdict, hookimpl
from skillforge_math_grader import check, extract

SKILLFORGE_CONTRACT = 1

LETTERS = "ABCDEFGHIJ"
_NOTHING = "it is no letter and no option"

_LETTER = re.compile(r"(?:\\text\{)?\s*[(\[]?([A-Ja-j])[)\]]?\s*\}?\s*[.:)]?")
_LABELLED = re.compile(r"\s*[(\[]?([A-J])[)\].:]+\s*(?P<text>\S.*)", re.DOTALL)
_LABELS_IN_LINE = re.compile(r"(?:^|(?<=\s))[(\[]?([A-J])[)\]][:.]?\s*")
_SPACES = re.compile(r"\s+")


class ChoiceOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the grader `choice`."""

    choices_field: Annotated[
        str,
        Meta(
            description="Field of a problem's metadata with its options: a list, a mapping by letter, or `A) … B) …`."
        ),
    ] = "choices"


class ChoiceGrader(Grader):
    """Finds the chosen letter, or the option whose text was given, and compares it with the expected one."""

    name = "choice"
    summary = "Judges the letters and texts of multiple-choice answers."
    Options = ChoiceOptions

    def grade(
        self, problem: Problem, transcript: Transcript, options: ChoiceOptions, answer: str | None = None
    ) -> Verdict:
        """`no-answer` where no option, or more than one, is chosen; `error` where the problem does not say which is right."""
        choices = read_choices(problem.metadata.get(options.choices_field))
        if len(choices) > len(LETTERS):
            return Verdict(state="error", reason=f"{len(choices)} options: there are letters for {len(LETTERS)}")
        expected = _chosen(problem.expected_answer or "", choices)
        if isinstance(expected, str):
            return Verdict(state="error", reason=f"the expected answer is no option: {expected}")
        (right, _), text = expected, transcript.answer_text
        if choices and right not in choices:
            return Verdict(state="error", reason=f"the expected answer is no option: there is no option {right}")
        candidates = [(answer, "read by the prompt style")] if answer is not None and answer.strip() else _stated(text)
        if not candidates:
            return Verdict(state="no-answer", reason="no option is stated as the answer")
        readings = [(found, rule, _chosen(found, choices)) for found, rule in candidates]
        found, rule, chosen = next((reading for reading in readings if reading[2] != _NOTHING), readings[-1])
        if isinstance(chosen, str):
            return Verdict(state="no-answer", answer=_storable(found), reason=f"{rule}; {chosen}")
        letter, how = chosen
        if choices and letter not in choices:
            return Verdict(state="wrong", answer=letter, reason=f"{rule}; there is no option {letter}")
        return Verdict(state="correct" if letter == right else "wrong", answer=letter, reason=f"{rule}; {how}")

    def group(self, answers: Sequence[str], options: ChoiceOptions) -> list[int]:
        """Classes by letter; answers that are none, by their text."""
        numbers: dict[str, int] = {}
        return [numbers.setdefault(_letter(answer) or _folded(answer), len(numbers)) for answer in answers]


def read_choices(given: object) -> dict[str, str]:
    """Letter -> text of the option, out of a list, a mapping, or one line `A) … B) …`; empty where there are none."""
    if isinstance(given, Mapping):
        return {str(letter).upper(): str(text) for letter, text in given.items()}
    if isinstance(given, str):
        pieces = _LABELS_IN_LINE.split(given)
        return {letter: text.strip() for letter, text in zip(pieces[1::2], pieces[2::2], strict=True)}
    if isinstance(given, list | tuple):
        letters = (chr(ord("A") + at) for at in range(len(given)))
        return {letter: _without_label(letter, str(text)) for letter, text in zip(letters, given, strict=True)}
    return {}


def _stated(text: str) -> list[tuple[str, str]]:
    """What is stated as the answer, in words and as a letter, with the rules that found it."""
    found = (extract(text, "text"), extract(text, "choice"))
    return [(stated.answer, stated.rule) for stated in found if stated is not None]


def _without_label(letter: str, text: str) -> str:
    found = _LABELLED.fullmatch(text)
    return found["text"] if found and found[1] == letter else text


def _chosen(answer: str, choices: Mapping[str, str]) -> tuple[str, str] | str:
    """The letter that `answer` chooses and how it says so; else why it chooses none."""
    matching = [letter for letter, text in choices.items() if _folded(text) == _folded(answer)]
    if len(matching) == 1 and (len(answer.strip()) > 1 or not _letter(answer)):
        return matching[0], "the text of the option"
    if (letter := _letter(answer)) is not None:
        return letter, "the letter"
    labelled = _LABELLED.fullmatch(answer)
    if labelled and labelled[1] in choices:
        return _labelled(labelled[1], labelled["text"], choices)
    matching = matching or [letter for letter, text in choices.items() if check(text, answer).equal]
    if len(matching) == 1:
        return matching[0], "the value of the option"
    return "it fits several options" if matching else _NOTHING


def _labelled(letter: str, text: str, choices: Mapping[str, str]) -> tuple[str, str] | str:
    """`B) 12 cm`: the letter, unless the text is that of another option."""
    if _folded(text) == _folded(choices[letter]) or check(choices[letter], text).equal:
        return letter, "the letter and the text of the option"
    others = [other for other, option in choices.items() if _folded(option) == _folded(text)]
    return f"the letter {letter} with the text of {others[0]}" if others else (letter, "the letter")


def _letter(answer: str) -> str | None:
    found = _LETTER.fullmatch(answer.strip()) if len(answer) < 40 else None
    return found[1].upper() if found else None


def _folded(text: str) -> str:
    return _SPACES.sub(" ", text).strip(" .*$").casefold()


def _storable(answer: str) -> str:
    """Lone surrogates, which UTF-8 cannot hold, as escapes."""
    return answer.encode("utf-8", "backslashreplace").decode("utf-8")


@hookimpl
def skillforge_grader() -> Grader:
    return ChoiceGrader()
