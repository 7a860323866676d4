"""Rare spellings, as the common ones that the rest knows."""

from __future__ import annotations

import re
from collections.abc import Callable


def _without_points(found: re.Match[str]) -> str:
    return found[1] + found[2].replace(".", "") + (found[3] or "").replace(",", ".")


_EXPLANATION = r"^(.*[^\s,;(])[\s,;(]+(?:\\text ?\{{ ?)?{}\b.*$"
_ALL_REAL_BUT = r"^\s*all real(?: number)?s (?:except|but)(?: for)? (?:[a-z] ?= ?)?(.+)$"
_NAMED_FIGURE = (
    r"^\s*(?:\\(?:overline|angle|triangle)(?![A-Za-z])|∠|△|(?:\\text ?\{ ?)?(?:[Ss]egment|[Tt]riangle|[Aa]ngle) ?\}?)"
    r"\s*\{?([A-Z]{1,4})\}?\s*$"
)
_NAMED_POINT = r"^\s*\((?:x, ?y(?:, ?z)?|a, ?b(?:, ?c(?:, ?d)?)?|[mpruh], ?[nqsvk])\) ?= ?(?=.*\()"
_POINT = r"^\s*(?:\\text ?\{ ?)?(?:[Pp]oint|[Ll]ine) ?\}?\s*\{?([A-Za-z])\}?\s*$"
_OHMS = r"(?<=[0-9}])[\s\\,;]*(?:\\(?:text|mathrm) ?\{ ?([kM]?) ?\}|([kM]?))[\s\\,]*(?:\\Omega|Ω)(?![A-Za-z])"
_OF_INTEGERS = (
    r"(?<=\S)(?:\s*[,;(]|\s*\\q?quad|\s+\()\s*\(?\s*(?:\\text ?\{ ?(?:where|for) ?\})?\s*"
    r"[a-z]\s*\\in\s*\\(?:mathbb|mathbf|Bbb) ?\{?[ZN]\}?[+*^]*\s*\)?\s*$"
)

