"""Training: the same weights, however often it is stopped on the way."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from skillforge_forge_arith.generate import generate
from skillforge_forge_arith.partition import part_of_pair
from skillforge_tiny.answers import FORMS, exact_text
from skillforge_tiny.data import IGNORED, batch_plan, collate
from skillforge_tiny.train import prepare, run
from skillforge_tiny.trainer import CHECKPOINT, Settings

SMALL = Settings(steps=14, problems=40, tokens=256, layers=1, heads=1, intermediate=64, warmup=3)
PYTHON = msgspec.structs.replace(SMALL, form="python")
BOTH = pytest.mark.parametrize("settings", [SMALL, PYTHON], ids=["text", "python"])


def weights(work: Path) -> dict[str, torch.Tensor]:
    return load_file(work / "model" / "model.safetensors")


@BOTH
def test_a_stopped_run_ends_with_the_same_bits(settings: Settings, tmp_path: Path) -> None:
    """14 steps take more than one pass over the data, and step 5 falls between two checkpoints."""
    run(settings, tmp_path / "whole")
    assert run(settings, tmp_path / "stopped", stop_after=5, every=3).steps == 5
    assert not (tmp_path / "stopped" / "model").exists()
    run(settings, tmp_path / "stopped", stop_after=11, every=3)
    done = run(settings, tmp_path / "stopped", every=3)
    assert done.steps == settings.steps
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert whole.keys() == stopped.keys()
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)


@BOTH
def test_a_kill_while_the_checkpoint_is_written_costs_nothing(settings: Settings, tmp_path: Path) -> None:
    run(settings, tmp_path / "whole")
    run(settings, tmp_path / "killed", stop_after=6, every=3)
    (tmp_path / "killed" / (CHECKPOINT + ".part")).write_bytes(b"half a checkpoint")
    run(settings, tmp_path / "killed")
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_another_seed_gives_another_model(tmp_path: Path) -> None:
    other = msgspec.structs.replace(SMALL, seed=1)
    run(SMALL, tmp_path / "a")
    run(other, tmp_path / "b")
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert not torch.equal(a["model.embed_tokens.weight"], b["model.embed_tokens.weight"])


def test_other_settings_are_refused_in_the_same_folder(tmp_path: Path) -> None:
    run(SMALL, tmp_path, stop_after=2)
    with pytest.raises(ValueError, match="other settings"):
        run(Settings(steps=15, problems=40, layers=1, heads=1, intermediate=64), tmp_path)


@BOTH
def test_the_result_loads_like_any_model_folder(settings: Settings, tmp_path: Path) -> None:
    run(settings, tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model", local_files_only=True)
    assert model.config.head_dim == 64
    assert AutoTokenizer.from_pretrained(tmp_path / "model", local_files_only=True).chat_template


def test_both_forms_train_the_same_network() -> None:
    text, python = (prepare(settings)[0].model for settings in (SMALL, PYTHON))
    assert [(name, tensor.shape) for name, tensor in text.state_dict().items()] == [
        (name, tensor.shape) for name, tensor in python.state_dict().items()
    ]
    assert all(torch.equal(a, b) for a, b in zip(text.parameters(), python.parameters(), strict=True))


@BOTH
def test_the_loss_counts_what_the_model_writes_and_no_output(settings: Settings) -> None:
    trainer, tokenizer = prepare(settings)
    batch = collate(trainer.examples, range(10))
    for row, problem in enumerate(generate("train", size=10)):
        answer = FORMS[settings.form](problem)
        written = [segment for segment in answer if segment.kind != "output"]
        counted = batch.labels[row][batch.labels[row] != IGNORED]
        assert tokenizer.decode(counted) == exact_text(written) + "<eos>"
        shown = [segment.text for segment in answer if segment.kind == "output"]
        assert shown == ([] if settings.form == "text" else [str(problem.answer)])


def test_each_form_has_several_ways_to_an_answer() -> None:
    problems = list(generate("train", size=200))
    texts = [exact_text(FORMS["text"](problem)) for problem in problems]
    given = [text == problem.solution for text, problem in zip(texts, problems, strict=True)]
    assert 20 < given.count(False) < 100
    assert all(text.endswith(f"#### {problem.answer}") for text, problem in zip(texts, problems, strict=True))
    programs = [exact_text(FORMS["python"](problem)) for problem in problems]
    assert 60 < sum("total =" in program for program in programs) < 140


def test_no_way_to_an_answer_shows_an_operand_pair_that_is_held_out() -> None:
    for problem in generate("train", seed=1, size=1000):
        for left, operation, right in re.findall(r"(\d+) ([-+*/]) (\d+) =", exact_text(FORMS["text"](problem))):
            assert part_of_pair(int(left), operation, int(right)) == "train"


def test_every_example_is_in_each_epoch_once_with_little_padding() -> None:
    trainer, _ = prepare(Settings(problems=400, layers=1, heads=1, intermediate=64))
    plans = [batch_plan(trainer.examples, 512, 0, epoch) for epoch in (0, 1)]
    assert plans[0] != plans[1]
    for plan in plans:
        assert sorted(number for batch in plan for number in batch) == list(range(400))
        lengths = [[len(trainer.examples[number].ids) for number in batch] for batch in plan]
        assert all(max(row) - min(row) < 8 for row in lengths)
