"""Training data: forge-arith problems as token ids, in batches of one length class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from skillforge_tiny.tokenizer import PAD

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from skillforge_forge_arith.generate import ForgeProblem

IGNORED = -100
"""Label of a position without loss."""

_CLASS_WIDTH = 8
_CHUNK = 5_000


class Example(NamedTuple):
    """Token ids of one conversation; the loss counts from position `prompt_length` on."""

    ids: torch.Tensor
    """int16, shape [length]."""

    prompt_length: int


class Batch(NamedTuple):
    """Both int64 of shape [rows, length], padded on the right; labels are IGNORED on prompt and padding."""

    input_ids: torch.Tensor
    labels: torch.Tensor


def chat_text(tokenizer: PreTrainedTokenizerFast, question: str, solution: str | None = None) -> str:
    """The conversation as text: up to the model's turn, or with the solution in it."""
    messages = [{"role": "user", "content": question}]
    if solution is not None:
        messages.append({"role": "assistant", "content": solution})
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=solution is None)
    assert isinstance(text, str)
    return text


def encode(tokenizer: PreTrainedTokenizerFast, problems: Sequence[ForgeProblem]) -> list[Example]:
    """Problems as Examples, in order."""
    examples: list[Example] = []
    marker = tokenizer.convert_tokens_to_ids("<assistant>")
    for start in range(0, len(problems), _CHUNK):
        texts = [
            chat_text(tokenizer, problem.question, problem.solution) for problem in problems[start : start + _CHUNK]
        ]
        for ids in tokenizer(texts, add_special_tokens=False).input_ids:
            examples.append(Example(torch.tensor(ids, dtype=torch.int16), ids.index(marker) + 1))
    return examples


def batch_plan(examples: Sequence[Example], tokens: int, seed: int, epoch: int) -> list[list[int]]:
    """The batches of one epoch as lists of example numbers: a function of (examples, tokens, seed, epoch) only.

    A batch holds about `tokens` tokens, of one length class, so that little of it is padding.
    """
    shuffle = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    classes: dict[int, list[int]] = {}
    for number in torch.randperm(len(examples), generator=shuffle).tolist():
        classes.setdefault(-(-len(examples[number].ids) // _CLASS_WIDTH), []).append(number)
    plan = []
    for width, members in sorted(classes.items()):
        rows = max(1, tokens // (width * _CLASS_WIDTH))
        plan += [members[start : start + rows] for start in range(0, len(members), rows)]
    return [plan[number] for number in torch.randperm(len(plan), generator=shuffle).tolist()]


def collate(examples: Sequence[Example], numbers: Sequence[int]) -> Batch:
    """The batch of the examples with these numbers."""
    chosen = [examples[number] for number in numbers]
    shape = (len(chosen), max(len(example.ids) for example in chosen))
    input_ids = torch.full(shape, PAD, dtype=torch.int64)
    labels = torch.full(shape, IGNORED, dtype=torch.int64)
    for row, example in enumerate(chosen):
        length = len(example.ids)
        input_ids[row, :length] = example.ids
        labels[row, example.prompt_length : length] = example.ids[example.prompt_length :]
    return Batch(input_ids, labels)