_RESPELLINGS: tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (trigger, re.compile(pattern), replacement)
    for trigger, pattern, replacement in (
        # What stands around an answer
        ("<", r"</?(?:answer|boxed|code|p|b|i|strong|em|span|u)>", ""),
        ("#", r"^\s*#+\s*(?=\S)", ""),
        (":", r"^\s*:\s*", ""),
        (":", r"^\s*[A-Z][a-z]+(?: [a-z]+)*\s*:\s*(?=[-\\$0-9(])", ""),  # Total: 12
        ("=", r"^\s*[A-Z][a-z]+(?: [a-z]+)+\s*=\s*(?=[-\\$0-9(])", ""),
        ("=>", r"^\s*=>\s*", ""),
        ("arrow", r"^.*\\(?:Rightarrow|Longrightarrow)\s*(?=.*[0-9=])", ""),
        (r"\implies", r"^.*\\implies\s*(?=.*[0-9=])", ""),
        (r"\therefore", r"^.*\\therefore\s*", ""),
        ("⇒", r"^.*⇒\s*(?=.*[0-9=])", ""),
        ("∴", r"^.*∴\s*", ""),
        (" is ", r"^\s*([A-Za-z]) is (?:equal to )?(?=[-\\$0-9(])", r"\1 = "),
        (" equals ", r"^\s*([A-Za-z]) equals (?=[-\\$0-9(])", r"\1 = "),
        ("because", _EXPLANATION.format("because"), r"\1"),
        ("since", _EXPLANATION.format("since"), r"\1"),
        ("which is", _EXPLANATION.format("which is"), r"\1"),
        ("for ", r"(?<=\S)\s*,?\s*(?:\\text ?\{ ?)?\bfor (?:all|any|every|each)\b.*$", ""),
        ("only", r"^only\s+|\s+only\s*$", ""),
        (r"\in", _OF_INTEGERS, ""),
        ("all ", r"^\s*all (?:positive |real |natural )*(?:integers|numbers|reals) (?=[a-z] ?(?:\\[gln]e|[<>=]))", ""),
        ("all real", _ALL_REAL_BUT, r"\\mathbb{R}\\setminus\\{\1\\}"),
        ("nonzero real", r"^\s*(?:all )?nonzero real(?: number)?s\s*$", r"\\mathbb{R}\\setminus\\{0\\}"),
        ("positive real", r"^\s*(?:all )?positive real(?: number)?s\s*$", r"(0,\\infty)"),
        ("negative real", r"^\s*(?:all )?negative real(?: number)?s\s*$", r"(-\\infty,0)"),
        (r"\begin", r"\\(?:begin|end) ?\{(?:equation|gather|displaymath|math)\*?\}", ""),
        (")", _NAMED_POINT, ""),
        *((mark, _NAMED_FIGURE, r"\1") for mark in ("overline", "ngle", "egment", "∠", "△")),
        ("oint", _POINT, r"\1"),
        ("ine", _POINT, r"\1"),
        ("答", r"^\s*(?:最终)?答案?(?:是|为)?\s*[:：]?\s*(?=[-\\$0-9(])", ""),
        *((mark, r"(?<=[0-9])\s*[\u3002\u4e00-\u9fff]+\s*$", "") for mark in "。个元只米人天岁块本张条次年"),
        ("\\", r"\\(?:checkmark|blacksquare|square|Box|qed)\s*$", ""),
        ("\\", r"\\(?:bf|rm|it|sf|tt|mathord|mathop|underline)(?![A-Za-z])", ""),
        ("space", r"\\[hv]space\*? ?\{[^{}]*\}", " "),
        ("quad", r"(?<=[0-9A-Za-z})])\s*\\q?quad\s*(?=[-0-9A-Za-z(]|\\(?:frac|sqrt|pi))", ", "),
        ("boxed", r"^\s*boxed\{(.*)\}\s*$", r"\1"),
        (r"\boxed", r"\\boxed\s+(?=[^\s{])", ""),
        ("frac{", r"(?<![\\A-Za-z])[dt]?frac(?=\{)", r"\\frac"),
        # Money and units
        ("$", r"\bUSD? ?(?=\\?\$)", ""),
        ("USD", r"^\s*USD ?(?=[0-9])", r"\\$"),
        ("textdollar", r"\\textdollar ?", r"\\$"),
        (r"\mu", r"\\mu ?\\(?:text|mathrm|rm) ?\{ ?([A-Za-z]+) ?\}", r"\\text{µ\1}"),
        (
            "frac",
            r"\\frac ?\{ ?\\(?:text|mathrm) ?\{ ?([A-Za-z]+) ?\} ?\} ?\{ ?\\(?:text|mathrm) ?\{ ?([A-Za-z]+) ?\} ?\}",
            r"\\text{\1/\2}",
        ),
        (r"\mu", r"(?<=[0-9}])[\s\\,]*\\mu ?([mFsgAVWLTHC])(?![A-Za-z])", r" \\text{µ\1}"),
        ("Ω", _OHMS, r" \\text{\1\2ohm}"),
        ("Omega", _OHMS, r" \\text{\1\2ohm}"),
        # Numbers
        (" in ", r"^\s*([0-9]+) in ([0-9]+)\s*$", r"\1/\2"),
        (" out of ", r"^\s*([0-9]+) out of ([0-9]+)\s*$", r"\1/\2"),
        (".", r"^\s*(-?[0-9]*\.[0-9]*)\(([0-9]+)\)\s*$", r"\1\\overline{\2}"),  # 0.1(6)
        ("dot", r"(\.[0-9]*)\\dot ?\{?([0-9])\}?([0-9]*)\\dot ?\{?([0-9])\}?", r"\1\\overline{\2\3\4}"),
        ("0b", r"^\s*0b([01]+)\s*$", r"\1_2"),
        ("0x", r"^\s*0x([0-9A-Fa-f]+)\s*$", r"\1_{16}"),
        ("_", r"(?<=[0-9A-F])_ ?\{ ?\(([0-9]+)\) ?\}", r"_{\1}"),
        ("overline", r"^\s*\\overline ?\{([0-9A-F]+)\} ?_", r"\1_"),
        ("base", r"(?<=[0-9A-F]) ?(?:\\ )?(?:\\text ?\{ ?)?\( ?base ([0-9]+) ?\) ?\}?\s*$", r"_{\1}"),
        # Functions
        ("frac", r"\\(?:nice|s)frac(?![A-Za-z])", r"\\frac"),
        (".", r"\b(?:math|cmath|sympy|sp|np|numpy)\.(?=[a-z])", ""),
        ("log", r"\blog(2|10) ?(?=\()", r"\\log_{\1}"),
        ("C", r"(?:\{\})?[_^] ?\{?([0-9]+)\}? ?(?:\\(?:mathrm|text) ?)?\{?C\}? ?_ ?\{?([0-9]+)\}?", r"\\binom{\1}{\2}"),
        ("C", r"(?:\\(?:mathrm|text) ?)?\{?C\}? ?_ ?\{?([0-9]+)\}? ?\^ ?\{?([0-9]+)\}?", r"\\binom{\1}{\2}"),
        ("choose", r"\b([0-9]+) choose ([0-9]+)\b", r"\\binom{\1}{\2}"),
        ("nCr", r"\bnCr ?(?=\()", "binomial"),
        ("eqq", r"\\([lg])eqq(?![A-Za-z])", r"\\\1e "),
        ("R", r"\\Bbb ?\{?R\}?|\\R(?![A-Za-z])|^\s*\\(?:mathbf|textbf) ?\{R\}\s*$", r"\\mathbb{R}"),
        ("_", r"(?<=[0-9])_(?=[0-9]{3}(?![0-9]))", ","),  # Python's 10_000
        ("'", r"(?<=[0-9])'(?=[0-9]{3}(?![0-9]))", ","),  # Swiss 10'000
        ("^", r"(?<=[0-9])\^ ?(?:o(?![A-Za-z])|\{ ?o ?\})", r"^\\circ "),
        (r"\mathbb", r"\\mathbb ?\{?R\}? ?(?:\^|_) ?(?:\+|\{ ?(?:\+|> ?0) ?\})", r"(0, \\infty)"),
        (r"\mathbb", r"\\mathbb ?\{?R\}? ?(?:\^|_) ?(?:-|\{ ?(?:-|< ?0) ?\})", r"(-\\infty, 0)"),
        ("Interval.", r"Interval\.(open|Lopen|Ropen)", r"Interval\1"),
        (r"\cr", r"\\cr(?![A-Za-z])", r"\\\\"),
        ("\\\\[", r"\\\\ ?\[[0-9.]{1,5} ?(?:pt|em|ex|mm|cm)\]", r"\\\\"),
        ("<", r"^\s*<([^<>=,]++(?:,[^<>=,]++)+)>\s*$", r"\\langle \1\\rangle "),
        (r"\begin", r"\\left ?\\(?:\{|lbrace) ?(?=\\begin\b)(?!.*\\right ?\\(?:\}|rbrace))", ""),
        (r"\left.", r"\\left ?\.", ""),
        (r"\right.", r"\\right ?\.", ""),
        (".", r"^\s*(-?[0-9]{1,3})\.([0-9]{3}(?:\.[0-9]{3})+)(,[0-9]+)?\s*$", _without_points),  # 1.000.000
        ("text", r"^\s*\\text ?\{([^{}]*[0-9][^{}]*)\}\s*$", r"\1"),
        ("(", r"^(.*[^( ]) ?\(or,? ([^()]+)\)\s*$", r"\1 or \2"),
        ("(", r"^(.*[^( ]) ?\((?:approximately|approx\.?|about|\\approx) ?[^()]*\)\s*$", r"\1"),
        ("color", r"\\(?:text)?color ?\{[^{}]*\}", ""),
        ("phantom", r"\\[hv]?phantom ?\{[^{}]*\}", ""),
        ("\\", r"\\(?:tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![A-Za-z])", ""),
        ("(", r"^\s*(-?[0-9][0-9.,/]*) ?\(([A-Za-z][A-Za-z ]*)\)\s*$", r"\1 \2"),  # 13 (apples)
        (")_", r"^\s*\(([0-9A-Fa-f]+)\)_", r"\1_"),
        ("__", r"^\s*__(.+)__\s*$", r"\1"),
        ("'", r"^\s*'([^']*)'\s*$", r"\1"),
        ("j", r"^\s*\(?(-?[0-9.]+ ?[+-] ?[0-9.]*)j\)?\s*$", r"\1i"),  # Python's complex numbers
        ("*I", r"(?<=[+-]) ?\*(?=I(?![A-Za-z]))", " "),  # a factor of 1 that was cut out of Python's 8 - 1*I
        ("R", r"\\mathbb ?\{R\} ?- ?(?=\\\{)", r"\\mathbb{R} \\setminus "),
    )
)

_COMMON = re.compile(r"\\?\$?-?[0-9][0-9,]*+(?:\.[0-9]++)?(?:%|\$| (?!only)[a-z]{2,12})?")
"""Most answers to word problems: nothing in them has another spelling."""


def respelled(text: str) -> str:
    """`text` in the common spelling."""
    if _COMMON.fullmatch(text):
        return text
    for trigger, pattern, replacement in _RESPELLINGS:
        if trigger in text:
            text = pattern.sub(replacement, text)
    return _balanced(text) if text.count("{") != text.count("}") else text


def _balanced(text: str) -> str:
    """`text` with up to three braces that are lacking at its end, or are too many there."""
    excess = text.count("}") - text.count("{")
    if 0 < -excess <= 3:
        return text + "}" * -excess
    while excess > 0 and text.endswith("}") and not text.endswith(r"\}"):
        text, excess = text[:-1], excess - 1
    return text
