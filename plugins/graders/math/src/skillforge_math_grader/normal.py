"""Light normalisation: two answers written in different styles become the same text where nothing but style differs."""

from __future__ import annotations

import re
import unicodedata

MAX_CHARS = 20_000
"""Longer answers are only stripped: normalising Unicode takes quadratic time on hostile text."""

DOLLAR = "＄"
"""A dollar sign that stands for money, once the ones that delimit mathematics are told apart."""

_UNICODE = str.maketrans(
    dict.fromkeys("−–‐‑﹣－", "-")
    | dict.fromkeys("⁄∕", "/")
    | dict.fromkeys("“”„", '"')
    | dict.fromkeys("‘’′", "'")
    | {"″": "''", "°": r"^\circ ", "º": r"^\circ ", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": r"\div "}
    | {
        "≤": r"\le ",
        "⩽": r"\le ",
        "≥": r"\ge ",
        "⩾": r"\ge ",
        "≠": r"\ne ",
        "≈": r"\approx ",
        "±": r"\pm ",
        "∓": r"\mp ",
    }
    | {
        "∞": r"\infty ",
        "√": r"\sqrt ",
        "∛": r"\sqrt[3] ",
        "∪": r"\cup ",
        "∩": r"\cap ",
        "∈": r"\in ",
        "∅": r"\emptyset ",
    }
    | {
        "∖": r"\setminus ",
        "ℝ": r"\mathbb{R}",
        "ℤ": r"\mathbb{Z}",
        "ℕ": r"\mathbb{N}",
        "ℚ": r"\mathbb{Q}",
        "ℂ": r"\mathbb{C}",
    }
    | {"→": r"\to ", "⇒": r"\implies ", "⟨": r"\langle ", "⟩": r"\rangle ", "⌊": r"\lfloor ", "⌋": r"\rfloor "}
    | {"⌈": r"\lceil ", "⌉": r"\rceil ", "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "∨": r"\vee ", "∧": r"\wedge "}
    | {
        "˚": r"^\circ ",
        "∙": r"\cdot ",
        "∜": r"\sqrt[4] ",
        "≡": r"\equiv ",
        "⊥": r"\perp ",
        "∥": r"\parallel ",
        "Ø": r"\emptyset ",
    }
    | dict.fromkeys("‒—―", "-")
    | {"ℓ": r"\ell ", "ℏ": r"\hbar "}
    | dict.fromkeys("✅✓✔☑∎■□•", " ")
    | {"…": "...", "⋯": "...", "∣": "|", "𝑖": "i", "∠": r"\angle ", "△": r"\triangle ", "∆": r"\Delta "}
)
_GREEK = {
    chr(code): rf"\{name.split()[-1].lower() if 'SMALL' in name else name.split()[-1].capitalize()} "
    for code in (*range(0x391, 0x3AA), *range(0x3B1, 0x3CA))
    for name in [unicodedata.name(chr(code), "")]
    if name and "FINAL" not in name
}
_UNICODE |= str.maketrans(_GREEK | {"λ": r"\lambda ", "Λ": r"\Lambda ", "ϕ": r"\phi ", "ϵ": r"\epsilon "})
_VULGAR = re.compile("[¼-¾⅐-⅞↉]")
_RAISED = re.compile("[²³¹⁰⁴-⁹⁺⁻ⁿ]+")
_LOWERED = re.compile("[₀-₉]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")

_WRAPPER = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|emph|math(?:rm|bf|it|sf|tt|cal|normal)|mbox|hbox|operatorname\*?|boldsymbol|boxed|fbox)"
    r"\s*+\{([^{}]*+)\}"
)
_COMMAND = re.compile(
    r"\\(?:(?P<row>\\)|(?P<drop>[!()\[\]]|(?:left|right|displaystyle|textstyle|limits|nolimits|[bB]igg?[lrm]?)(?![A-Za-z]))"
    r"|(?P<space>[,;:> \n]|(?:q?quad|thinspace|enspace|space)(?![A-Za-z]))"
    r"|(?P<frac>[dtc]frac(?![A-Za-z]))"
    r"|(?P<binom>[dt]binom(?![A-Za-z]))"
    r"|(?P<self>[%$#&_])"
    r"|(?P<percent>percent(?![A-Za-z]))"
    r"|(?P<degree>degrees?(?![A-Za-z]))"
    r"|(?P<synonym>(?:leq|leqslant|geq|geqslant|neq|rightarrow|longrightarrow|varnothing|ldots|cdots|dots|lbrace|rbrace|lvert"
    r"|rvert|vert|gets|Rightarrow|lor|land|ast|colon)(?![A-Za-z])))"
)
_SYNONYMS = {
    "leq": r"\le ", "leqslant": r"\le ", "geq": r"\ge ", "geqslant": r"\ge ", "neq": r"\ne ", "rightarrow": r"\to ",
    "longrightarrow": r"\to ", "varnothing": r"\emptyset ", "ldots": "...", "cdots": "...", "dots": "...", "lbrace": r"\{",
    "rbrace": r"\}", "lvert": "|", "rvert": "|", "vert": "|", "gets": "=", "Rightarrow": r"\implies ", "lor": r"\vee ",
    "land": r"\wedge ", "ast": "*", "colon": ":",
}  # fmt: skip
_GROUPING_COMMA = re.compile(r" ?\{ ?, ?\}|,\s?(?:\\!\s?)+")
_PRICE = re.compile(r"\$(?=-?[0-9.])|(?<=[0-9])\$$")
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z]{2})")
_DEGREES = re.compile(r"\^ ?(?:\{ ?\\circ ?\}|\\circ(?![A-Za-z]))|\\textdegree(?![A-Za-z])")
_NUMERIC_FRACTION = re.compile(
    r"(?<![\^_/])(?<![\^_/] )\\frac ?(?:\{ ?(-?[0-9.,]++) ?\} ?\{ ?(-?[0-9.,]++) ?\}|([0-9])([0-9]))(?! ?[\^!0-9])"
)
_SINGLE_BRACED = re.compile(r"([_^]) ?\{ ?([0-9A-Za-z]) ?\}")
_SPACES = re.compile(r"[\s~]+")
_LOOSE_SPACE = re.compile(r"(?<![0-9A-Za-z]) | (?![0-9A-Za-z])")
_WORDS = re.compile(r"[A-Za-z]{3,}(?: [A-Za-z]+)*+|[A-Za-z]+(?: [A-Za-z]+)++")
_BOX = re.compile(r"\\(?:boxed|fbox)\s*+\{")


