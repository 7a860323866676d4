from __future__ import annotations

import asyncio

import pytest

from skillforge import Execution, PartOptions, Problem, ToolLoop
from skillforge.registry import Registry
from skillforge.rollout.code_runner import CodeRunner, Tools
from skillforge.rollout.segments import parsed_segments
from skillforge.testing import check_package
from skillforge_numina import STYLES
from skillforge_numina.models import CHECKPOINTS
from skillforge_numina.styles import TirOptions

PROMPT = {style.name: style for style in STYLES}
NOTHING = PartOptions()
TIR = PROMPT["numina-tir"]
RELEASED = TirOptions(released=True)
BOTH = pytest.mark.parametrize("options", [TirOptions(), RELEASED], ids=["meant", "released"])

FAULT = """some warning
Traceback (most recent call last):
  File "<cell 2>", line 4, in <module>
    print(f())
          ^^^
  File "<cell 2>", line 2, in f
    return sp.sympify('1+*') / 0
           ^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3/site-packages/sympy/core/sympify.py", line 509, in sympify
    raise SympifyError('could not parse %r' % a, exc)
ZeroDivisionError: division by zero
"""
SYNTAX_FAULT = """  File "<cell 2>", line 1
    x = (1
        ^
SyntaxError: '(' was never closed
"""


def test_all_parts_are_installed_and_keep_the_contract() -> None:
    assert set(check_package("skillforge-numina")) == {*STYLES, *CHECKPOINTS}


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_prompt(style) -> None:
    problem = Problem(id="0", question="How many legs do 3 cats have?")
    assert style.render(problem, (), NOTHING) == "### Problem: How many legs do 3 cats have?\n### Solution: "
    assert style.stop_strings(NOTHING) == ()


def test_protocol() -> None:
    code = TIR.code
    assert (code.stop, code.trim, code.cut_mark) == ("```output\n", False, " ... (output truncated)")
    assert (code.remaining, code.exhausted) == ("", "")
    answer = "1. Multiply.\n```python\nprint(3 * 4)\n```\n```output\n12\n```\nThe answer is \\boxed{12}."
    text, block, output, rest = parsed_segments(answer, code)
    assert (text.exact, block.exact) == ("1. Multiply.\n", "```python\nprint(3 * 4)\n```\n```output\n")
    assert (block.text, output.text) == ("print(3 * 4)\n", "12")
    assert (output.exact, rest.exact) == ("12\n```", "\nThe answer is \\boxed{12}.")


@pytest.mark.parametrize(
    ("options", "last_line", "prelude"),
    [(TirOptions(), "print", "import math\nimport numpy as np\nimport sympy as sp"), (RELEASED, "hide", "")],
    ids=["meant", "released"],
)
def test_limits(options: TirOptions, last_line: str, prelude: str) -> None:
    assert TIR.tool_loop(options) == ToolLoop(
        max_executions=3,
        last_turn=True,
        timeout=5.0,
        max_output=200,
        output_cut="tail",
        turn_tokens=2048,
        state="fresh",
        last_line=last_line,
        prelude=prelude,
    )
    assert PROMPT["numina-cot"].code is None


def test_a_traceback_keeps_the_frames_of_the_models_own_code() -> None:
    assert TIR.show_output(Execution(status="error", stdout="lost", stderr=FAULT), ToolLoop(), TirOptions()) == (
        "Traceback (most recent call last):\n"
        '  File "tmp.py", line 4, in <module>\n'
        "    print(f())\n"
        '  File "tmp.py", line 2, in f\n'
        "    return sp.sympify('1+*') / 0\n"
        "ZeroDivisionError: division by zero"
    )
    assert TIR.show_output(Execution(status="error", stderr=SYNTAX_FAULT), ToolLoop(), TirOptions()) == (
        "File \"tmp.py\", line 1\n    x = (1\nSyntaxError: '(' was never closed"
    )


def test_the_released_notebook_eats_path_and_line() -> None:
    assert TIR.show_output(Execution(status="error", stdout="lost", stderr=FAULT), ToolLoop(), RELEASED) == (
        "Traceback (most recent call last):\n"
        '  File "\n'
        "    print(f())\n"
        '  File "\n'
        "    return sp.sympify('1+*') / 0\n"
        "ZeroDivisionError: division by zero"
    )
    assert TIR.show_output(Execution(status="error", stderr=SYNTAX_FAULT), ToolLoop(), RELEASED) == (
        "File \"\n    x = (1\nSyntaxError: '(' was never closed"
    )


