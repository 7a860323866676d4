"""The checkpoints, from a table."""

from __future__ import annotations

from skillforge import Model, Sampling
from skillforge_numina.styles import SOURCE

QWEN = "Tongyi Qianwen License"

CONTEXT = 4096
"""Tokens of the winning submission's context."""


class Checkpoint(Model):
    """One row of the table. Its name is that of the hub in lower case."""

    source = SOURCE

    def __init__(self, repository: str, base: str, licence: str, prompt: str) -> None:
        self.name = repository.lower()
        self.summary = f"{repository} by Project Numina, fine-tuned from {base}."
        self.licence = licence
        self.aliases = (f"AI-MO/{repository}",)
        self.default_prompt = prompt
        # One turn has 2048 tokens in both; with code there are several, and the context ends them.
        self.default_sampling = Sampling(max_tokens=CONTEXT if prompt == "numina-tir" else 2048)


CHECKPOINTS = (
    Checkpoint("NuminaMath-7B-CoT", "DeepSeekMath 7B", "Apache-2.0", "numina-cot"),
    Checkpoint("NuminaMath-7B-TIR", "DeepSeekMath 7B", "Apache-2.0", "numina-tir"),
    Checkpoint("NuminaMath-7B-TIR-GPTQ", "DeepSeekMath 7B", "Apache-2.0", "numina-tir"),
    Checkpoint("NuminaMath-72B-CoT", "Qwen2 72B", QWEN, "numina-cot"),
    Checkpoint("NuminaMath-72B-TIR", "Qwen2 72B", QWEN, "numina-tir"),
)
