"""Random values and expressions, each in several spellings. Imported by path, since test folders are no packages."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

TEXTS = st.text(max_size=60) | st.text(alphabet=r"0123456789+-*/^=<>()[]{}|,.\$%&_ \x\y\frac\sqrt\pi", max_size=40)

_PIECES = r"""
\frac{ } { ( ) [ ] \sqrt ^ _ \left \right | \begin{pmatrix} \end{pmatrix} & \\ \text{ \pm = < , 1 x \pi \sum_{ \int ! % ^\circ i
\infty \cup or \binom \log_ \overline{ 0. ... $ \{ \} \mathbb{R} 1/0 ² ½ ° dx Matrix( Interval( \boxed{ \lim_{ mod cm 9^9 2 - +
""".split()
FRAGMENTS = st.lists(st.sampled_from([*_PIECES, "\n", "\x00", " "]), max_size=14).map("".join)


def integers_spelled(value: int) -> list[str]:
    """`value` in spellings that mean the same."""
    sign, digits = ("-" if value < 0 else ""), f"{abs(value):,}"
    return [
        str(value),
        f"{value}.0",
        f"${value}$",
        f"\\boxed{{{value}}}",
        f"**{value}**",
        f" {value} .",
        sign + digits,
        sign + digits.replace(",", "{,}"),
        sign + digits.replace(",", r",\!"),
        sign + digits.replace(",", r"\,"),
        f"x = {value}",
        f"\\frac{{{2 * value}}}{{2}}",
        f"{value}\\text{{ cm}}",
        str(value).replace("-", "−"),
        f"\\left({value}\\right)",
    ]


def fractions_spelled(value: Fraction) -> list[str]:
    """`value` in spellings that mean the same."""
    over, under = value.numerator, value.denominator
    whole, rest = divmod(abs(over), under)
    sign = "-" if over < 0 else ""
    spelled = [
        f"{over}/{under}",
        f"\\frac{{{over}}}{{{under}}}",
        f"\\dfrac{{{2 * over}}}{{{2 * under}}}",
        f"{sign}\\frac{{{abs(over)}}}{{{under}}}",
    ]
    if whole and rest:
        spelled += [f"{sign}{whole} {rest}/{under}", f"{sign}{whole}\\frac{{{rest}}}{{{under}}}"]
    return spelled


class Tree:
    """An expression that can be printed in two styles, and evaluated with exact fractions."""

    def __init__(self, kind: str, *parts: object) -> None:
        self.kind = kind
        self.parts = parts

    def latex(self) -> str:
        match self.kind, self.parts:
            case "number", (int(value),):
                return str(value) if value >= 0 else f"({value})"
            case "symbol", (str(name),):
                return name
            case "sum", (Tree() as a, Tree() as b):
                return f"\\left({a.latex()} + {b.latex()}\\right)"
            case "product", (Tree() as a, Tree() as b):
                return f"{a.latex()} \\cdot {b.latex()}"
            case "quotient", (Tree() as a, Tree() as b):
                return f"\\frac{{{a.latex()}}}{{{b.latex()}}}"
            case "power", (Tree() as a, int(exponent)):
                return f"\\left({a.latex()}\\right)^{{{exponent}}}"
        raise AssertionError(self.kind)

    def python(self) -> str:
        match self.kind, self.parts:
            case "number", (int(value),):
                return f"({value})"
            case "symbol", (str(name),):
                return name
            case "sum", (Tree() as a, Tree() as b):
                return f"({b.python()} + {a.python()})"
            case "product", (Tree() as a, Tree() as b):
                return f"{b.python()}*{a.python()}"
            case "quotient", (Tree() as a, Tree() as b):
                return f"({a.python()})/({b.python()})"
            case "power", (Tree() as a, int(exponent)):
                return f"({a.python()})**{exponent}"
        raise AssertionError(self.kind)

    def value(self, point: dict[str, Fraction]) -> Fraction:
        """Raises ZeroDivisionError."""
        match self.kind, self.parts:
            case "number", (int(value),):
                return Fraction(value)
            case "symbol", (str(name),):
                return point[name]
            case "sum", (Tree() as a, Tree() as b):
                return a.value(point) + b.value(point)
            case "product", (Tree() as a, Tree() as b):
                return a.value(point) * b.value(point)
            case "quotient", (Tree() as a, Tree() as b):
                return a.value(point) / b.value(point)
            case "power", (Tree() as a, int(exponent)):
                return a.value(point) ** exponent
        raise AssertionError(self.kind)

    def with_leaf(self, at: int, leaf: Tree) -> tuple[Tree, int]:
        """The tree with its leaf number `at` replaced, and how many leaves it has."""
        if self.kind in ("number", "symbol"):
            return (leaf if at == 0 else self), 1
        parts, seen = [], 0
        for part in self.parts:
            if isinstance(part, Tree):
                part, count = part.with_leaf(at - seen, leaf)
                seen += count
            parts.append(part)
        return Tree(self.kind, *parts), seen

    def __repr__(self) -> str:
        return self.latex()


LEAVES = st.builds(Tree, st.just("number"), st.integers(-9, 9)) | st.builds(
    Tree, st.just("symbol"), st.sampled_from("xyz")
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(Tree, st.sampled_from(["sum", "product", "quotient"]), inner, inner)
        | st.builds(Tree, st.just("power"), inner, st.integers(1, 4))
    ),
    max_leaves=8,
)
POINTS = [
    {"x": Fraction(7, 3), "y": Fraction(-11, 5), "z": Fraction(13, 17)},
    {"x": Fraction(-19, 7), "y": Fraction(23, 29), "z": Fraction(31, 4)},
    {"x": Fraction(37, 11), "y": Fraction(41, 3), "z": Fraction(-43, 9)},
]