@BOTH
@pytest.mark.parametrize(
    ("execution", "shown"),
    [
        (Execution(status="ok", stdout="\n12 \n", stderr="a warning"), "12"),
        (Execution(status="ok", stdout="1\n", value="2"), "1\n2"),
        (Execution(status="ok"), ""),
        (Execution(status="exit", detail="exit code 0", stdout="12\n"), "12"),
        (Execution(status="timeout", stdout="1\n", stderr="KeyboardInterrupt\n"), "Timed out after 5 seconds."),
        (Execution(status="error", stderr="ValueError: 3\n"), "ValueError: 3"),
        (Execution(status="error"), ""),
        (Execution(status="oom", detail="512 MB"), "[oom: 512 MB]"),
    ],
)
def test_what_is_shown(options: TirOptions, execution: Execution, shown: str) -> None:
    assert TIR.show_output(execution, TIR.tool_loop(options), options) == shown


IMPORTS = "import math\nimport numpy as np\nimport sympy as sp\n"
AS_RELEASED = (
    ("x = 5\nx\n", "x = 5\nprint(x)", "5"),
    ("x = 5\nx # the answer\n", "x = 5\nprint(x )", "5"),
    ("x = 5\nprint(x)  # done\n", "x = 5\nprint(x)  # done", "5"),
    ("x = 5\nx # as print() does\n", "x = 5\nx # as print() does", ""),
    ("print(5)\n# done\n", "print(5)\nprint()", "5"),
    (
        "x = 4\ny=x+1\n",
        "x = 4\nprint(y=x+1)",
        "Traceback (most recent call last):\n"
        "  File \"\n    print(y=x+1)\nTypeError: 'y' is an invalid keyword argument for print()",
    ),
    (
        "for i in range(3):\n    x=i\n",
        "for i in range(3):\nprint(    x=i)",
        "File \"\n    print(    x=i)\nIndentationError: expected an indented block after 'for' statement on line 4",
    ),
    ("x = (1\n2\n", "x = (1\nprint(2)", "File \"\n    x = (1\nSyntaxError: '(' was never closed"),
    ("sp.sqrt(math.floor(np.float64(16.5)))", "print(sp.sqrt(math.floor(np.float64(16.5))))", "4"),
    ("import sys\nprint(sys._getframe().f_lineno)", "import sys\nprint(sys._getframe().f_lineno)", "5"),
)
"""What the model wrote, what the notebook runs below its imports, and what the model reads of it."""


@pytest.mark.parametrize(("code", "run"), [(code, run) for code, run, _ in AS_RELEASED])
def test_as_released_the_last_line_is_found_in_the_text(code: str, run: str) -> None:
    assert TIR.prepare_code(code, RELEASED) == IMPORTS + run
    assert TIR.prepare_code(code, TirOptions()) == code


def test_what_the_model_reads_of_code_that_is_run_as_released() -> None:
    pytest.importorskip("skillforge_local_sandbox")
    sandbox = Registry().get("sandbox", "local")

    async def shown() -> list[str]:
        async with sandbox.open(sandbox.Options()) as pool:
            tools = Tools(TIR.code, TIR.tool_loop(RELEASED), TIR, RELEASED, pool)
            async with CodeRunner(tools) as runner:
                return [runner.shown(await runner.run(code)) for code, _, _ in AS_RELEASED]

    assert asyncio.run(shown()) == [read for _, _, read in AS_RELEASED]


def test_models_are_found_by_their_hub_ids() -> None:
    registry = Registry()
    found = {model.location(): registry.model_alias(model.location()) for model in CHECKPOINTS}
    assert {hub_id: (model.name, model.default_prompt) for hub_id, model in found.items()} == {
        "AI-MO/NuminaMath-7B-CoT": ("numinamath-7b-cot", "numina-cot"),
        "AI-MO/NuminaMath-7B-TIR": ("numinamath-7b-tir", "numina-tir"),
        "AI-MO/NuminaMath-7B-TIR-GPTQ": ("numinamath-7b-tir-gptq", "numina-tir"),
        "AI-MO/NuminaMath-72B-CoT": ("numinamath-72b-cot", "numina-cot"),
        "AI-MO/NuminaMath-72B-TIR": ("numinamath-72b-tir", "numina-tir"),
    }
    assert found["AI-MO/NuminaMath-7B-TIR"].default_sampling.max_tokens == 4096
    assert found["AI-MO/NuminaMath-7B-CoT"].default_sampling.max_tokens == 2048
