"""The weights in the package: loadable, small, and as good as the model cards say."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from transformers import AutoTokenizer

from skillforge.runs.directory import RunDirectory
from skillforge_forge_arith.generate import generate
from skillforge_tiny import WEIGHTS
from skillforge_tiny.answers import FORMS, exact_text
from skillforge_tiny.data import chat_text
from skillforge_tiny.measure import Score, measure, settings_for
from skillforge_tiny.python import PYTHON_WEIGHTS

pytestmark = pytest.mark.xdist_group("tiny")

FOLDERS = {"text": WEIGHTS, "python": PYTHON_WEIGHTS}
TOKENIZER = AutoTokenizer.from_pretrained(WEIGHTS, local_files_only=True)


class Measured:
    """The run of a greedy evaluation, and its scores."""

    def __init__(self, folder: Path, split: str, path: Path) -> None:
        self.scores: dict[str, Score] = measure(settings_for(folder, split, 100), path)
        self.samples = list(RunDirectory.open(path).samples())

    @property
    def share(self) -> float:
        return self.scores["all"].share


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Measured]:
    """(form, split) -> the model of that form on the first 100 problems."""
    runs = tmp_path_factory.mktemp("runs")
    asked = [("text", "test"), ("text", "test-seen"), ("python", "test")]
    return {(form, split): Measured(FOLDERS[form], split, runs / f"{form}-{split}") for form, split in asked}


@pytest.mark.parametrize("split", ["train", "validation", "test", "test-seen"])
def test_questions_and_solutions_come_back_exactly(split: str) -> None:
    for problem in generate(split, seed=11, size=500):
        for text in (problem.question, problem.solution, *(exact_text(answer(problem)) for answer in FORMS.values())):
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


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_the_folder_is_small(folder: Path) -> None:
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 3_000_000


def test_both_networks_have_the_same_shape_and_tokens() -> None:
    shapes = [
        {name: tensor.shape for name, tensor in load_file(folder / "model.safetensors").items()}
        for folder in FOLDERS.values()
    ]
    assert shapes[0] == shapes[1]
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"):
        assert (WEIGHTS / name).read_bytes() == (PYTHON_WEIGHTS / name).read_bytes()


def test_accuracy_leaves_room_for_improvement(measured: dict[tuple[str, str], Measured]) -> None:
    assert 0.20 <= measured["text", "test"].share <= 0.60


def test_seen_operand_pairs_are_easier(measured: dict[tuple[str, str], Measured]) -> None:
    assert measured["text", "test-seen"].share > measured["text", "test"].share + 0.1


def test_the_model_that_writes_python_clearly_beats_the_one_that_does_the_sums(
    measured: dict[tuple[str, str], Measured],
) -> None:
    assert measured["python", "test"].share > measured["text", "test"].share + 0.3


def test_answers_end_by_themselves_in_the_solution_style(measured: dict[tuple[str, str], Measured]) -> None:
    run = measured["text", "test-seen"]
    texts = {sample.problem.id: sample.transcript.answer_text for sample in run.samples}
    assert all("####" in text and not text.endswith(" ") for text in texts.values())
    assert any(texts[str(problem.number)] == problem.solution for problem in generate("test-seen", size=100))


def test_programs_are_run_and_their_output_is_read(measured: dict[tuple[str, str], Measured]) -> None:
    answers = [sample.transcript.segments[1:] for sample in measured["python", "test"].samples]
    regular = [answer for answer in answers if [s.kind for s in answer] == ["text", "code", "output", "text"]]
    assert len(regular) > 90
    familiar = [(output, text) for _, _, output, text in regular if output.text.isdigit()]  # no answer is below zero
    assert len(familiar) > 90
    assert all(text.text == f"#### {output.text}" for output, text in familiar)
