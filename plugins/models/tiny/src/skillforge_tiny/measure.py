"""Greedy accuracy of a model folder on the forge-arith splits: `python -m skillforge_tiny.measure [FOLDER]`."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from skillforge.metrics.intervals import wilson
from skillforge_tiny import MAX_TOKENS

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    from skillforge_forge_arith.generate import ForgeProblem

SPLITS = ("validation", "test", "test-seen")


class Score(NamedTuple):
    """So many right of so many."""

    right: int
    total: int

    @property
    def share(self) -> float:
        return self.right / self.total

    def __str__(self) -> str:
        """The share with its 95 % interval, in percent."""
        interval = wilson(self.right, self.total)
        assert interval is not None  # a group is made by its first problem
        return f"{100 * self.share:.1f} % [{100 * interval.low:.1f}, {100 * interval.high:.1f}] n={self.total}"


def answers(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, questions: Sequence[str], rows: int = 100
) -> Iterator[str]:
    """The model's greedy answer to each question, `rows` at a time."""
    from skillforge_tiny.data import chat_text

    for start in range(0, len(questions), rows):
        prompts = [chat_text(tokenizer, question) for question in questions[start : start + rows]]
        batch = tokenizer(prompts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt")
        length = batch["input_ids"].shape[1]
        output = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=MAX_TOKENS,
            do_sample=False,
        )
        yield from tokenizer.batch_decode(output[:, length:], skip_special_tokens=True)


def is_right(problem: ForgeProblem, text: str) -> bool:
    """Whether the number after the last `####` is the answer."""
    found = re.findall(r"#### (-?\d+)", text)
    return bool(found) and int(found[-1]) == problem.answer


def measure(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, problems: Iterable[ForgeProblem]
) -> dict[str, Score]:
    """Scores by group: `all`, then `level 1` and so on, `one step +` and so on, `range small` and so on."""
    # Questions of like length together: less padding, the same answers.
    ordered = sorted(problems, key=lambda problem: len(problem.question))
    texts = answers(model, tokenizer, [problem.question for problem in ordered])
    tally: dict[str, list[bool]] = {}
    for problem, text in zip(ordered, texts, strict=True):
        right = is_right(problem, text)
        groups = ["all", f"level {problem.level}", f"range {problem.range}"]
        if problem.level == 1:
            groups.append(f"one step {problem.operations}")
        for group in groups:
            tally.setdefault(group, []).append(right)
    first = {"all": Score(sum(tally["all"]), len(tally["all"]))}
    return first | {group: Score(sum(marks), len(marks)) for group, marks in sorted(tally.items()) if group != "all"}


def load(folder: Path) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """Model (float32) and tokenizer of a folder, never from the network."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    return model.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)


def main() -> None:
    from skillforge_tiny import WEIGHTS

    parser = argparse.ArgumentParser(prog="python -m skillforge_tiny.measure", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=WEIGHTS, help="model folder (default: this package's)")
    parser.add_argument(
        "--split", action="append", choices=("train", *SPLITS), help="repeatable; default: all but train"
    )
    parser.add_argument("--size", type=int, default=1000, help="problems per split (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the problems (default: 0)")
    parser.add_argument("--json", type=Path, help="also write the counts to this file")
    choice = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")

    import torch

    from skillforge_forge_arith.generate import generate

    torch.set_num_threads(1)
    model, tokenizer = load(choice.folder)
    counts = {}
    for split in choice.split or SPLITS:
        scores = measure(model, tokenizer, generate(split, seed=choice.seed, size=choice.size))
        counts[split] = {group: score._asdict() for group, score in scores.items()}
        for group, score in scores.items():
            print(f"{split:<11} {group:<13} {score}", flush=True)
    if choice.json:
        choice.json.write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
