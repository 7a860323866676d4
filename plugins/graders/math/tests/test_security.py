"""Answers are text: whatever they say, nothing of it is run, opened or fetched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from skillforge_math_grader import check, extract, worker
from skillforge_math_grader.effort import SYMBOLIC_SECONDS
from skillforge_math_grader.policy import POLICIES, PRESETS
from skillforge_math_grader.tree import Node
from skillforge_math_grader.worker import symbolically_equal

MARK = "MARK"
"""Stands for the path of a file that a payload would make."""

PAYLOADS = [
    "__import__('os').system('touch MARK')",
    "__import__('pathlib').Path('MARK').touch()",
    "().__class__.__base__.__subclasses__()",
    "().__class__.__mro__[1].__subclasses__()[0]('MARK')",
    "open('MARK', 'w')",
    "open('MARK', 'w').write('x') or 5",
    "eval(\"open('MARK','w')\")",
    'exec(\'open("MARK","w")\')',
    "compile('open(\"MARK\",\"w\")', '', 'exec')",
    "(lambda: open('MARK', 'w'))()",
    "[open('MARK','w') for _ in (1,)][0]",
    "{open('MARK','w'): 1}",
    "f\"{open('MARK','w')}\"",
    'f\'{__import__("os").system("touch MARK")}\'',
    "'{0.__class__.__init__.__globals__}'.format(open)",
    "%(open('MARK','w'))s",
    "sympify(\"__import__('os').system('touch MARK')\")",
    "sympy.sympify('1').subs('x', open('MARK','w'))",
    "Symbol('x').__class__.__init__.__globals__['os'].system('touch MARK')",
    "Integer(1).__class__.mro()",
    "Matrix([[open('MARK','w')]])",
    "Rational(open('MARK','w'), 2)",
    "Interval(0, __import__('os').system('touch MARK'))",
    "factorial(factorial(factorial(9)))",
    "import os\nos.system('touch MARK')",
    "```python\nopen('MARK','w')\n```",
    "<|python_tag|>open('MARK','w')",
    "; touch MARK ;",
    "$(touch MARK)",
    "`touch MARK`",
    "| touch MARK",
    "\\input{/etc/passwd}",
    "\\write18{touch MARK}",
    "\\immediate\\write18{touch MARK}",
    "\\openout5=MARK",
    "\\include{/etc/passwd}",
    "file:///etc/passwd",
    "http://127.0.0.1:9/MARK",
    "cos\nsystem\n(S'touch MARK'\ntR.",
    "\x80\x04\x95cposix\nsystem\n\x93\x8c\ntouch MARK\x94\x85R.",
    "!!python/object/apply:os.system ['touch MARK']",
    "(?{touch MARK})" + "(a+)+" * 30 + "$",
    "5\x00'; touch MARK",
    "\\boxed{__import__('os').system('touch MARK')}",
    "\\int_0^1 __import__('os').system('touch MARK') dx",
    "\\sum_{k=1}^{n} open('MARK')",
    "{{''.__class__}}",
    "${jndi:ldap://127.0.0.1/MARK}",
]

AUDITED = """
import json, sys
from skillforge_math_grader import check, explain, extract, group
from skillforge_math_grader.worker import symbolically_equal, warm_up

payloads, policies, golds = json.loads(sys.stdin.read())
check("1/2", r"\\int_0^1 x dx")  # what is imported and started on first use
check(r"\\sqrt{2}", "1.41421"); check("1", "1", "prm800k"); check("1", "1", "nemo-2024"); check("1 cm", "10 mm")
for policy in policies:
    check("x+1", "1+x", policy); check("2", "3", policy)

harmful = (
    "open", "os.", "subprocess.", "socket.", "exec", "compile", "import", "shutil.", "ctypes.", "urllib.",
)
seen = []

def listen(event, arguments):
    if event.startswith(harmful):
        seen.append(f"{event} {arguments!r}"[:200])

sys.addaudithook(listen)
for payload in payloads:
    for text in (payload, f"The answer is {payload}"):
        extract(text)
        for policy in policies:
            for gold in golds:
                check(gold, text, policy); check(text, gold, policy)
    explain("5", payload)
