from __future__ import annotations

import ast

import pytest

from skillforge import Execution, PartOptions, Problem, ToolLoop, UsageError
from skillforge.options import parse
from skillforge.registry import Registry
from skillforge.rollout.segments import parsed_segments
from skillforge.testing import check_package
from skillforge_openmath import STYLES
from skillforge_openmath.models import CHECKPOINTS
from skillforge_openmath.nemotron import TirOptions

PROMPT = {style.name: style for style in STYLES}
PROBLEM = Problem(id="0", question="How many legs do 3 cats have?")
SHOT = Problem(
    id="s",
    question="How many wings do 2 birds have?",
    reference_solution="I multiply.\n<llm-code>\n2 * 2\n</llm-code>\n<llm-code-output>\n4\n</llm-code-output>\n"
    "They have \\boxed{4} wings.",
)
SHOWN = (
    "Question:\n"
    "How many wings do 2 birds have?\n"
    "\n"
    "My solution:\n"
    "I multiply.\n"
    "<llm-code>\n"
    "2 * 2\n"
    "</llm-code>\n"
    "<llm-code-output>\n"
    "4\n"
    "</llm-code-output>\n"
    "They have \\boxed{4} wings."
    "\n\n\n\n\n\n"
)
NOTHING = PartOptions()
FAULT = """hi
Traceback (most recent call last):
  File "<cell 1>", line 1, in <module>
    print(1 / 0)
          ~~^~~
ZeroDivisionError: division by zero
"""


def test_all_parts_are_installed_and_keep_the_contract() -> None:
    assert set(check_package("skillforge-openmath")) == {*STYLES, *CHECKPOINTS}


def test_openmath() -> None:
    assert PROMPT["openmath"].render(PROBLEM, (), NOTHING) == (
        "System:\n"
        "You're an expert Python programmer and mathematician. Help the user to solve this problem using code when "
        "necessary. Make sure to put the answer (and only answer) inside \\boxed{}.\n"
        "\n"
        "User:\n"
        "How many legs do 3 cats have?\n"
        "\n"
        "Assistant:\n"
    )


def test_openmath_base_without_few_shots() -> None:
    assert PROMPT["openmath-base"].render(PROBLEM, (), NOTHING) == (
        "Here are some examples of questions and solutions followed by a new question that you need to solve.\n"
        "Make sure to put the answer (and only answer) inside \\boxed{}.\n"
        "\n"
        "Question:\n"
        "How many legs do 3 cats have?\n"
        "\n"
        "My solution:\n"
    )


def test_openmath_base_with_few_shots_and_code() -> None:
    assert PROMPT["openmath-base"].render(PROBLEM, (SHOT, SHOT), NOTHING) == (
        "Here are some examples of questions and solutions followed by a new question that you need to solve.\n"
        "Make sure to put the answer (and only answer) inside \\boxed{}.\n"
        "\n"
        f"{SHOWN}{SHOWN}"
        "Question:\n"
        "How many legs do 3 cats have?\n"
        "\n"
        "My solution:\n"
    )


