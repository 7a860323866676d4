"""LaTeX as a line of text, as pylatexenc 2.10 (latex2text, its default tables) shows what occurs in answers.

Commands that it does not know, `\\gcd` and `\\sec` among them, leave nothing behind, and `\\frac{x+1}{2}` becomes `x+1/2`.
"""

from __future__ import annotations

import re
import unicodedata

MAX_DEPTH = 60

_TOKEN = re.compile(r"\\(?:[A-Za-z]+\s*|.)|[{}]|---?|``|''|[^\\{}]", re.DOTALL)
_NAMED = frozenset(
    "sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh ln log exp max min lim sup inf".split()
)
_GREEK = (
    "alpha beta gamma delta zeta eta theta iota kappa lamda mu nu xi omicron pi rho sigma tau upsilon chi psi omega "
    "Gamma Delta Theta Lamda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_SYMBOLS = {
    **{
        name.replace("amda", "ambda"): unicodedata.lookup(f"GREEK {'SMALL' if name.islower() else 'CAPITAL'} LETTER {name}")
        for name in _GREEK.split()
    },
    "epsilon": "ϵ", "varepsilon": "ε", "phi": "ϕ", "varphi": "φ", "vartheta": "ϑ", "ell": "ℓ", "hbar": "ħ",
    "infty": "∞", "cdot": "·", "times": "×", "div": "÷", "pm": "±", "mp": "∓", "ast": "∗", "star": "⋆", "bullet": "∙",
    "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "neq": "≠", "leqslant": "⩽", "geqslant": "⩾", "ll": "≪", "gg": "≫",
    "approx": "≈", "sim": "∼", "simeq": "≃", "cong": "≅", "equiv": "≡", "propto": "∝", "in": "∈", "notin": "∉", "ni": "∋",
    "cup": "∪", "cap": "∩", "setminus": "∖", "subset": "⊂", "subseteq": "⊆", "emptyset": "∅", "varnothing": "∅",
    "forall": "∀", "exists": "∃", "vee": "∨", "wedge": "∧", "to": "→", "rightarrow": "→", "Rightarrow": "⇒", "mapsto": "↦",
    "leftarrow": "←", "Leftarrow": "⇐", "Leftrightarrow": "⇔", "angle": "∠", "perp": "⊥", "parallel": "∥", "partial": "∂",
    "nabla": "∇", "sum": "∑", "prod": "∏", "int": "∫", "circ": "∘", "prime": "'", "mid": "|", "vert": "|", "lvert": "|",
    "rvert": "|", "langle": "⟨", "rangle": "⟩", "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "dots": "…",
    "ldots": "…", "cdots": "⋯", "vdots": "⋮", "ddots": "⋱", "lbrace": "{", "rbrace": "}", "textdegree": "°", "quad": "  ",
    "qquad": "    ", "therefore": "∴", "because": "∵", "square": "□", "oplus": "⊕", "otimes": "⊗", "backslash": "\\",
}  # fmt: skip
_ACCENTS = {"hat": "\u0302", "bar": "\u0305", "vec": "\u20d7", "tilde": "\u0303", "dot": "\u0307", "ddot": "\u0308"}
_DROPPED_WITH_ARGUMENT = frozenset(["mbox", "hspace", "vspace", "label", "color"])
_DOUBLE_STRUCK = {"R": "ℝ", "Z": "ℤ", "N": "ℕ", "Q": "ℚ", "C": "ℂ", "P": "ℙ", "H": "ℍ"}
_CHARACTERS = {"---": "—", "--": "–", "``": "“", "''": "”", "~": "\u00a0", "&": "   "}
_ESCAPED = {",": " ", ";": " ", ":": " ", " ": " ", "\n": " ", "\\": "\n"}
_LITERAL = "{}%$&#_"
_MATRICES = frozenset(["pmatrix", "bmatrix", "smallmatrix", "array"])


def latex_as_text(latex: str) -> str:
    """`\\frac{\\sqrt{3}}{2}` as `√(3)/2`. Raises ValueError where a command lacks its argument."""
    return _Reader(_TOKEN.findall(latex)).until_end()


class _Reader:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def until_end(self) -> str:
        pieces: list[str] = []
        while self._at < len(self._tokens):
            pieces.append(self._until("}"))
            self._at += 1  # a brace too many is passed over
        return "".join(pieces)

    def _until(self, stop: str) -> str:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("nested too deep")
        pieces: list[str] = []
        while self._at < len(self._tokens) and self._tokens[self._at] != stop:
            pieces.append(self._piece())
        self._depth -= 1
        return "".join(pieces)

    def _piece(self) -> str:
        token = self._tokens[self._at]
        self._at += 1
        if token == "{":
            inner = self._until("}")
            self._at += 1
            return inner
        if not token.startswith("\\") or len(token) == 1:
            return _CHARACTERS.get(token, token)
        if not token[1].isalpha():
            return _ESCAPED.get(token[1], token[1] if token[1] in _LITERAL else "")
        return self._command(token[1:].rstrip())

    def _command(self, name: str) -> str:
        if name == "frac":
            return f"{self._argument()}/{self._argument()}"
        if name == "sqrt":
            if self._at < len(self._tokens) and self._tokens[self._at] == "[":
                self._until("]")
                self._at += 1
            return f"√({self._argument()})"
        if name in _ACCENTS:
            return self._argument() + _ACCENTS[name]
        if name == "mathbb":
            return "".join(_DOUBLE_STRUCK.get(char, char) for char in self._argument())
        if name in _DROPPED_WITH_ARGUMENT:
            self._argument()
            return ""
        if name == "begin":
            return self._environment(self._argument())
        return name if name in _NAMED else _SYMBOLS.get(name, "")

    def _argument(self) -> str:
        while self._at < len(self._tokens) and self._tokens[self._at].isspace():
            self._at += 1
        if self._at >= len(self._tokens) or self._tokens[self._at].rstrip() in ("}", r"\frac", r"\sqrt"):
            raise ValueError("a command without its argument")
        return self._piece()

    def _environment(self, name: str) -> str:
        if name == "array":
            self._argument()
        inner = self._until("\\end")
        self._at += 1
        if self._at <= len(self._tokens):
            self._argument()
        if name not in _MATRICES:
            return inner
        rows = (" ".join(cell.strip() for cell in row.split("   ")) for row in inner.split("\n"))
        return f"[ {'; '.join(rows)} ]"
