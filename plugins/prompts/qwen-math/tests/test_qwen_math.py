from __future__ import annotations

import pytest

from skillforge import Execution, PartOptions, Problem, ToolLoop
from skillforge.registry import Registry
from skillforge.rollout.segments import parsed_segments
from skillforge.testing import check_package
from skillforge_qwen_math import STYLES
from skillforge_qwen_math.models import CHECKPOINTS

PROMPT = {style.name: style for style in STYLES}
PROBLEM = Problem(id="0", question="How many legs do 3 cats have?")
NOTHING = PartOptions()
TIR = PROMPT["qwen-math-tir"]


def test_all_parts_are_installed_and_keep_the_contract() -> None:
    assert set(check_package("skillforge-qwen-math")) == {*STYLES, *CHECKPOINTS}


def test_chain_of_thought() -> None:
    assert PROMPT["qwen-math-cot"].render(PROBLEM, (), NOTHING) == (
        "<|im_start|>system\n"
        "Please reason step by step, and put your final answer within \\boxed{}.<|im_end|>\n"
        "<|im_start|>user\n"
        "How many legs do 3 cats have?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert PROMPT["qwen-math-cot"].code is None


def test_tool_integrated_reasoning() -> None:
    assert TIR.render(PROBLEM, (), NOTHING) == (
        "<|im_start|>system\n"
        "Please integrate natural language reasoning with programs to solve the problem above, and put your final "
        "answer within \\boxed{}.<|im_end|>\n"
        "<|im_start|>user\n"
        "How many legs do 3 cats have?<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_both_stop_where_a_turn_of_chatml_ends() -> None:
    assert [style.stop_strings(NOTHING) for style in STYLES] == [("<|im_end|>", "<|endoftext|>")] * 2


def test_protocol() -> None:
    assert (TIR.code.stop, TIR.code.trim, TIR.code.cut_mark) == ("```output", False, "...")
    assert (TIR.code.remaining, TIR.code.exhausted) == ("", "")
    answer = "Multiply.\n```python\nprint(3 * 4)\n```\n```output\n12\n```\nThe answer is \\boxed{12}."
    text, code, output, rest = parsed_segments(answer, TIR.code)
    assert (text.exact, code.exact) == ("Multiply.\n", "```python\nprint(3 * 4)\n```\n```output")
    assert (code.text, output.text) == ("print(3 * 4)\n", "12")
    assert (output.exact, rest.exact) == ("\n12\n```\n", "The answer is \\boxed{12}.")


def test_limits() -> None:
    assert TIR.tool_loop(NOTHING) == ToolLoop(
        max_executions=10,
        last_turn=False,
        timeout=20.0,
        max_output=256,
        output_cut="middle",
        state="fresh",
        last_line="hide",
    )


@pytest.mark.parametrize(
    ("execution", "shown"),
    [
        (Execution(status="ok", stdout="\n4 \n", stderr="a warning"), "4"),
        (Execution(status="ok"), ""),
        (Execution(status="ok", value="4"), "4"),  # -o rollout.last_line=value
        (Execution(status="error", stdout="4\n", stderr="Traceback …\n\nNameError: name 'x'\n"), "NameError: name 'x'"),
        (Execution(status="timeout", stdout="4\n", stderr="KeyboardInterrupt\n"), "Timeout Error"),
        (Execution(status="died", detail="SIGKILL"), "[died: SIGKILL]"),
    ],
)
def test_what_is_shown(execution: Execution, shown: str) -> None:
    assert TIR.show_output(execution, TIR.loop, None) == shown


def test_models_are_found_by_their_hub_ids() -> None:
    registry = Registry()
    for size in ("1.5B", "7B", "72B"):
        model = registry.model_alias(f"Qwen/Qwen2.5-Math-{size}-Instruct")
        assert model.name == f"qwen2.5-math-{size.lower()}-instruct"
        assert model.location() == f"Qwen/Qwen2.5-Math-{size}-Instruct"
        assert (model.default_prompt, model.default_sampling.top_p) == ("qwen-math-cot", 0.8)
