"""The names that the parser knows."""

from __future__ import annotations

from skillforge_math_grader.tree import Symbol

FUNCTIONS = {
    **{
        name: name
        for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "sech", "csch")
    },
    **{f"arc{name}": f"arc{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")},
    **{f"a{name}": f"arc{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")},
    "ln": "ln",
    "log": "log",
    "lg": "log",
    "exp": "exp",
    "cis": "cis",
    "sen": "sin",
    "tg": "tan",
    "ctg": "cot",
    "arctg": "arctan",
    "gcd": "gcd",
    "GCD": "gcd",
    "lcm": "lcm",
    "LCM": "lcm",
    "max": "max",
    "min": "min",
    "abs": "abs",
    "Abs": "abs",
    "floor": "floor",
    "ceil": "ceil",
    "ceiling": "ceil",
    "factorial": "factorial",
    "binomial": "binomial",
    "binom": "binomial",
    "sqrt": "sqrt",
    "cbrt": "cbrt",
    "root": "root",
    "Re": "re",
    "Im": "im",
    "re": "re",
    "im": "im",
    "arg": "arg",
    "conjugate": "conjugate",
    "sgn": "sign",
    "sign": "sign",
    "det": "det",
    "mod": "mod",
    "Mod": "mod",
    "comb": "binomial",
    "arsinh": "arcsinh",
    "arcosh": "arccosh",
    "artanh": "arctanh",
}
"""Spelling -> the function's name in the tree."""

OF_MANY = frozenset(["gcd", "lcm", "max", "min"])
OF_TWO = frozenset(["binomial", "mod", "root"])
"""Functions of several arguments; all others have one, but for `log`, which may have a base."""

KNOWN_FUNCTIONS = frozenset(FUNCTIONS.values()) | {"double_factorial"}
"""Any other function is nobody's, and has any value."""

FAMILIAR = ("arcsin", "arccos", "arctan", "sqrt", "sin", "cos", "tan", "cot", "sec", "csc", "log", "exp", "ln", "lg")
"""Functions that ASCII answers write without brackets, even glued to the argument: `sinx`."""

CONSTANTS = {
    "pi": "pi", "Pi": "pi", "PI": "pi", "e": "e", "i": "i", "I": "i", "oo": "oo", "inf": "oo", "infinity": "oo", "infty": "oo",
    "Infinity": "oo", "imath": "i",
}  # fmt: skip

GREEK = frozenset(
    (
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho "
        "sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega "
        "ell hbar"
    ).split()
)

WHOLE_NUMBERS = (Symbol("mathbb Z"), Symbol("mathbb N"))
RELATIONS = {
    "=": "=", "==": "=", ":=": "=", r"\equiv": "=", r"\to": "=", "->": "=", "!=": "!=", r"\ne": "!=", "<": "<", r"\lt": "<",
    "<=": "<=", r"\le": "<=", ">": ">", r"\gt": ">", ">=": ">=", r"\ge": ">=", r"\approx": "~", r"\simeq": "~", r"\cong": "~",
    "~": "~", r"\sim": "~", r"\in": "in", r"\subset": "in", r"\subseteq": "in",
}  # fmt: skip

SET_OPERATORS = {
    r"\cup": "union", r"\bigcup": "union", r"\cap": "intersection", r"\setminus": "difference", r"\backslash": "difference",
}  # fmt: skip

MATRICES = frozenset("matrix pmatrix bmatrix Bmatrix smallmatrix array vmatrix Vmatrix".split())

SYSTEMS = frozenset("aligned align align* gathered split alignedat".split())
VECTORS = frozenset("vec overrightarrow hat widehat".split())
DECORATIONS = frozenset(
    (
        "overline bar vec hat widehat tilde overrightarrow underline mathcal mathbb mathfrak mathscr "
        "overleftrightarrow dot"
    ).split()
)
"""Macros that make another symbol of what they decorate."""

OPENING = {"(": ")", "[": "]", r"\{": r"\}", r"\langle": r"\rangle"}
CLOSING = frozenset([")", "]", r"\}", r"\rangle", "}"])
PLAIN_BRACKETS = {r"\{": "{", r"\}": "}", r"\langle": "(", r"\rangle": ")"}

INTRODUCTIONS = frozenset(
    (
        "is are be answer the final so thus therefore hence then about approximately roughly exactly get we "
        "has have equals value equal to that area volume length of which there she he they it point points both either "
        "solution solutions root roots total sum center centre vertex focus at slope radius midpoint"
    ).split()
)
"""Words before a value that say nothing about it."""

CLAUSES = frozenset("where for with if when such since because as given provided".split())
"""Words that begin what is said about an answer."""

SEPARATORS = frozenset([",", ";", r"\\"])
JOINS = {"or": "or", "and": "and", r"\vee": "or", r"\wedge": "and", "&": "and"}
