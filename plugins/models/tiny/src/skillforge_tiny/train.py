"""Train the model from scratch: `python -m skillforge_tiny.train --work FOLDER`.

Run again with the same folder, it goes on from the last checkpoint and ends with the very same weights.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from skillforge_tiny.trainer import Settings, Trained, Trainer

CHECKPOINT_EVERY = 500
VOCABULARY_PROBLEMS = 2_000
"""Problems whose words make the vocabulary: enough to meet every word of forge-arith many times."""


def prepare(settings: Settings) -> tuple[Trainer, PreTrainedTokenizerFast]:
    """A trainer at step 0 and the tokenizer, made from `settings` alone."""
    import torch

    from skillforge_forge_arith.generate import generate
    from skillforge_tiny.answers import FORMS, exact_text
    from skillforge_tiny.data import encode
    from skillforge_tiny.model import CONTEXT, build_model
    from skillforge_tiny.tokenizer import build_tokenizer
    from skillforge_tiny.trainer import Trainer

    # One thread: faster than two at this size, and the order of every sum is fixed.
    torch.set_num_threads(1)
    problems = list(generate("train", seed=settings.seed, size=settings.problems))
    shown = generate("train", seed=settings.seed, size=VOCABULARY_PROBLEMS)
    # One vocabulary for both forms: so the two networks have the same shape.
    texts = (
        text
        for problem in shown
        for text in (problem.question, *(exact_text(answer(problem)) for answer in FORMS.values()))
    )
    tokenizer = build_tokenizer(texts, CONTEXT)
    model = build_model(len(tokenizer), settings.layers, settings.heads, settings.intermediate, settings.seed)
    return Trainer(model, settings, encode(tokenizer, problems, settings.form)), tokenizer


def run(settings: Settings, work: Path, stop_after: int | None = None, every: int = CHECKPOINT_EVERY) -> Trained:
    """Train in the folder `work`, from its checkpoint if it has one; at the end, write the folder `work/model`.

    `stop_after` ends the call at that step, as if killed there.
    """
    work.mkdir(parents=True, exist_ok=True)
    trainer, tokenizer = prepare(settings)
    if trainer.restore(work):
        print(f"continuing at step {trainer.done.steps}", flush=True)
    until = settings.steps if stop_after is None else stop_after
    done = trainer.train(work, until, every, lambda line: print(line, flush=True))
    if done.steps == settings.steps:
        _export(trainer, tokenizer, work / "model")
    return done


def _export(trainer: Trainer, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """The model folder as transformers loads it, and `training.json`: settings, steps, tokens and CPU seconds."""
    import msgspec

    trainer.model.eval().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(folder)
    _make_portable(folder / "tokenizer_config.json")
    report = {"settings": msgspec.to_builtins(trainer.settings), "done": msgspec.to_builtins(trainer.done)}
    (folder / "training.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"model written to {folder}", flush=True)


def _make_portable(config: Path) -> None:
    """Let transformers 4, which other stacks pin, read the tokenizer too; tokenizer.json has all special tokens."""
    values = json.loads(config.read_text(encoding="utf-8"))
    values.pop("extra_special_tokens", None)
    values.pop("backend", None)
    values["tokenizer_class"] = "PreTrainedTokenizerFast"
    config.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from skillforge_tiny.trainer import Settings

    preset = Settings()
    parser = argparse.ArgumentParser(
        prog="python -m skillforge_tiny.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoint and result")
    parser.add_argument(
        "--form", choices=("text", "python"), default=preset.form, help="how it answers; default: %(default)s"
    )
    for name in ("seed", "steps", "problems", "tokens"):
        parser.add_argument(f"--{name}", type=int, default=getattr(preset, name), help="default: %(default)s")
    parser.add_argument("--learning-rate", type=float, default=preset.learning_rate, help="default: %(default)s")
    parser.add_argument("--checkpoint-every", type=int, default=CHECKPOINT_EVERY, help="steps; default: %(default)s")
    parser.add_argument("--stop-after", type=int, help="end at this step; a later call goes on from there")
    choice = parser.parse_args()
    settings = Settings(
        form=choice.form,
        seed=choice.seed,
        steps=choice.steps,
        problems=choice.problems,
        tokens=choice.tokens,
        learning_rate=choice.learning_rate,
    )
    run(settings, choice.work, choice.stop_after, choice.checkpoint_every)


if __name__ == "__main__":
    main()
