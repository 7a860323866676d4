"""The last expression of a block inside of print(…)."""

from __future__ import annotations

import ast
import contextlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillforge.rollout.code_runner import with_printed_last_line


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("x = 5\nx", "x = 5\nprint(x)"),
        ("x # the answer", "print(x) # the answer"),
        ("x; y;", "x; print(y);"),
        ("(a +\n b)  # two lines\n", "(print(a +\n b))  # two lines\n"),
        ("f(\n  1,\n)", "print(f(\n  1,\n))"),
        ("'é' + 'ü' ; 'ö' + z", "'é' + 'ü' ; print('ö' + z)"),
        ("a, b", "print(a, b)"),
        ("(y := 5)", "(print(y := 5))"),
        ("(i for i in x)", "print((i for i in x))"),
        ("'''\n# text\n'''", "print('''\n# text\n''')"),
        ("x\r\ny\r\n", "x\r\nprint(y)\r\n"),
        ("x\ry", "x\rprint(y)"),
        ("s = 'a\x0cb\x1c\u2028'\ns", "s = 'a\x0cb\x1c\u2028'\nprint(s)"),
        ("x.print(3)", "print(x.print(3))"),
        ("print(1), 2", "print(print(1), 2)"),
    ],
)
def test_the_last_expression_is_printed(code: str, printed: str) -> None:
    assert with_printed_last_line(code) == printed
    assert len(ast.parse(printed).body) == len(ast.parse(code).body)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "# nothing",
        "print(x)",
        "print(x)  # x",
        "y = x + 1",
        "y += 1",
        "for i in range(3):\n    i",
        "if x:\n    x",
        "def f():\n    return 1",
        "import math",
        "x = (1",
        "    x",
        "x = '\ud800'\nx",
        "x\0",
        "(" * 500 + ")" * 500,
        "-" * 200_000 + "1",
    ],
    ids=range(16),
)
def test_other_code_is_left_as_it_is(code: str) -> None:
    assert with_printed_last_line(code) == code


@settings(deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from(["x", "\n", "(", ")", "1", " ", ";", "#", "'", "é", "=", ",", "*"])).map("".join)
)
def test_any_text_is_taken(code: str) -> None:
    printed = with_printed_last_line(code)
    if printed == code:
        return
    assert len(printed) == len(code) + len("print()")
    *before, last = ast.parse(code).body
    *before_too, call = ast.parse(printed).body
    assert list(map(ast.dump, before)) == list(map(ast.dump, before_too))
    assert isinstance(last, ast.Expr) and isinstance(call, ast.Expr) and isinstance(call.value, ast.Call)
    assert ast.unparse(call.value.func) == "print"
    arguments = [ast.dump(each) for each in call.value.args]
    several = last.value.elts if isinstance(last.value, ast.Tuple) else []  # as print() takes what a, b stands for
    assert arguments in ([ast.dump(last.value)], [ast.dump(each) for each in several])


@settings(deadline=None)
@given(
    st.sampled_from(["1 + 2", "'é', 3", "[i for i in range(3)]", "(4 if True else 5)", "{'a': 1}['a']", "len('x' * 7)"])
)
def test_what_is_printed_is_the_value(code: str) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(with_printed_last_line(f"x = 1\n{code}  # value\n"), {})
    expected = eval(code)
    shown = " ".join(map(str, expected)) if isinstance(expected, tuple) else str(expected)
    assert out.getvalue() == f"{shown}\n"
