"""Light normalisation: two answers written in different styles become the same text where nothing but style differs."""

from __future__ import annotations

import re
import unicodedata

MAX_CHARS = 6000
"""Longer answers are only stripped: normalising Unicode takes quadratic time on hostile text."""

_UNICODE = str.maketrans(
    dict.fromkeys("−–‐‑﹣－", "-") | {"⁄": "/", "∕": "/", "°": "", "×": r"\times ", "·": r"\cdot ", "π": r"\pi "}
)
_VULGAR = re.compile("[¼-¾⅐-⅞↉]")
_RAISED = re.compile("[²³¹⁰⁴-⁹⁺⁻]+")
_LOWERED = re.compile("[₀-₉]+")

_WRAPPER = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname|boxed|fbox)\s*+\{([^{}]*+)\}"
)
_COMMAND = re.compile(
    r"\\(?:(?P<drop>[!()\[\]]|(?:left|right|displaystyle|big|Big)(?![A-Za-z]))"
    r"|(?P<space>[,;:> ]|q?quad(?![A-Za-z]))"
    r"|(?P<frac>[dtc]frac(?![A-Za-z]))"
    r"|(?P<self>[%$]))"
)
_DEGREES = re.compile(r"\^ ?(?:\{ ?\\circ ?\}|\\circ(?![A-Za-z]))")
_NUMERIC_FRACTION = re.compile(r"(?<![\^_])\\frac ?(?:\{ ?(-?[0-9.,]++) ?\} ?\{ ?(-?[0-9.,]++) ?\}|([0-9])([0-9]))")
_SINGLE_BRACED = re.compile(r"([_^]) ?\{ ?([0-9A-Za-z]) ?\}")
_SPACES = re.compile(r"[\s~]+")
_LOOSE_SPACE = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])")
_WORDS = re.compile(r"[A-Za-z]{2,}(?: [A-Za-z]+)*+")


def normalise(text: str) -> str:
    """`text` without LaTeX and Markdown dressing, in NFKC, single-spaced: `$\\dfrac{1}{2}$.` becomes `1/2`.

    Only style is removed. Units, percent signs and thousands separators stay: they are read with the number.
    """
    if len(text) > MAX_CHARS:
        return text.strip()
    if not text.isascii():
        text = _plain_unicode(text)
    if "\\" in text:
        text = _plain_latex(text)
    text = _SPACES.sub(" ", _SINGLE_BRACED.sub(r"\1\2", text.replace("$", "").replace("{,}", ",")))
    return text.strip(" *`").rstrip(" .,;:*`")


def text_key(normalised: str) -> str:
    """What two answers that are not numbers must share: no loose spaces; words regardless of case."""
    if len(normalised) > MAX_CHARS:
        return normalised
    key = _LOOSE_SPACE.sub("", normalised)
    return key.casefold() if _WORDS.fullmatch(key) else key


def _plain_unicode(text: str) -> str:
    # Before NFKC, which would make 10³ into 103 and 3½ into 31/2.
    text = _VULGAR.sub(lambda found: " " + unicodedata.normalize("NFKC", found[0]), text)
    text = _RAISED.sub(lambda found: "^{" + unicodedata.normalize("NFKC", found[0]) + "}", text)
    text = _LOWERED.sub(lambda found: "_{" + unicodedata.normalize("NFKC", found[0]) + "}", text)
    return unicodedata.normalize("NFKC", text.translate(_UNICODE)).translate(_UNICODE)


def _plain_latex(text: str) -> str:
    text = _COMMAND.sub(_plain_command, text)
    for _ in range(3):  # nested wrappers; deeper ones are nobody's answer
        text, count = _WRAPPER.subn(r"\1", text)
        if not count:
            break
    text = _DEGREES.sub("", text)
    return _NUMERIC_FRACTION.sub(lambda found: f" {found[1] or found[3]}/{found[2] or found[4]}", text)


def _plain_command(found: re.Match[str]) -> str:
    if found["space"]:
        return " "
    if found["frac"]:
        return r"\frac"
    return found["self"] or ""