def test_openmath_tir_tells_the_executions_that_its_loop_has() -> None:
    style = PROMPT["openmath-tir"]
    assert style.render(PROBLEM, (), TirOptions()) == (
        "<|im_start|>system\n"
        "<|im_end|>\n"
        "<|im_start|>user\n"
        "Solve the following math problem, integrating natural language reasoning with Python code executions.\n"
        "You may perform up to 8 Python code calls to assist your reasoning.\n"
        "Make sure to put the answer (and only answer) inside \\boxed{}.\n"
        "\n"
        "How many legs do 3 cats have?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    fewer = parse(TirOptions, {"executions": "3"}, "prompt.")
    assert "You may perform up to 3 Python code calls to" in str(style.render(PROBLEM, (), fewer))
    assert style.tool_loop(TirOptions()).max_executions == 8
    assert style.tool_loop(fewer).max_executions == 3


def test_no_executions_are_refused() -> None:
    with pytest.raises(UsageError, match="executions"):
        parse(TirOptions, {"executions": "0"}, "prompt.")


@pytest.mark.parametrize("name", ["openmath-cot", "openmath-kaggle"])
def test_openmath_cot_and_kaggle(name: str) -> None:
    assert PROMPT[name].render(PROBLEM, (), NOTHING) == (
        "<|im_start|>system\n"
        "<|im_end|>\n"
        "<|im_start|>user\n"
        "Solve the following math problem. Make sure to put the answer (and only answer) inside \\boxed{}.\n"
        "\n"
        "How many legs do 3 cats have?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_stop_strings() -> None:
    assert {name: style.stop_strings(style.Options()) for name, style in PROMPT.items()} == {
        "openmath": (),
        "openmath-base": ("\n\n\n\n\n\n",),
        "openmath-tir": ("<|im_end|>", "<|endoftext|>"),
        "openmath-kaggle": ("<|im_end|>", "<|endoftext|>"),
        "openmath-cot": ("<|im_end|>", "<|endoftext|>"),
    }


def _facts(loop: ToolLoop) -> tuple[object, ...]:
    return (loop.max_executions, loop.last_turn, loop.timeout, loop.max_output, loop.turn_tokens, loop.on_error)


def test_limits() -> None:
    loops = {name: PROMPT[name].tool_loop(PROMPT[name].Options()) for name in PROMPT if PROMPT[name].code}
    assert {name: _facts(loop) for name, loop in loops.items()} == {
        "openmath": (6, False, 10.0, 1000, None, "show"),
        "openmath-base": (3, False, 10.0, 1000, 512, "stop"),
        "openmath-tir": (8, True, 10.0, 1000, None, "show"),
        "openmath-kaggle": (6, True, 2.0, 200, None, "show"),
    }
    assert {(loop.output_cut, loop.state, loop.last_line, loop.prelude) for loop in loops.values()} == {
        ("tail", "session", "value", "")
    }
    assert PROMPT["openmath-cot"].code is None


@pytest.mark.parametrize("name", ["openmath", "openmath-base"])
def test_protocol_of_openmath(name: str) -> None:
    code = PROMPT[name].code
    block = f"{code.code_begin}6 * 7\n{code.code_end}{code.output_begin}42{code.output_end}"
    assert block == "<llm-code>\n6 * 7\n</llm-code>\n<llm-code-output>\n42\n</llm-code-output>\n"
    assert (code.stop, code.trim, code.cut_mark) == ("</llm-code>", False, "<output cut>")
    assert (code.remaining, code.exhausted) == ("", "")


@pytest.mark.parametrize("name", ["openmath-tir", "openmath-kaggle"])
def test_protocol_of_nemotron(name: str) -> None:
    style = PROMPT[name]
    code = style.code
    shown = style.show_output(Execution(status="ok", value="42"), style.loop, None)
    block = f"{code.code_begin}6 * 7\n{code.code_end}{code.output_begin}{shown}{code.output_end}"
    assert block == "<tool_call>\n6 * 7\n</tool_call>\n```output\n42\n```\n"
    assert (code.stop, code.trim, code.cut_mark) == ("</tool_call>", False, "<output cut>")


def test_only_openmath_tir_tells_what_is_left() -> None:
    assert PROMPT["openmath-tir"].code.remaining == (
        "```system\n"
        "Remaining code executions: {remaining}. You will not be able to call code when you run out of executions, so "
        "use it wisely. Note that you can still continue solving the problem without code after that.\n"
        "```\n"
    )
    assert PROMPT["openmath-tir"].code.exhausted == (
        "```system\n"
        "You have run out of code executions! You can no longer write or execute code. Now you should continue solving "
        "the problem by relying on your mathematical reasoning and analytical skills.\n"
        "```\n"
    )
    assert (PROMPT["openmath-kaggle"].code.remaining, PROMPT["openmath-kaggle"].code.exhausted) == ("", "")


@pytest.mark.parametrize(
    ("execution", "older", "newer"),
    [
        (Execution(status="ok", stdout="a\nb\n", value="3"), "a\nb\n3", "a\nb\n3\n"),
        (Execution(status="ok"), "", ""),
        (Execution(status="error", stderr=FAULT), "Execution error: division by zero", FAULT),
        (Execution(status="error", stderr="AssertionError\n"), "Execution error: AssertionError", "AssertionError\n"),
        (Execution(status="error", stderr="SyntaxError: odd\n"), "Syntax error: odd", "SyntaxError: odd\n"),
        (Execution(status="timeout", stdout="1\n", stderr="KeyboardInterrupt\n"), "timeout", "Timed out\n"),
        (Execution(status="died", detail="SIGSEGV"), "[died: SIGSEGV]", "[died: SIGSEGV]\n"),
    ],
)
def test_what_is_shown(execution: Execution, older: str, newer: str) -> None:
    assert PROMPT["openmath"].show_output(execution, ToolLoop(), None) == older
    assert PROMPT["openmath-base"].show_output(execution, ToolLoop(), None) == older
    assert PROMPT["openmath-tir"].show_output(execution, ToolLoop(), None) == newer
    assert PROMPT["openmath-kaggle"].show_output(execution, ToolLoop(), None) == newer


def test_the_code_of_the_examples_gives_their_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    style = PROMPT["openmath-base"]
    assert len({shot.question for shot in style.examples}) == len(style.examples) == 5
    for shot in style.examples:
        segments = parsed_segments(shot.reference_solution, style.code)
        assert [segment.kind for segment in segments] == ["text", "code", "output", "text"]
        assert "".join(segment.exact for segment in segments) == shot.reference_solution
        assert _interpreted(segments[1].text, capsys) == segments[2].text
        assert f"\\boxed{{{shot.expected_answer}}}" in segments[3].text


def _interpreted(code: str, capsys: pytest.CaptureFixture[str]) -> str:
    body, variables = ast.parse(code).body, {}
    last = body.pop()
    assert isinstance(last, ast.Expr)
    exec(compile(ast.Module(body, []), "example", "exec"), variables)
    value = eval(compile(ast.Expression(last.value), "example", "eval"), variables)
    return capsys.readouterr().out.strip() if value is None else repr(value)


def test_models_are_found_by_their_hub_ids() -> None:
    registry = Registry()
    for model in CHECKPOINTS:
        assert registry.model_alias(model.location()).name == model.name
        assert model.default_prompt in PROMPT


@pytest.mark.parametrize(
    ("hub_id", "name", "prompt", "temperature", "max_tokens"),
    [
        ("nvidia/OpenMath-Mistral-7B-v0.1-hf", "openmath-mistral-7b-v0.1", "openmath", None, 2048),
        ("nvidia/OpenMath-Mistral-7B-v0.1", "openmath-mistral-7b-v0.1", "openmath", None, 2048),
        ("nvidia/OpenMath-Nemotron-7B", "openmath-nemotron-7b", "openmath-tir", 0.6, 32768),
        ("nvidia/OpenMath-Nemotron-14B-Kaggle", "openmath-nemotron-14b-kaggle", "openmath-kaggle", 0.6, 32768),
    ],
)
def test_defaults_of_models(hub_id: str, name: str, prompt: str, temperature: float | None, max_tokens: int) -> None:
    model = Registry().model_alias(hub_id)
    assert (model.name, model.default_prompt) == (name, prompt)
    sampling = model.default_sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (temperature, 0.95, max_tokens)
