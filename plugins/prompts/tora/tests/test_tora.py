from __future__ import annotations

import pytest

from skillforge import Execution, PartOptions, Problem, ToolLoop
from skillforge.registry import Registry
from skillforge.rollout.segments import parsed_segments
from skillforge.testing import check_package
from skillforge_tora import STYLES
from skillforge_tora.models import CHECKPOINTS

PROMPT = {style.name: style for style in STYLES}
PROBLEM = Problem(id="0", question="How many legs do 3 cats have?")
SHOT = Problem(
    id="s",
    question="How many wings do 2 birds have?",
    reference_solution="```python\nprint(2 * 2)\n```\n```output\n4\n```\nThey have $\\boxed{4}$ wings.",
)
GUIDELINES = (
    "Solve math problems by reasoning in steps and by running Python. Keep to these rules:\n"
    "\n"
    "- Think about the question, then put the computation into functions that take no arguments, and print what they "
    "return.\n"
    "- State the final result in LaTeX, inside \\boxed{}, and leave units out of the box.\n"
    "- Keep numbers exact: use `pi` and `Rational` of sympy, and simplify fractions and roots instead of writing "
    "decimals.\n"
)
NOTHING = PartOptions()


def test_all_parts_are_installed_and_keep_the_contract() -> None:
    assert set(check_package("skillforge-tora")) == {*STYLES, *CHECKPOINTS}


def test_tora() -> None:
    expected = "<|user|>\nHow many legs do 3 cats have?\n<|assistant|>\n"
    assert PROMPT["tora"].render(PROBLEM, (), NOTHING) == expected
    assert PROMPT["tora"].stop_strings(NOTHING) == ("</s>",)


def test_few_shot_prompt_without_examples() -> None:
    assert PROMPT["tora-fewshot"].render(PROBLEM, (), NOTHING) == (
        f"{GUIDELINES}\n---\n\nQuestion: How many legs do 3 cats have?\n\nSolution:"
    )


def test_few_shot_prompt_with_code() -> None:
    assert PROMPT["tora-fewshot"].render(PROBLEM, (SHOT,), NOTHING) == (
        f"{GUIDELINES}\n"
        "These examples show how:\n"
        "\n"
        "---\n"
        "\n"
        "Question: How many wings do 2 birds have?\n"
        "\n"
        "Solution:\n"
        "```python\n"
        "print(2 * 2)\n"
        "```\n"
        "```output\n"
        "4\n"
        "```\n"
        "They have $\\boxed{4}$ wings.\n"
        "\n"
        "---\n"
        "\n"
        "Question: How many legs do 3 cats have?\n"
        "\n"
        "Solution:"
    )
    assert PROMPT["tora-fewshot"].stop_strings(NOTHING) == ("</s>", "---")


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_protocol(style) -> None:
    code = style.code
    assert (code.stop, code.trim, code.cut_mark) == ("```output", True, "...")
    assert (code.remaining, code.exhausted) == ("", "\nReach max function call limit.")
    block = f"{code.code_begin}print(2 * 2)\n{code.code_end}{code.output_begin}4{code.output_end}"
    assert block == "```python\nprint(2 * 2)\n```\n```output\n4\n```\n"


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_limits(style) -> None:
    assert style.tool_loop(NOTHING) == ToolLoop(
        max_executions=4,
        last_turn=False,
        timeout=5.0,
        max_output=400,
        output_cut="middle",
        turn_tokens=1024,
        state="fresh",
        last_line="hide",
    )


@pytest.mark.parametrize(
    ("execution", "shown"),
    [
        (Execution(status="ok", stdout="\n4 \n", stderr="a warning"), "4"),
        (Execution(status="ok"), "Done"),
        (Execution(status="ok", value="4"), "4"),  # -o rollout.last_line=value
        (Execution(status="error", stdout="4\n", stderr="Traceback …\n\nNameError: name 'x'\n"), "NameError: name 'x'"),
        (Execution(status="timeout", stdout="4\n", stderr="KeyboardInterrupt\n"), "Timeout Error"),
        (Execution(status="died", detail="SIGKILL"), "[died: SIGKILL]"),
    ],
)
def test_what_is_shown(execution: Execution, shown: str) -> None:
    assert PROMPT["tora"].show_output(execution, PROMPT["tora"].loop, None) == shown


def test_the_programs_of_the_examples_print_their_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    style = PROMPT["tora-fewshot"]
    assert len({shot.question for shot in style.examples}) == len(style.examples) == 5
    for shot in style.examples:
        segments = parsed_segments(shot.reference_solution, style.code)
        assert [segment.kind for segment in segments][-3:] == ["code", "output", "text"]
        assert "".join(segment.exact for segment in segments) == shot.reference_solution
        exec(segments[-3].text, {})
        assert capsys.readouterr().out == f"{segments[-2].text}\n"
        assert f"$\\boxed{{{shot.expected_answer}}}$" in segments[-1].text
        assert "---" not in f"{shot.question}{shot.reference_solution}"


def test_models_are_found_by_their_hub_ids() -> None:
    registry = Registry()
    for size in ("7b", "13b", "70b", "code-7b", "code-13b", "code-34b"):
        model = registry.model_alias(f"llm-agents/tora-{size}-v1.0")
        assert (model.name, model.location()) == (f"tora-{size}-v1.0", f"llm-agents/tora-{size}-v1.0")
        assert (model.default_prompt, model.default_sampling.max_tokens) == ("tora", 4096)
