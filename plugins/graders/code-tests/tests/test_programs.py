"""Tests that run a whole program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from skillforge import Verdict
from skillforge_code_tests_grader.output_comparison import same_output

Grade = Callable[..., Verdict]


def cases(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"style": "stdin", "cases": [{"input": given, "output": written} for given, written in pairs]}


READ = "input()\nnumbers = map(int, input().split())\n"
SUM = cases(("2\n1 2\n", "3\n"), ("0\n\n", "0"), ("3\n-1 -2 -3", "-6\n"))


def program(code: str) -> str:
    return f"Like this:\n```python\n{code}\n```\n"


@pytest.mark.parametrize(
    "code",
    [
        "input()\nprint(sum(map(int, input().split())))",
        "import sys\n_, *numbers = map(int, sys.stdin.read().split())\nprint(sum(numbers))",
        "import sys\nnumbers = [int(word) for line in list(sys.stdin)[1:] for word in line.split()]\nprint(sum(numbers))",
        "import sys\nread = sys.stdin.buffer.readline\nread()\nprint(sum(map(int, read().split())))",
        "numbers = open(0).read().split()[1:]\nprint(sum(map(int, numbers)))",
        "import os\nos.write(1, str(sum(map(int, os.read(0, 10**6).split()[1:]))).encode())",
        "def main():\n    input()\n    print(sum(map(int, input().split())))\nif __name__ == '__main__':\n    main()",
        "import sys\ninput()\nprint(sum(map(int, input().split())))\nsys.exit(0)",
        f"{READ}import threading\nthreading.Thread(target=lambda: print(sum(numbers))).start()",
        "import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.detach())\ninput()\nprint(sum(map(int, input().split())))",
        "import sys\nprint('thinking', file=sys.stderr)\ninput()\nprint(sum(map(int, input().split())), '', sep='\\n\\n')",
        f"{READ}from dataclasses import dataclass\n@dataclass\nclass Sum:\n    value: 'int'\nprint(Sum(sum(numbers)).value)",
    ],
)  # fmt: skip
def test_programs_read_and_write_as_they_like(grade: Grade, code: str) -> None:
    verdict = grade(SUM, program(code))
    assert (verdict.state, verdict.reason) == ("correct", "all 3 tests pass"), verdict


@pytest.mark.parametrize(
    ("code", "score", "reason"),
    [
        ("input()\nprint(3)", 1 / 3, "case 2 of 3: other output"),
        ("print('3')\nprint('0')\nprint('-6')", 0, "case 1 of 3: other output"),
        (f"{READ}print(sum(numbers))\n1 / 0", 0, "case 1 of 3: it raised ZeroDivisionError: division by zero"),
        (f"{READ}print(sum(numbers))\nexit(1)", 0, "case 1 of 3: it ended the program (exit code 1)"),
        ("while True: pass", 0, "case 1 of 3: it ran over 0.5 s"),
        ("import os\nos._exit(0)", 0, "case 1 of 3: it crashed"),
        ("while True: print('3')", 0, "case 1 of 3: "),
        ("print('x' * 5_000_000)", 0, "case 1 of 3: other output"),
        ("import sys\nsys.modules.clear()\nsys.stdout = None", 0, "case 1 of 3: "),
        ("print(3", 0, "the code cannot be used: line 1: '(' was never closed"),
    ],
)  # fmt: skip
def test_other_programs_are_wrong(grade: Grade, code: str, score: float, reason: str) -> None:
    verdict = grade(SUM, program(code), timeout=0.5)
    assert verdict.state == "wrong" and verdict.reason and verdict.reason.startswith(reason), verdict
    assert verdict.score == pytest.approx(score)


def test_no_program_is_no_answer(grade: Grade) -> None:
    assert grade(SUM, "It cannot be done.").state == "no-answer"
    assert grade(SUM, " \n").state == "no-answer"
    assert grade(SUM, program("")).state == "wrong"


def test_each_case_begins_anew(grade: Grade) -> None:
    code = "import pathlib, tempfile\nplace = pathlib.Path(tempfile.gettempdir(), 'seen')\nprint(place.exists())\nplace.touch()"
    assert grade(cases(("", "False"), ("", "False")), program(code)).state == "correct"


def test_long_input_and_output(grade: Grade) -> None:
    lines = "\n".join(map(str, range(100_000)))
    assert (
        grade(cases((lines, lines)), program("import sys\nfor line in sys.stdin: print(line, end='')")).state
        == "correct"
    )


def test_no_cases_are_an_error(grade: Grade) -> None:
    assert grade(cases(), program("print(1)")).state == "error"


@pytest.mark.parametrize(
    ("expected", "written", "same"),
    [
        ("1 2\n3\n", "1 2 3", True),
        ("a  b\n", " a b\n\n", True),
        ("yes", "Yes", False),
        ("1", "1 1", False),
        ("", "", True),
        ("0.5", "0.5000000001", True),
        ("0.5", ".5", True),
        ("1.5e3", "1500", True),
        ("0.5", "0.51", False),
        ("1000000000", "1000000001", False),
        ("1", "1.0", False),
        ("1.0", "nan", False),
        ("1.0", "1_0", False),
        ("inf", "1e999", False),
        ("0.1", "x", False),
    ],
)
def test_comparison(expected: str, written: str, same: bool) -> None:
    assert same_output(expected, written) is same
