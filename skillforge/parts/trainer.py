"""Trainer: training data and a base model to a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skillforge.parts.model import ModelRef
from skillforge.parts.part import Part


class Trainer(Part):
    """A way to fine-tune a model."""

    kind = "trainer"

    def train(self, data: Path, base: ModelRef, output: Path, options: Any) -> Path:
        """Fine-tune `base` on `data` (JSONL of training rows); write into `output` and return the checkpoint's folder.

        Called again with the same `output` after a kill, it continues.
        """
        raise NotImplementedError