group(payloads)
print(json.dumps(seen))
eval("open")  # a control: the listener hears what it is there for
assert seen.pop().startswith("exec")
"""


def test_payloads_run_nothing_and_open_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    payloads = [payload.replace(MARK, str(mark)) for payload in PAYLOADS]
    given = json.dumps([payloads, sorted({*POLICIES, *PRESETS}), ["0", "5", r"\frac{1}{2}x"]])
    done = subprocess.run(
        [sys.executable, "-c", AUDITED], input=given, capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_are_no_right_answer(payload: str) -> None:
    assert not check("0", payload).equal
    assert not check("5", payload).equal


GOLDS = [
    *map(str, range(-20, 20)),
    *(f"\\frac{{{n}}}{{{n + 1}}}" for n in range(1, 16)),
    *(f"{n}\\sqrt{{{n + 1}}}" for n in (1, 2, 4, 5, 6, 9)),
    *(f"x^{n}+{n}" for n in range(2, 10)),
    *(f"({n}, {n + 1})" for n in range(8)),
    *(f"[{n}, \\infty)" for n in range(6)),
    *(f"x = {n}.5" for n in range(6)),
    *(f"{n}\\%" for n in (21, 35, 47, 58)),
    *(f"{n}^\\circ" for n in (31, 46, 61)),
    *(f"{n}\\pi" for n in range(2, 8)),
    *(f"1{n}01_2" for n in ("0", "1")),
    *(f"\\{{{n}, {n + 2}\\}}" for n in range(4)),
    *(r"\text{even}", r"\text{Monday}", "B", "C", r"\emptyset", r"\mathbb{R}", "3+4i", "2:3", "4:30 p.m.",
    r"\begin{pmatrix}1\\2\end{pmatrix}"),
    *(r"\pm 7", "x>1", r"\log 7", r"e^2", "n!", r"\tan 5"),
]  # fmt: skip
CONSTANT_ANSWERS = [
    "", " ", ",", ".", "x", "[]", "{}", "()", "\\boxed{}", "answer", "None", "nan", "inf", "null",
    "undefined", "\\text{}", "$", "$$", "\\", "0/0", "1/0",
    "\\frac{0}{0}", "True", "yes", "any", "*", "_", "?", "...", "all of the above", "it depends",
    "\\emptyset or anything", "Thought process:", "Solution",
    "解", ":", "the answer", "%", "^\\circ", "\\pm", "i", "e",
]  # fmt: skip


def test_no_constant_answer_is_right_for_many_golds() -> None:
    assert len(set(GOLDS)) >= 120
    for answer in CONSTANT_ANSWERS:
        assert [gold for gold in GOLDS if check(gold, answer).equal] == [], answer


LONG = [
    "|", "[A", "(1)", "{", "}", r"\frac{1}{", r"\boxed{", "a, ", "12 a ", "<a,", r"\quad 1", "C_1", r"\begin{",
    r"0\cdot\sin(x_{1})+", r"1 \Omega", "\n", "Q: ",
]  # fmt: skip
NESTED = [
    r"\sum_{a=1}^{2000}\sum_{b=1}^{2000}\sum_{c=1}^{2000}1", r"\begin{pmatrix}x&2\\3&4\end{pmatrix}" * 20,
    r"\{" + ",".join(r"\{" + ",".join(map(str, range(10, 60 + row))) + r"\}" for row in range(50)) + r"\}",
]  # fmt: skip


@pytest.mark.parametrize("text", [*(piece * (18_000 // len(piece)) for piece in LONG), *NESTED])
def test_what_would_take_long_is_given_up(text: str) -> None:
    """Each took from seconds to hours once."""
    for other in ("5", text + "5"):
        assert not check(other, text).equal
    extract(text)


def test_verdicts_do_not_depend_on_what_was_asked_before(monkeypatch: pytest.MonkeyPatch) -> None:
    granted = []

    def patiently(first: Node, second: Node, limit: float) -> tuple[bool | None, float]:
        granted.append(limit)
        return symbolically_equal(first, second, 60.0)  # a busy machine takes longer, which is not the point

    monkeypatch.setattr(worker, "symbolically_equal", patiently)
    pair = ("1", r"\sum_{k=1}^{\infty}\frac{1}{2^k}")
    assert all(check(*pair, "nemo-2024").equal for _ in range(30))
    assert granted == [SYMBOLIC_SECONDS] * 30
