"""Answers in words: folding, synonyms, numbers in words, dates and times."""

from __future__ import annotations

import re
from fractions import Fraction

_ARTICLES = re.compile(r"\b(?:a|an|the)\b ?")
_PUNCTUATION = re.compile(r"[\"'.,;:!?()\[\]{}*`$]+")
_WORDS = re.compile(r"[A-Za-z']+(?:-[A-Za-z']{3,})*(?: [A-Za-z']+(?:-[A-Za-z']{3,})*)*")
_LISTED = re.compile(r", and |, or |, ?| and | or |; ?")
_OPENING = re.compile(r"^(?:there (?:is|are)|it|on|exactly|series) ")
_SPACES = re.compile(r"\s+")

_AGREEMENT = re.compile(r"(?i)(yes|no|true|false)(?:\s*[,.;:!]|\s+because\b)(?!.*\b(?:yes|no|true|false)\b)")

_SYNONYMS = {
    synonym: meaning
    for meaning, synonyms in {
        "yes": "true|correct",
        "no": "false|incorrect",
        "undefined": "does not exist|dne|doesn t exist|not defined|no limit",
        "impossible": "not possible",
        "diverges": "divergent",
        "converges": "convergent",
        "no solution": "no solutions|no real solutions|no real solution|empty set|emptyset|none exist|no such value"
        "|no such values",
        "all real numbers": "all reals|reals|any real number|real numbers|set of all real numbers|set of real numbers",
        "all integers": "integers",
        "infinitely many": "infinitely many solutions|infinite|infinite solutions",
        "neither": "neither even nor odd",
        "not enough information": "cannot be determined|can t be determined",
    }.items()
    for synonym in synonyms.split("|")
}
"""Folded words -> the ones that stand for them."""

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_SMALL = {word: number for number, word in enumerate(_UNITS.split())} | {
    word: 10 * number for number, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4, "fifth": 5,
          "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8, "tenth": 10, "tenths": 10}  # fmt: skip

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(f"{month[:3]}(?:{month[3:]})?" if month[3:] else month for month in _MONTHS) + "|sept"
_DATE = re.compile(
    rf"(?:(?P<month>{_MONTH})\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?"
    rf"|(?P<day2>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<month2>{_MONTH})\.?)"
    r"(?:,? (?P<year>\d{4}))?",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?P<hour>\d{1,2})(?: ?: ?(?P<minute>\d{2}))?(?: ?: ?(?P<second>\d{2}))? ?(?P<half>[ap]\.? ?m\.?)?(?: hours)?",
    re.IGNORECASE,
)


_NAMED_TIMES = {"noon": "12:00 pm", "midnight": "12:00 am", "12 noon": "12:00 pm", "12 midnight": "12:00 am"}


def fold(text: str) -> str:
    """`text` in lower case, without articles, punctuation and double spaces."""
    folded = _PUNCTUATION.sub(" ", text.replace("-", " ").casefold())
    return _SPACES.sub(" ", _ARTICLES.sub("", _SPACES.sub(" ", folded))).strip()


def is_words(text: str) -> bool:
    """Whether a normalised answer is made of words alone."""
    return (len(text) > 2 or text in ("no", "No", "NO")) and _WORDS.fullmatch(text) is not None


def agreement(text: str) -> str | None:
    """`yes` or `no` where an answer begins with such a word and explains it: `No, 91 is 7 times 13`."""
    found = _AGREEMENT.match(text)
    return meaning(found[1].casefold()) if found else None


def listed_words(text: str) -> list[str]:
    """The items of `red, green and blue`; a single one where not all of them are words."""
    items = _LISTED.split(text)
    return items if all(is_words(item) for item in items) else [text]


def meaning(folded: str) -> str:
    """The folded words, or the ones that stand for all of their synonyms."""
    folded = _OPENING.sub("", folded)
    return _SYNONYMS.get(folded, folded)


def number_in_words(folded: str) -> Fraction | None:
    """`forty two`, `one hundred and five`, `two thirds`, `minus one`."""
    words = folded.split(" ")
    negative = words[0] in ("minus", "negative")
    words = words[negative:]
    if not words or words[-1] not in _PARTS:
        value = _whole([word for word in words if word != "and"])
    elif "and" in words:  # two and a half, twenty and one third
        at = len(words) - 1 - words[::-1].index("and")
        whole, part = _whole([word for word in words[:at] if word != "and"]), _part(words[at + 1 :])
        value = whole + part if whole is not None and part is not None and part < 1 else None
    else:
        value = _part(words)
    return -value if negative and value is not None else value


def _part(words: list[str]) -> Fraction | None:
    """`half`, `two thirds`."""
    over = _whole(words[:-1]) if words[:-1] else Fraction(1)
    return over / _PARTS[words[-1]] if over is not None else None


def _whole(words: list[str]) -> Fraction | None:
    """`one hundred five thousand`; a scale with nothing before it counts once: `a hundred` has lost its article."""
    total, group, smallest, least_scale = 0, 0, 0, 10**12
    for word in words:
        if word in _SMALL:
            number = _SMALL[word]
            if smallest and not (smallest >= 20 and number < 10):
                return None
            group, smallest = group + number, number
        elif word == "hundred" and group < 100 and len(words) > 1 - (not group):
            group, smallest = (group or 1) * 100, 0
        elif word in _SCALES and word != "hundred" and _SCALES[word] < least_scale:
            least_scale = _SCALES[word]
            total, group, smallest = total + (group or 1) * least_scale, 0, 0
        else:
            return None
    return Fraction(total + group) if words else None


def date_of(text: str) -> tuple[int, int, int | None] | None:
    """(month, day, year) of `June 20` or `20th of June, 2024`."""
    found = _DATE.fullmatch(text.replace("\\", "").strip())
    if found is None:
        return None
    month = (found["month"] or found["month2"]).lower()[:3]
    number = next(at for at, name in enumerate(_MONTHS, 1) if name.startswith(month))
    year = found["year"]
    return number, int(found["day"] or found["day2"]), int(year) if year else None


def time_of(text: str) -> tuple[int, int, str] | None:
    """(seconds since 0:00 as written, seconds, `am`, `pm` or "") of `4:30 p.m.`, `16:30` or `5 pm`."""
    text = _NAMED_TIMES.get(text.strip().casefold(), text.strip())
    found = _TIME.fullmatch(text)
    if found is None or not (found["minute"] or found["half"]):
        return None
    hour, minute, second = int(found["hour"]), int(found["minute"] or 0), int(found["second"] or 0)
    if hour > 24 or minute > 59 or second > 59 or (found["half"] and hour > 12):
        return None
    half = (found["half"] or "").lower().replace(".", "").replace(" ", "")
    return hour * 3600 + minute * 60 + second, second, half


def same_time(one: tuple[int, int, str], two: tuple[int, int, str]) -> bool:
    """Whether two times are the same; one without "a.m." or "p.m." may be read on a face of 12 or of 24 hours."""
    if one[2] and two[2]:
        return _of_day(one) == _of_day(two)
    if one[2] or two[2]:
        marked, bare = (one, two) if one[2] else (two, one)
        return bare[0] in (marked[0], _of_day(marked))
    return one[0] == two[0]


def _of_day(time: tuple[int, int, str]) -> int:
    seconds, _, half = time
    return seconds % 43200 + (43200 if half == "pm" else 0)
