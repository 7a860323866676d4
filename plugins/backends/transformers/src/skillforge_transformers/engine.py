"""Engine: how rows are run through a loaded model."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Protocol

import torch

from skillforge_transformers import TransformersOptions
from skillforge_transformers.answers import Answers
from skillforge_transformers.cache import fits
from skillforge_transformers.continuous import ContinuousEngine
from skillforge_transformers.feed import Feed
from skillforge_transformers.generating import GenerateEngine
from skillforge_transformers.loading import Loaded
from skillforge_transformers.row import Row


class Engine(Protocol):
    """Completes rows. For one thread."""

    def run(self, rows: Sequence[Row], feed: Feed) -> None:
        """Run rows until they are done, or `feed` says that it is enough. Raises what the model raises."""

    def forget(self) -> None:
        """Free what is kept only to save time."""


def make_engine(loaded: Loaded, options: TransformersOptions) -> Engine:
    """The engine that serves this model best."""
    answers = Answers(loaded.texts, loaded.eos_ids, loaded.name)
    if fits(loaded.model):
        return ContinuousEngine(loaded, answers, options.prefix_cache * 2**20)
    return GenerateEngine(loaded, answers)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may get through where this error came up."""
    text = str(error).lower()
    known = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or any(phrase in text for phrase in known)


def is_fatal(error: BaseException) -> bool:
    """Whether the device is of no more use to this process, as after an assertion inside a CUDA kernel."""
    return "CUDA error" in str(error) and not is_out_of_memory(error)


def free_memory() -> None:
    """Give back what failed or unloaded work has left behind."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
