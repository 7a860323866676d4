"""Training data: forge-arith problems as token ids, in batches of one length class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from skillforge_tiny.answers import FORMS, exact_text
from skillforge_tiny.tokenizer import PAD

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from skillforge_forge_arith.generate import ForgeProblem
    from skillforge_tiny.answers import Answer, Form

IGNORED = -100
"""Label of a position without loss."""

_CLASS_WIDTH = 8
_CHUNK = 5_000


class Example(NamedTuple):
    """A conversation. Both of shape [length]."""

    ids: torch.Tensor
    """int16: the tokens."""

    written: torch.Tensor
    """bool: whether the model has to write the token itself. The loss counts these only."""


class Batch(NamedTuple):
    """Both int64 of shape [rows, length], padded on the right; labels are IGNORED where there is no loss."""

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


def encode(tokenizer: PreTrainedTokenizerFast, problems: Sequence[ForgeProblem], form: Form) -> list[Example]:
    """Problems and their answers in `form` as Examples, in order."""
    examples: list[Example] = []
    for start in range(0, len(problems), _CHUNK):
        chunk = [(problem.question, FORMS[form](problem)) for problem in problems[start : start + _CHUNK]]
        texts = [chat_text(tokenizer, question, exact_text(given)) for question, given in chunk]
        encoded = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)
        for (question, given), ids, offsets in zip(chunk, encoded.input_ids, encoded.offset_mapping, strict=True):
            begins = torch.tensor(offsets)[:, 0]
            written = torch.ones(len(ids), dtype=torch.bool)
            for begin, end in _given(len(chat_text(tokenizer, question)), given):
                written &= (begins < begin) | (begins >= end)
            examples.append(Example(torch.tensor(ids, dtype=torch.int16), written))
    return examples


def _given(prompt: int, answer: Answer) -> Iterator[tuple[int, int]]:
    """Where in a conversation the characters stand that the model is given: the prompt, and the output of its code."""
    yield 0, prompt
    position = prompt
    for segment in answer:
        end = position + len(segment.exact)
        if segment.kind == "output":
            yield position, end
        position = end


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
        labels[row, :length] = torch.where(example.written, example.ids, IGNORED)
    return Batch(input_ids, labels)
