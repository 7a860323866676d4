"""The model that writes Python, its prompt style, and the tokens that it meets in the tool loop."""

from __future__ import annotations

import pytest

pytest.importorskip("transformers")

from transformers import AutoTokenizer

from skillforge import Execution, Message, Problem
from skillforge.testing import check_model, check_prompt
from skillforge_forge_arith.generate import generate
from skillforge_tiny.answers import exact_text, in_python
from skillforge_tiny.data import chat_text, encode
from skillforge_tiny.python import PROTOCOL, PYTHON_WEIGHTS, skillforge_model, skillforge_prompt

TOKENIZER = AutoTokenizer.from_pretrained(PYTHON_WEIGHTS, local_files_only=True)
PROBLEM = Problem(id="0", question="Ana has 3 hats. Leo has 2 more than Ana. How many hats does Leo have?")


def ids_of(messages: list[dict[str, str]]) -> list[int]:
    """The token ids of messages as servers make them: an answer at their end is left open, to be continued."""
    continued = messages[-1]["role"] == "assistant"
    text = TOKENIZER.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=not continued, continue_final_message=continued
    )
    return list(TOKENIZER(text, add_special_tokens=False).input_ids)


def test_the_prompt_is_the_bare_question() -> None:
    assert skillforge_prompt().render(PROBLEM, (), None) == (Message("user", PROBLEM.question),)


def test_what_the_loop_sends_is_what_training_showed() -> None:
    """The prompt alone, and the answer up to the end of the output: token by token a prefix of the training example."""
    problems = list(generate("train", seed=3, size=200))
    for problem, example in zip(problems, encode(TOKENIZER, problems, "python"), strict=True):
        whole = example.ids.tolist()
        text = TOKENIZER.decode(whole)
        asked = [{"role": "user", "content": problem.question}]
        first = ids_of(asked)
        assert whole[: len(first)] == first
        output = text.index(PROTOCOL.stop) + len(PROTOCOL.stop)
        shown = text.index(PROTOCOL.output_end, output) + len(PROTOCOL.output_end)
        written = text[len(chat_text(TOKENIZER, problem.question)) : shown]
        second = ids_of([*asked, {"role": "assistant", "content": written}])
        assert whole[: len(second)] == second
        assert TOKENIZER.decode(whole[len(second) :]) == f"#### {problem.answer}<eos>"


def test_the_model_stops_where_its_output_belongs() -> None:
    """What it has to write ends in the stop string, and the output follows at a token's edge."""
    for problem, example in zip(
        generate("train", size=50), encode(TOKENIZER, list(generate("train", size=50)), "python"), strict=True
    ):
        gaps = (~example.written[:-1] & example.written[1:]).nonzero()[:, 0].tolist()
        starts = (example.written[:-1] & ~example.written[1:]).nonzero()[:, 0].tolist()
        assert (len(starts), len(gaps)) == (1, 2)
        assert TOKENIZER.decode(example.ids[: starts[0] + 1]).endswith(PROTOCOL.stop)
        assert TOKENIZER.decode(example.ids[starts[0] + 1 : gaps[1] + 1]) == f"{problem.answer}{PROTOCOL.output_end}"


def test_the_answer_reads_as_a_tool_loop_records_it() -> None:
    from skillforge.rollout.segments import parsed_segments

    for problem in generate("test", size=100):
        answer = in_python(problem)
        assert parsed_segments(exact_text(answer), PROTOCOL) == answer


def test_the_output_shown_is_the_one_of_training() -> None:
    style = skillforge_prompt()
    assert style.show_output(Execution(status="ok", stdout="48\n"), style.loop, None) == "48"


def test_the_longest_program_fits_twice() -> None:
    lengths = [
        int(example.written.sum()) for example in encode(TOKENIZER, list(generate("train", size=3000)), "python")
    ]
    assert 2 * max(lengths) <= (skillforge_model().default_sampling.max_tokens or 0)


def test_the_model_is_found_by_name_only() -> None:
    model = skillforge_model()
    assert model.name == model.default_prompt == skillforge_prompt().name == "tiny-python"
    assert not model.embedded


def test_contract() -> None:
    check_prompt(skillforge_prompt())
    check_model(skillforge_model())
