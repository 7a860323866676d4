from __future__ import annotations

import re
import subprocess
import sys
from typing import Literal

import pytest

from skillforge import CodeProtocol, Message, Problem, ToolProtocol, UsageError
from skillforge.options import parse
from skillforge.registry import Registry
from skillforge.testing import check_prompt
from skillforge_chat import Chat, ChatOptions

STYLE = Chat()
PROBLEM = Problem(id="0", question="How many legs do 3 cats have?", expected_answer="12")
SHOT = Problem(id="s", question="How many wings do 2 birds have?", expected_answer="4", reference_solution="2 * 2 = 4.")
ASK = "\n\nSolve the problem step by step. Then give the final answer inside \\boxed{}."
TEXT = ChatOptions(format="text")


@pytest.mark.parametrize(
    "options",
    [
        ChatOptions(),
        TEXT,
        ChatOptions(python="tools"),
        ChatOptions(python="text"),
        ChatOptions(system="Be brief.", instruction="<{question}>"),
    ],
)
def test_contract(options: ChatOptions) -> None:
    check_prompt(STYLE, options=options)


def test_zero_shot_chat() -> None:
    assert STYLE.render(PROBLEM, [], ChatOptions()) == (Message("user", "How many legs do 3 cats have?" + ASK),)


def test_few_shots_are_turns_and_the_system_message_opens() -> None:
    assert STYLE.render(PROBLEM, [SHOT], ChatOptions(system="Be brief.")) == (
        Message("system", "Be brief."),
        Message("user", "How many wings do 2 birds have?" + ASK),
        Message("assistant", "2 * 2 = 4.\nThe answer is \\boxed{4}."),
        Message("user", "How many legs do 3 cats have?" + ASK),
    )


def test_a_model_that_runs_python_in_its_text_is_told_how() -> None:
    options = ChatOptions(python="text", system="Be brief.")
    system, user = STYLE.render(PROBLEM, [], options)
    assert isinstance(system, Message) and system.role == "system"
    assert system.content.startswith(
        "Be brief.\n\nYou can run Python. Write the code in a block that begins with ```python"
    )
    assert user == Message("user", "How many legs do 3 cats have?" + ASK)
    protocol = STYLE.code_protocol(options)
    assert isinstance(protocol, CodeProtocol) and protocol.stop == "```output"


def test_a_model_that_calls_python_gets_the_same_messages_and_a_tool() -> None:
    options = ChatOptions(python="tools")
    assert STYLE.render(PROBLEM, [], options) == STYLE.render(PROBLEM, [], ChatOptions())
    protocol = STYLE.code_protocol(options)
    assert isinstance(protocol, ToolProtocol)
    assert STYLE.code_protocol(ChatOptions()) is None


@pytest.mark.parametrize("python", ["tools", "text"])
def test_a_model_whose_executions_are_used_up_is_told(python: Literal["tools", "text"]) -> None:
    protocol = STYLE.code_protocol(ChatOptions(python=python))
    assert protocol is not None
    assert protocol.exhausted.strip() == "No executions are left. Give the final answer now."


def test_tools_need_chat_messages() -> None:
    with pytest.raises(UsageError, match=r"tools need chat messages; set -o prompt\.python=text"):
        parse(ChatOptions, {"python": "tools", "format": "text"}, "prompt.")


def test_zero_shot_text() -> None:
    assert STYLE.render(PROBLEM, [], TEXT) == f"Question: How many legs do 3 cats have?{ASK}\nAnswer:"


def test_few_shot_text() -> None:
    assert STYLE.render(PROBLEM, [SHOT], ChatOptions(format="text", system="Sums for children.")) == (
        "Sums for children.\n\n"
        "Question: How many wings do 2 birds have?\nAnswer: 2 * 2 = 4.\nThe answer is \\boxed{4}.\n\n"
        "Question: How many legs do 3 cats have?\nAnswer:"
    )


def test_only_text_stops_at_the_next_question() -> None:
    assert STYLE.stop_strings(ChatOptions()) == ()
    (stop,) = STYLE.stop_strings(TEXT)
    prompt = STYLE.render(PROBLEM, STYLE.examples, TEXT)
    assert isinstance(prompt, str)
    assert prompt.count(stop) == len(STYLE.examples)
    assert not any(stop in f"{shot.question}{shot.reference_solution}" for shot in STYLE.examples)


@pytest.mark.parametrize("format", ["chat", "text"])
@pytest.mark.parametrize("shots", [(), (SHOT,)])
def test_ones_own_instruction_is_used_everywhere(format: str, shots: tuple[Problem, ...]) -> None:
    options = parse(ChatOptions, {"format": format, "instruction": "Q={question}; {x} {0} %s"}, "prompt.")
    assert repr(STYLE.render(PROBLEM, shots, options)).count("; {x} {0} %s") == 1 + len(shots)
    assert "Q=How many legs do 3 cats have?; {x} {0} %s" in repr(STYLE.render(PROBLEM, shots, options))


@pytest.mark.parametrize("question", ["Is {question} a word?", "{0} {x} {} }{", "%s \\1 \\g<0> ${question}", ""])
def test_a_question_is_never_a_template(question: str) -> None:
    options = ChatOptions(instruction="<{question}>")
    assert STYLE.render(Problem(id="0", question=question), [], options) == (Message("user", f"<{question}>"),)


def test_an_instruction_without_a_place_for_the_question_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no place for the question; write .question. where it goes"):
        parse(ChatOptions, {"instruction": "Solve it."}, "prompt.")


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="one of chat, text"):
        parse(ChatOptions, {"format": "raw"}, "prompt.")


@pytest.mark.parametrize(
    ("shot", "reply"),
    [
        (Problem(id="s", question="?", expected_answer="4"), "The answer is \\boxed{4}."),
        (Problem(id="s", question="?", reference_solution="So \\boxed{4}.", expected_answer="4"), "So \\boxed{4}."),
        (Problem(id="s", question="?", reference_solution="Four."), "Four."),
    ],
)
def test_a_few_shot_ends_in_one_boxed_answer(shot: Problem, reply: str) -> None:
    assert STYLE.render(PROBLEM, [shot], ChatOptions())[1] == Message("assistant", reply)


def test_a_few_shot_that_shows_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="few-shot 's' has neither a solution nor an answer"):
        STYLE.render(PROBLEM, [Problem(id="s", question="?")], ChatOptions())


def test_the_examples_are_right() -> None:
    """Every plain equation in them holds, and each solution reaches its answer."""
    assert len({shot.question for shot in STYLE.examples}) == len(STYLE.examples) >= 8
    equations = 0
    for shot in STYLE.examples:
        assert shot.reference_solution and shot.expected_answer
        for left, right in re.findall(r"(?<![*/+-] )\b(\d+(?: [*/+-] \d+)+) = (\d+)", shot.reference_solution):
            equations += 1
            assert eval(left) == int(right), left
        last = re.findall(r"\d+(?:/\d+)?", shot.reference_solution.removesuffix(" in lowest terms."))[-1]
        assert last == re.sub(r"\\frac\{(\d+)\}\{(\d+)\}", r"\1/\2", shot.expected_answer)
    assert equations >= 15


def test_it_is_found_by_its_entry_point_and_cheap_to_import() -> None:
    assert Registry().get("prompt", "chat").name == "chat"
    code = "import sys, skillforge_chat; print([m for m in ('datasets', 'transformers', 'jinja2') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
