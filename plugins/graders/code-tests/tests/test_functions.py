"""Tests that call a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from skillforge import Verdict

Grade = Callable[..., Verdict]

PROMPT = '''from typing import List

def double(x: int) -> int:
    return 2 * x

def f(numbers: List[int]) -> int:
    """Twice the sum.
    >>> f([1, 2])
    6
    """
'''
CHECK = """
def check(candidate):
    assert candidate([1, 2]) == double(3)
    assert candidate([]) == 0
"""
CONTINUED = {"style": "assert", "entry_point": "f", "prompt": PROMPT, "code": CHECK}
WHOLE = "def f(numbers):\n    return 2 * sum(numbers)"
BODY = "    total = 0\n    for number in numbers:\n        total += number\n    return double(total)\n"


def asserts(*statements: str, code: str = "") -> dict[str, Any]:
    return {"style": "assert", "entry_point": "f", "asserts": statements, "code": code}


def fenced(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}\n```\n"


@pytest.mark.parametrize(
    "text",
    [
        fenced(PROMPT + BODY),
        fenced("def f(numbers: List[int]) -> int:\n" + BODY),
        fenced(WHOLE),
        fenced("f = lambda numbers: 2 * sum(numbers)"),
        fenced(BODY),
        fenced("return double(sum(numbers))"),
        fenced("total = sum(numbers)\nreturn double(total)"),
        BODY,
        BODY.strip(),
        BODY + "\n\ndef unrelated(:\n    the text goes on",
        BODY + "```\nThis adds the numbers up.",
        "The helper:\n" + fenced("import math\ndef helper(x):\n    return math.fsum(x)")
        + "Then:\n" + fenced("def f(numbers):\n    return int(2 * helper(numbers))"),
        "A first try:\n" + fenced("def f(numbers):\n    return 0") + "No:\n" + fenced(WHOLE),
        fenced(WHOLE) + "It prints\n" + fenced("7", "") + "for\n" + fenced("print(f([3]))"),
        fenced(f"{WHOLE}\n\nif __name__ == '__main__':\n    print(f(eval(input())))"),
        fenced(WHOLE, ""),
        fenced(WHOLE, "Python3"),
        "````py\ndef f(numbers):\n    '''```\n    text\n    ```'''\n    return 2 * sum(numbers)\n````",
        "1. Like this:\n\n   ```python\n   def f(numbers):\n       return 2 * sum(numbers)\n   ```\n",
        f"```python\n{WHOLE}\n",
        fenced("try:\n    from math import fsum\nfinally:\n    def f(numbers): return 2 * fsum(numbers)"),
    ],
)  # fmt: skip
def test_what_models_write_is_understood(grade: Grade, text: str) -> None:
    verdict = grade(CONTINUED, text)
    assert (verdict.state, verdict.score, verdict.reason) == ("correct", 1.0, "the test passes"), verdict


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", "no-answer"),
        ("I do not know.", "no-answer"),
        ("The answer is \\boxed{7}.", "no-answer"),
        (fenced("pip install it", "bash"), "no-answer"),
        (fenced("def f(numbers:\n    return 6"), "wrong"),
        (fenced("def g(numbers):\n    return 6"), "wrong"),
        (fenced("def f(numbers):\n    return 6\nraise ValueError"), "wrong"),
        (fenced("(" * 50_000), "wrong"),
        (fenced("x = " + "-" * 200_000 + "1"), "wrong"),
        (fenced("def f(numbers): return '\ud800'"), "wrong"),
    ],
)
def test_what_is_no_solution(grade: Grade, text: str, state: str) -> None:
    assert grade(CONTINUED, text).state == state


def test_the_answer_that_the_prompt_style_reads_counts_where_there_is_no_block(grade: Grade) -> None:
    code = "def f(numbers): return 2 * sum(numbers)"
    assert grade(CONTINUED, "Here it is.", code).state == "correct"
    assert grade(CONTINUED, fenced("def f(numbers): return 0"), code).state == "wrong"


def test_the_verdict_tells_the_code_the_test_and_the_share_that_passed(grade: Grade) -> None:
    tests = asserts("assert f(1) == 1", "assert f(2) == 4", "assert f(3) == 9", "assert f(0) == 0")
    verdict = grade(tests, fenced("def f(x): return x"))
    assert verdict == Verdict(
        state="wrong", answer="def f(x): return x\n", reason="test 2 of 4: AssertionError: assert f(2) == 4", score=0.5
    )
    assert grade(tests, fenced("def f(x): return x * x")).reason == "all 4 tests pass"


def test_the_line_of_a_check_is_told(grade: Grade) -> None:
    reason = grade(CONTINUED, fenced("def f(numbers): return 6")).reason
    assert reason == "test 1 of 1: AssertionError: assert candidate([]) == 0"


def test_a_time_limit_that_decided_is_told(grade: Grade) -> None:
    slow = fenced("import time\ndef f(x):\n    time.sleep(0.7)\n    return x")
    tests = asserts("assert f(1) == 1", "assert f(2) == 2")
    assert grade(tests, slow).state == "correct"
    assert grade(tests, slow, timeout=0.3).reason == "test 1 of 2: it ran over 0.3 s: assert f(1) == 1"
    verdict = grade(tests, slow, problem_timeout=1.0)
    assert verdict.score == 0.5
    assert verdict.reason == "test 2 of 2: the 1 s for all tests of the problem are over: assert f(2) == 2"


def test_code_that_fails_for_good_is_not_called_again(grade: Grade) -> None:
    tests = asserts("assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3")
    verdict = grade(tests, fenced("import os\ndef f(x): return x if x != 2 else os._exit(0)"))
    assert verdict.score == pytest.approx(1 / 3)
    assert verdict.reason and verdict.reason.startswith("test 2 of 3: it crashed")


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("None", "is None"),
        ("True", "is True"),
        ("10**5000", "== 10**5000"),
        ("-0.0", ".hex() == '-0x0.0p+0'"),
        ("float('nan')", ".hex() == 'nan'"),
        ("1j", "== 1j"),
        ("'é問🍎\\ud800'", "== 'é問🍎\\ud800'"),
        ("b'\\xff'", "== b'\\xff'"),
        ("[1, (2, [3]), {4: {5}}]", "== [1, (2, [3]), {4: {5}}]"),
        ("[[0] * 3] * 2", "== [[0, 0, 0], [0, 0, 0]]"),
        ("frozenset((1, (2,)))", "== frozenset((1, (2,)))"),
        ("range(0, 9, 2)", "== range(0, 9, 2)"),
        ("__import__('collections').Counter('aab')", ".most_common(1) == [('a', 2)]"),
        ("__import__('fractions').Fraction(1, 3)", "* 3 == 1"),
        ("__import__('numpy').float64(2.5)", "== 2.5"),
        ("(x for x in range(3))", ".__next__() == 0"),
        ("map(str, [1])", ".__next__() == '1'"),
        ("{1: 2}.keys()", ".__next__() == 1"),
        ("'x' * 2_000_000", "== 'x' * 2_000_000"),
    ],
)
def test_plain_data_arrives_as_it_is(grade: Grade, returned: str, expected: str) -> None:
    verdict = grade(asserts(f"assert f(1) {expected}"), fenced(f"def f(x): return {returned}"))
    assert verdict.state == "correct", verdict


def test_an_iterator_without_end_crosses_as_far_as_a_test_may_look(grade: Grade) -> None:
    code = fenced("def f(x):\n    while True:\n        yield x\n        x += 1")
    assert grade(asserts("numbers = f(5)\nassert [next(numbers), next(numbers)] == [5, 6]"), code).state == "correct"
    assert grade(asserts("assert len(list(f(5))) > 0"), code).state == "wrong"


def test_errors_arrive_as_the_built_in_class_that_is_nearest(grade: Grade) -> None:
    catching = "try: f(1)\nexcept ValueError as error: assert error.args == ('no', 3)\nelse: assert False"
    own = "class Own(ValueError): pass\ndef f(x): raise Own('no', 3)"
    assert grade(asserts(catching), fenced(own)).state == "correct"
    verdict = grade(asserts("assert f(1)"), fenced("def f(x): return [][x]"))
    assert verdict.reason == "test 1 of 1: IndexError: assert f(1)"
    deep = "try: f(1)\nexcept RecursionError: pass\nelse: assert False"
    assert grade(asserts(deep), fenced("def f(x): return f(x)")).state == "correct"


def test_arguments_that_the_code_changes_are_changed(grade: Grade) -> None:
    statement = "given = [3, 1, 2]; f(given, keys={'a': 1})\nassert given == [1, 2, 3]"
    assert grade(asserts(statement), fenced("def f(x, keys): x.sort()")).state == "correct"
    assert grade(asserts(statement), fenced("def f(x, keys): return sorted(x)")).state == "wrong"
    unchanged = "given = [3, 1, 2]\nassert f(given) == 3\nassert given == [3, 1, 2]"
    assert grade(asserts(unchanged), fenced("def f(x): return len(x)")).state == "correct"
    assert grade(asserts(unchanged), fenced("def f(x): return len([x.pop() for _ in range(3)])")).state == "wrong"


def test_the_code_keeps_what_it_remembers_from_call_to_call_but_not_to_the_next_sample(grade: Grade) -> None:
    counting = fenced("calls = []\ndef f(x):\n    calls.append(x)\n    return len(calls)")
    for _ in range(2):
        assert grade(asserts("assert f(0) == 1", "assert f(0) == 2"), counting).state == "correct"


def test_many_calls_and_long_values_cross(grade: Grade) -> None:
    tests = asserts("for x in range(500): assert f(x) == x", "given = list(range(100_000))\nassert f(given) == given")
    assert grade(tests, fenced("def f(x): return x")).state == "correct"


def test_chance_is_the_same_each_time(grade: Grade) -> None:
    tests = asserts("import random\nassert random.random() < 0.5 or f(0)", "assert f(0) == f(0)")
    code = fenced("import random\ndef f(x): return random.random()")
    assert len({grade(tests, code) for _ in range(3)}) == 1


def test_code_that_prints_is_judged_by_what_it_returns(grade: Grade) -> None:
    code = fenced("print('loaded')\ndef f(x):\n    print('x' * 200_000)\n    return x")
    assert grade(asserts("assert f(1) == 1"), code).state == "correct"


@pytest.mark.parametrize(
    "tests",
    [
        asserts("assert f(1) =="),
        asserts("assert g(1) == 1"),
        asserts("assert f(1) == 1", code="import no_such_module"),
        asserts("assert f(lambda x: x) == 1"),
        asserts("while True: pass"),
        asserts("import os; os._exit(0)"),
        {"style": "assert", "entry_point": "f", "code": "def test(candidate): pass"},
        {"style": "assert", "entry_point": "f(x); import os", "asserts": ["assert f(1)"]},
        {"style": "assert", "entry_point": "f", "asserts": [1]},
        {"style": "assert", "entry_point": "f", "assert": []},
        {"style": "pytest"},
        ["assert f(1) == 1"],
        None,
    ],
)
def test_tests_that_cannot_judge_are_an_error(grade: Grade, tests: object) -> None:
    verdict = grade(tests, fenced("def f(x): return 1"), problem_timeout=1.0)
    assert verdict.state == "error" and verdict.reason and "test" in verdict.reason
