"""Wrong or hostile code that claims to be right. All of it is wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from skillforge import Verdict

Grade = Callable[..., Verdict]

TESTS = {
    "style": "assert",
    "entry_point": "f",
    "asserts": ["assert f(1) == 'the secret 7Gx1'", "assert f(2) == 'the secret 7Gx2'"],
}
SIDE = "sys.modules['skillforge_code_tests_grader.inside.candidate']"

SEARCH = """
import gc
def f(x):
    beginning = 'the ' + 'secret ' + '7G'
    seen, todo = set(), gc.get_objects()
    while todo:
        thing = todo.pop()
        if id(thing) not in seen:
            seen.add(id(thing))
            if type(thing) is str and thing.startswith(beginning) and thing != beginning: return thing
            if isinstance(thing, (list, tuple, dict)): todo.extend(gc.get_referents(thing))"""

CHEATS = {
    "honestly wrong": "def f(x): return x",
    # The eight that fool graders which run tests and code in one process.
    "an object that equals all": """
        class Same:
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            __hash__ = None
        def f(x): return Same()""",
    "a subclass that equals all": """
        class Same(str):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
        def f(x): return Same('x')""",
    "os._exit(0)": """
        import os
        def f(x): os._exit(0)""",
    "sys.exit(0)": """
        import sys
        def f(x): sys.exit(0)""",
    "it says that it passes": """
        print('PASS\\nok\\n2 passed in 0.01s', flush=True)
        def f(x):
            print('PASS\\nall 2 tests pass', flush=True)
            raise SystemExit""",
    "no error is one": """
        import sys, builtins
        class Quiet(Exception): pass
        builtins.AssertionError = Quiet
        sys.excepthook = lambda *error: None
        def f(x): return x""",
    "frames edited": """
        import sys
        def f(x):
            frame = sys._getframe()
            while frame:
                frame.f_globals.update(f=lambda x: 'the secret', failed=False, passed=True)
                frame = frame.f_back
            print('PASS')
            return x""",
    "constants of the caller": """
        import sys
        def f(x):
            frame = sys._getframe()
            while frame:
                for constant in frame.f_code.co_consts:
                    if isinstance(constant, str) and f'secret 7Gx{x}' in constant: return constant
                frame = frame.f_back""",
    # Others of their kind.
    "all objects searched": SEARCH,
    "other processes read": """
        import pathlib
        def f(x):
            for path in pathlib.Path('/proc').glob('[0-9]*/*'):
                try:
                    if path.name in ('cmdline', 'environ') and (b'secret ' + b'7Gx') in path.read_bytes():
                        return f'the secret 7Gx{x}'
                except OSError: pass""",
    "an equal type's name": """
        class str(type('')): pass
        def f(x): return str('x')""",
    "exits while it loads": "import os; os._exit(0)\ndef f(x): return x",
    "raises AssertionError": "def f(x): raise AssertionError",
    "the test's names": "def check(candidate): pass\ncandidate = lambda x: 'x'\ndef f(x): return x",
    "a report in the reply": f"""
        import sys
        def f(x):
            {SIDE}.hand_over = lambda text: REPORT
            return x
        class Report:
            def __repr__(self): return '%d:%s' % (len(TEXT), TEXT)
        TEXT = '[[[0,"passed","",0],[1,"passed","",0],[2,"passed","",0]],null]'
        REPORT = Report()""",
    "a reply in advance": f"""
        import sys
        def f(x):
            side = {SIDE}
            side.call = lambda request: 'x'
            sys.modules['__main__'].__dict__.update(call=side.call)
            return x""",
    "a reply that is no data": f"""
        import sys
        def f(x):
            {SIDE}.encode = lambda value: '{{"object": "True"}}'
            return x""",
    "an endless reply": f"""
        import sys
        class Long:
            def __repr__(self): return '4000000:' + 'x' * 40_000
        def f(x):
            {SIDE}.hand_over = lambda text: Long()
            return x""",
    "a reply of characters that take much room": f"""
        import sys
        def f(x):
            hand_over = {SIDE}.hand_over
            {SIDE}.hand_over = lambda text: hand_over('\U0001f34e' * 4_000_000)
            return x""",
    "a reply nested without end": f"""
        import sys
        def f(x):
            {SIDE}.encode = lambda value: '[' * 100_000 + ']' * 100_000
            return x""",
    "everything patched": """
        import builtins, json, sys
        json.dumps = lambda *a, **k: '"passed"'
        builtins.type = lambda value: str
        builtins.len = lambda value: 0
        builtins.repr = lambda value: 'passed'
        def f(x): return x""",
    "a thread that comes later": """
        import threading, time
        result = []
        def late():
            time.sleep(0.05)
            result.append('the secret')
            print('PASS')
        def f(x):
            threading.Thread(target=late, daemon=True).start()
            return result""",
    "a list that holds itself": "def f(x):\n    own = []\n    own.append(own)\n    return own",
    "a fork that answers too": """
        import os
        def f(x):
            os.fork()
            return x""",
    "endless recursion": "def f(x): return f(x)",
    "recursion without limit": """
        import sys
        sys.setrecursionlimit(10**9)
        def f(x): return f(x)""",
    "all memory": "def f(x):\n    held = []\n    while True: held.append(bytearray(b'x' * 2**24))",
    "endless output": "def f(x):\n    while True: print('x' * 10_000)",
    "an endless loop": "def f(x):\n    while True: pass",
    "an endless loop that cannot be interrupted": """
        def f(x):
            while True:
                try:
                    while True: pass
                except BaseException: pass""",
    "closed descriptors": "import os\ndef f(x):\n    os.closerange(0, 1000)\n    return x",
    "all killed": "import os, signal\ndef f(x):\n    os.kill(-1, signal.SIGKILL)\n    os.kill(0, signal.SIGKILL)",
}  # fmt: skip


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_is_wrong(grade: Grade, cheat: str) -> None:
    code = textwrap.dedent(CHEATS[cheat])
    verdict = grade(TESTS, f"```python\n{code}\n```", timeout=1.0)
    assert (verdict.state, verdict.score) == ("wrong", 0.0), verdict


TRUTHY = {"style": "assert", "entry_point": "f", "asserts": ["assert f(1)"]}


def test_a_search_of_all_objects_finds_what_is_there(grade: Grade) -> None:
    """So that it finding nothing above means something."""
    tests = {**TESTS, "asserts": ["assert f('the secret 7Gx1') == 'the secret 7Gx1'"]}
    assert grade(tests, f"```python{SEARCH}\n```").state == "correct"


@pytest.mark.parametrize(
    ("name", "test", "code"),
    [
        ("tests that catch all", "try: f(1)\nexcept BaseException: pass", "import os\ndef f(x): os._exit(0)"),
        ("tests that expect an error", "try: f(1)\nexcept: pass\nelse: assert 0", "import sys\ndef f(x): sys.exit()"),
        ("tests that ask again", "while True:\n    try: f(1)\n    except BaseException: pass", "def f(x): 1 / 0"),
        ("a result that takes for ever", "assert sum(f(1)) == 3", "def f(x): return range(10**15)"),
        ("a result that takes all memory", "assert list(f(1)) == [3]", "def f(x): return range(10**15)"),
        ("an object that is true", "assert f(1)", "def f(x): return object()"),
        ("a class with a false name", "assert type(f(1)) is int", "class int(int): pass\ndef f(x): return int(1)"),
        ("an error of its own", "assert f(1)", "class E(BaseException): pass\ndef f(x): raise E"),
    ],
)  # fmt: skip
def test_a_failure_cannot_be_made_into_anything_else(grade: Grade, name: str, test: str, code: str) -> None:
    tests = {"style": "assert", "entry_point": "f", "asserts": [test]}
    verdict = grade(tests, f"```python\n{code}\n```", timeout=1.0, problem_timeout=3.0)
    assert verdict.state == "wrong", (name, verdict)


def test_data_that_looks_like_the_encoding_of_other_data_is_what_it_is(grade: Grade) -> None:
    tests = {"style": "assert", "entry_point": "f", "asserts": ["assert f(1) == 42", "assert f(2) == (1,)"]}
    code = "def f(x): return {'int': '0x2a'} if x == 1 else {'tuple': [1]}"
    assert grade(tests, f"```python\n{code}\n```").score == 0.0


def test_the_next_sample_is_judged_as_ever_after_all_of_these(grade: Grade) -> None:
    for code, state in (("import os\ndef f(x): os.kill(-1, 9)", "wrong"), ("def f(x): return 1", "correct")):
        assert grade(TRUTHY, f"```python\n{code}\n```", timeout=1.0).state == state


def test_reasons_are_one_short_printable_line(grade: Grade) -> None:
    code = "def f(x): raise type('\\x1b[31m' + 'x' * 10_000, (BaseException,), {})('a\\nb\\x1b[2J' + 'y' * 100_000)"
    reason = grade(TRUTHY, f"```python\n{code}\n```").reason
    assert reason and len(reason) < 400 and reason.isprintable()