def plain(text: str) -> str:
    """`text` in NFKC, with Unicode mathematics as LaTeX and one spelling of each macro, without spacing and sizing commands."""
    if not text.isascii():
        text = _plain_unicode(text)
    if text.count("$") == 1 and "\\$" not in text:
        text = _PRICE.sub(DOLLAR, text)
    if "," in text:
        text = _GROUPING_COMMA.sub(",", text)
    if "\\" not in text:
        return text
    if "\\\\" in text and r"\begin" not in text:
        text = _DOUBLED.sub(r"\\", text)  # a backslash that was escaped twice, as in JSON
    return _DEGREES.sub(r"^\\circ ", _COMMAND.sub(_plain_command, text))


def normalise(plain_text: str) -> str:
    """What `plain` made, without LaTeX and Markdown dressing, single-spaced: `$\\dfrac{1}{2}$.` becomes `1/2`.

    Only style is removed. Units, percent signs and thousands separators stay: they are read with the number.
    """
    text = plain_text
    if "\\" in text:
        for _ in range(4):  # nested wrappers; deeper ones are nobody's answer
            text, count = _WRAPPER.subn(r"\1", text)
            if not count:
                break
        text = _NUMERIC_FRACTION.sub(lambda found: f" {found[1] or found[3]}/{found[2] or found[4]}", text)
    text = text.replace("$", "")
    text = _SPACES.sub(" ", _SINGLE_BRACED.sub(r"\1\2", text))
    text = text.strip(' *`"')
    return text if text.endswith("...") else text.rstrip(' .,;:*`"')


def text_key(normalised: str) -> str:
    """What two answers that are not numbers must share: no loose spaces; words regardless of case."""
    if len(normalised) > MAX_CHARS:
        return normalised
    key = _LOOSE_SPACE.sub("", normalised)
    return key.casefold() if _WORDS.fullmatch(key) or key.casefold() == "no" else key


def unboxed(text: str) -> str:
    """`text` without the `\\boxed{}` around all of it, and around parts of it; one that is never closed loses its start."""
    starts = {found.end(): found.start() for found in _BOX.finditer(text)}
    if not starts:
        return text
    kept = list(text)
    opened: list[int] = []
    for at, char in enumerate(text):
        if char not in "{}" or text[at - 1 : at] == "\\":
            continue
        if char == "{":
            opened.append(at + 1)
        elif opened and (start := opened.pop()) in starts:
            kept[starts[start] : start] = [" "] + [""] * (start - starts[start] - 1)
            kept[at] = " "
    for start in opened:
        if start in starts:
            kept[starts[start] : start] = [""] * (start - starts[start])
    return "".join(kept)


def _plain_unicode(text: str) -> str:
    text = _INVISIBLE.sub("", text)
    # Before NFKC, which would make 10³ into 103 and 3½ into 31/2.
    text = _VULGAR.sub(lambda found: " " + unicodedata.normalize("NFKC", found[0]), text)
    text = _RAISED.sub(lambda found: "^{" + unicodedata.normalize("NFKC", found[0]) + "}", text)
    text = _LOWERED.sub(lambda found: "_{" + unicodedata.normalize("NFKC", found[0]) + "}", text)
    return unicodedata.normalize("NFKC", text.translate(_UNICODE)).translate(_UNICODE)


def _plain_command(found: re.Match[str]) -> str:
    if found["row"]:
        return found[0]
    if found["space"]:
        return " "
    if found["frac"]:
        return r"\frac"
    if found["binom"]:
        return r"\binom"
    if found["percent"]:
        return "%"
    if found["degree"]:
        return r"^\circ "
    if found["synonym"]:
        return _SYNONYMS[found["synonym"]]
    return DOLLAR if found["self"] == "$" else found["self"] or ""
