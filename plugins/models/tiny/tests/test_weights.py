"""The weights in the package: loadable, small, and as good as the model card says."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerFast

from skillforge_forge_arith.generate import generate
from skillforge_tiny import WEIGHTS
from skillforge_tiny.data import chat_text
from skillforge_tiny.measure import answers, is_right, load, measure


@pytest.fixture(scope="module")
def loaded() -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    torch.set_num_threads(1)
    return load(WEIGHTS)


TOKENIZER = AutoTokenizer.from_pretrained(WEIGHTS, local_files_only=True)


@pytest.mark.parametrize("split", ["train", "validation", "test", "test-seen"])
def test_questions_and_solutions_come_back_exactly(split: str) -> None:
    for problem in generate(split, seed=11, size=500):
        for text in (problem.question, problem.solution):
            ids = TOKENIZER(text, add_special_tokens=False).input_ids
            assert TOKENIZER.unk_token_id not in ids
            assert TOKENIZER.decode(ids) == text


def test_numbers_are_split_into_digits() -> None:
    assert TOKENIZER.tokenize("150 + 7") == ["1", "5", "0", " +", " 7"]


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_can_be_encoded(text: str) -> None:
    ids = TOKENIZER(text, add_special_tokens=False).input_ids
    assert all(0 <= number < len(TOKENIZER) for number in ids)
    assert isinstance(TOKENIZER.decode(ids), str)


def test_unknown_words_become_unk() -> None:
    ids = TOKENIZER("Ana has 3 zebrafish 🐟").input_ids
    assert ids.count(TOKENIZER.unk_token_id) == 2


def test_the_chat_template_keeps_the_prompt_a_prefix_of_the_conversation() -> None:
    problem = next(generate("test"))
    prompt = chat_text(TOKENIZER, problem.question)
    whole = chat_text(TOKENIZER, problem.question, problem.solution)
    assert whole == prompt + problem.solution + "<eos>"
    assert prompt == f"<bos><user>{problem.question}<assistant>"


def test_a_system_message_is_rendered() -> None:
    messages = [{"role": "system", "content": "Add. "}, {"role": "user", "content": "How many?"}]
    text = TOKENIZER.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<bos><system>Add.<user>How many?<assistant>"


def test_the_folder_is_small() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) <= 3_000_000


def test_accuracy_leaves_room_for_improvement(loaded: tuple[LlamaForCausalLM, PreTrainedTokenizerFast]) -> None:
    score = measure(*loaded, generate("test", size=100))["all"]
    assert 0.20 <= score.share <= 0.60


def test_seen_operand_pairs_are_easier(loaded: tuple[LlamaForCausalLM, PreTrainedTokenizerFast]) -> None:
    seen = measure(*loaded, generate("test-seen", size=100))["all"]
    held_out = measure(*loaded, generate("test", size=100))["all"]
    assert seen.share > held_out.share + 0.1


def test_answers_end_by_themselves_in_the_solution_style(
    loaded: tuple[LlamaForCausalLM, PreTrainedTokenizerFast],
) -> None:
    problems = list(generate("test-seen", seed=1, size=20))
    texts = list(answers(*loaded, [problem.question for problem in problems]))
    assert all("####" in text and not text.endswith(" ") for text in texts)
    assert any(
        text == problem.solution and is_right(problem, text) for problem, text in zip(problems, texts, strict=True)
    )
