"""How the submission that won the first AIMO progress prize reads and filters answers, with all its quirks.

After project-numina/aimo-progress-prize, kaggle-solution.ipynb; the normal form is that of Lewkowycz et al. 2022
(arXiv:2206.14858), appendix D. Written anew from what these functions do.
"""

from __future__ import annotations

import re

WINDOW = 100
"""Characters at the end of a text in which an answer is looked for."""

MODULUS = 1000

_REPLACED = (
    ("an ", ""), ("a ", ""), (".$", "$"), ("\\$", ""), ("\\ ", ""), (" ", ""), ("mbox", "text"), (",\\text{and}", ","),
    ("\\text{and}", ","), ("\\text{m}", "\\text{}"), ("\\le", "<"),
)  # fmt: skip
_REMOVED = (
    "square", "ways", "integers", "dollars", "mph", "inches", "ft", "hours", "km", "units", "\\ldots", "sue", "points",
    "feet", "minutes", "digits", "cents", "degrees", "cm", "gm", "pounds", "meters", "meals", "edges", "students",
    "childrentickets", "multiples", "\\text{s}", "\\text{.}", "\\text{\ns}", "\\text{}^2", "\\text{}^3", "\\text{\n}",
    "\\text{}", "\\mathrm{th}", "^\\circ", "^{\\circ}", "\\;", ",\\!", "{,}", '"', "\\dots", "\n", "\r", "\f",
)  # fmt: skip
_UNWRAPPED = (r"\\text\{(.*?)\}", r"\\textbf\{(.*?)\}", r"\\overline\{(.*?)\}", r"\\boxed\{(.*)\}")
_LAST_OF = (r"finalansweris(.*)", r"answer?is:?(.*)", r"oxed\{(.*?)\}", r"\$(.*?)\$")


def read_answer(text: str) -> str | None:
    """What is boxed, or follows "answer is", in the last 100 characters of `text`, in its normal form."""
    tail = text[-WINDOW:]
    if "\\boxed" in tail:
        boxed = _last_boxed(tail)
        return None if boxed is None else normalized(boxed)
    return normalized(tail) if "answer is" in tail else None


def to_integer(answer: str) -> int | None:
    """`answer` rounded, half to even, modulo 1000; None where it is negative or no number that Python's float() reads."""
    try:
        value = round(float(answer))
    except (ValueError, OverflowError):
        return None
    return value % MODULUS if value >= 0 else None


def normalized(answer: str) -> str:
    """The normal form: without articles, units and spaces, and of a sentence what it says the answer is."""
    answer = answer.partition("Problem:")[0]
    for old, new in _REPLACED:
        answer = answer.replace(old, new)
    for word in _REMOVED:
        answer = answer.replace(word, "")
    for pattern in _UNWRAPPED:
        answer = re.sub(pattern, r"\1", answer)
    for pattern in _LAST_OF:
        if found := re.findall(pattern, answer):
            answer = found[-1]
    answer = answer.strip()
    if "rac" in answer and "\\frac" not in answer:
        answer = answer.replace("rac", "\\frac")
    answer = re.sub(r"(frac)([^{])(.)", r"frac{\2}{\3}", answer)
    answer = re.sub(r"(sqrt)([^{])", r"sqrt{\2}", answer).replace("$", "")
    return answer.replace(",", "") if answer.replace(",", "").isdigit() else answer


def _last_boxed(text: str) -> str | None:
    """What stands in the braces of the last `\\boxed`; None where these do not follow at once or are not closed."""
    start = text.rfind("\\boxed")
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0 and text[at] == "}":
            found = text[start : at + 1]
            return found[len("\\boxed{") : -1] if found.startswith("\\boxed{") else None
    return None
