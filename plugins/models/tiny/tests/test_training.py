"""Training: the same weights, however often it is stopped on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from safetensors.torch import load_file

from skillforge_forge_arith.generate import generate
from skillforge_tiny.data import IGNORED, batch_plan, collate
from skillforge_tiny.measure import load
from skillforge_tiny.train import prepare, run
from skillforge_tiny.trainer import CHECKPOINT, Settings

SMALL = Settings(steps=14, problems=40, tokens=256, layers=1, heads=1, intermediate=64, warmup=3)


def weights(work: Path) -> dict[str, torch.Tensor]:
    return load_file(work / "model" / "model.safetensors")


def test_a_stopped_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    """14 steps take more than one pass over the data, and step 5 falls between two checkpoints."""
    run(SMALL, tmp_path / "whole")
    assert run(SMALL, tmp_path / "stopped", stop_after=5, every=3).steps == 5
    assert not (tmp_path / "stopped" / "model").exists()
    run(SMALL, tmp_path / "stopped", stop_after=11, every=3)
    done = run(SMALL, tmp_path / "stopped", every=3)
    assert done.steps == SMALL.steps
    whole, stopped = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert whole.keys() == stopped.keys()
    assert all(torch.equal(whole[name], stopped[name]) for name in whole)


def test_a_kill_while_the_checkpoint_is_written_costs_nothing(tmp_path: Path) -> None:
    run(SMALL, tmp_path / "whole")
    run(SMALL, tmp_path / "killed", stop_after=6, every=3)
    (tmp_path / "killed" / (CHECKPOINT + ".part")).write_bytes(b"half a checkpoint")
    run(SMALL, tmp_path / "killed")
    whole, killed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], killed[name]) for name in whole)


def test_another_seed_gives_another_model(tmp_path: Path) -> None:
    other = Settings(**{**{field: getattr(SMALL, field) for field in SMALL.__struct_fields__}, "seed": 1})
    run(SMALL, tmp_path / "a")
    run(other, tmp_path / "b")
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert not torch.equal(a["model.embed_tokens.weight"], b["model.embed_tokens.weight"])


def test_other_settings_are_refused_in_the_same_folder(tmp_path: Path) -> None:
    run(SMALL, tmp_path, stop_after=2)
    with pytest.raises(ValueError, match="other settings"):
        run(Settings(steps=15, problems=40, layers=1, heads=1, intermediate=64), tmp_path)


def test_the_result_loads_like_any_model_folder(tmp_path: Path) -> None:
    run(SMALL, tmp_path)
    model, tokenizer = load(tmp_path / "model")
    assert model.config.head_dim == 64
    assert tokenizer.chat_template


def test_the_loss_counts_the_solution_and_the_end_only() -> None:
    trainer, tokenizer = prepare(SMALL)
    batch = collate(trainer.examples, range(10))
    for row, problem in enumerate(generate("train", size=10)):
        counted = batch.labels[row][batch.labels[row] != IGNORED]
        assert tokenizer.decode(counted) == problem.solution + "<eos>"


def test_every_example_is_in_each_epoch_once_with_little_padding() -> None:
    trainer, _ = prepare(Settings(problems=400, layers=1, heads=1, intermediate=64))
    plans = [batch_plan(trainer.examples, 512, 0, epoch) for epoch in (0, 1)]
    assert plans[0] != plans[1]
    for plan in plans:
        assert sorted(number for batch in plan for number in batch) == list(range(400))
        lengths = [[len(trainer.examples[number].ids) for number in batch] for batch in plan]
        assert all(max(row) - min(row) < 8 for row in lengths)
