from __future__ import annotations

import pytest

from skillforge import Execution, PartOptions, Problem, ToolLoop
from skillforge.registry import Registry
from skillforge.testing import check_package
from skillforge_deepseek_math import STYLES
from skillforge_deepseek_math.models import CHECKPOINTS

PROMPT = {style.name: style for style in STYLES}
PROBLEM = Problem(id="0", question="How many legs do 3 cats have?")
NOTHING = PartOptions()
TIR = PROMPT["deepseek-math-tir"]

FAULT = """some warning
Traceback (most recent call last):
  File "<cell 2>", line 4, in <module>
    print(f())
          ^^^
  File "<cell 2>", line 2, in f
    return sp.sympify('1+*')
           ^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3/site-packages/sympy/core/sympify.py", line 509, in sympify
    raise SympifyError('could not parse %r' % a, exc)
sympy.core.sympify.SympifyError: no such thing
"""
SYNTAX_FAULT = """  File "<cell 2>", line 1
    x = (1
        ^
SyntaxError: '(' was never closed
"""


def test_all_parts_are_installed_and_keep_the_contract() -> None:
    assert set(check_package("skillforge-deepseek-math")) == {*STYLES, *CHECKPOINTS}


def test_chain_of_thought() -> None:
    assert PROMPT["deepseek-math-cot"].render(PROBLEM, (), NOTHING) == (
        "User: How many legs do 3 cats have?\n"
        "Please reason step by step, and put your final answer within \\boxed{}.\n"
        "\n"
        "Assistant:"
    )
    assert PROMPT["deepseek-math-cot"].code is None


def test_tool_integrated_reasoning() -> None:
    assert TIR.render(PROBLEM, (), NOTHING) == (
        "User: How many legs do 3 cats have?\n"
        "Please integrate natural language reasoning with programs to solve the problem above, and put your final "
        "answer within \\boxed{}.\n"
        "\n"
        "Assistant:"
    )
    assert TIR.stop_strings(NOTHING) == ()


def test_protocol() -> None:
    code = TIR.code
    assert (code.stop, code.trim, code.cut_mark) == ("```output", True, "...")
    assert (code.remaining, code.exhausted) == ("", "")
    block = f"{code.code_begin}print(2 * 2)\n{code.code_end}{code.output_begin}4{code.output_end}"
    assert block == "```python\nprint(2 * 2)\n```\n```output\n4\n```\n"


def test_limits() -> None:
    assert TIR.tool_loop(NOTHING) == ToolLoop(
        max_executions=2,
        last_turn=False,
        timeout=10.0,
        max_output=100,
        output_cut="middle",
        turn_tokens=1024,
        state="session",
        last_line="hide",
    )


@pytest.mark.parametrize(
    ("stderr", "shown"),
    [
        (
            FAULT,
            "in f\n"
            '  File "site-packages/sympy/core/sympify.py", in sympify\n'
            "    raise SympifyError('could not parse %r' % a, exc)\n"
            "sympy.core.sympify.SympifyError: no such thing",
        ),
        (SYNTAX_FAULT, "File \"<cell 2>\", line 1\n    x = (1\n        ^\nSyntaxError: '(' was never closed"),
        (
            "Traceback (most recent call last):\nKeyError: 1\n\nDuring handling of the above exception, another exception "
            'occurred:\n\nTraceback (most recent call last):\n  File "<cell 1>", line 9, in <module>\n    f()\nValueError: 2\n',
            "ValueError: 2",
        ),
        ("", ""),
    ],
)
def test_an_error_is_shown_without_the_lines_of_the_code(stderr: str, shown: str) -> None:
    execution = Execution(status="error", stdout="lost", stderr=stderr)
    assert TIR.show_output(execution, TIR.loop, None) == f"Runtime errors: {shown}"


@pytest.mark.parametrize(
    ("execution", "shown"),
    [
        (Execution(status="ok", stdout="\n4 \n", stderr="a warning"), "4"),
        (Execution(status="ok"), ""),
        (Execution(status="ok", value="4"), "4"),  # -o rollout.last_line=value
        (Execution(status="timeout", stdout="4\n", stderr="KeyboardInterrupt\n"), "Runtime errors: Timeout Error"),
        (Execution(status="died", detail="SIGKILL"), "[died: SIGKILL]"),
    ],
)
def test_what_is_shown(execution: Execution, shown: str) -> None:
    assert TIR.show_output(execution, TIR.loop, None) == shown


def test_models_are_found_by_their_hub_ids() -> None:
    registry = Registry()
    for name in ("deepseek-math-7b-instruct", "deepseek-math-7b-rl"):
        model = registry.model_alias(f"deepseek-ai/{name}")
        assert (model.name, model.location()) == (name, f"deepseek-ai/{name}")
        assert (model.default_prompt, model.default_sampling.max_tokens) == ("deepseek-math-cot", 2048)
