"""The checkpoints, from a table."""

from __future__ import annotations

from skillforge import Model, Sampling
from skillforge_deepseek_math.styles import SOURCE


class Checkpoint(Model):
    """One row of the table. Its name is that of the hub."""

    source = SOURCE
    licence = "DeepSeek License"
    default_prompt = "deepseek-math-cot"
    default_sampling = Sampling(max_tokens=2048)

    def __init__(self, name: str, training: str) -> None:
        self.name = name
        self.summary = f"DeepSeekMath 7B, {training}."
        self.aliases = (f"deepseek-ai/{name}",)


CHECKPOINTS = (
    Checkpoint("deepseek-math-7b-instruct", "tuned to follow instructions"),
    Checkpoint("deepseek-math-7b-rl", "tuned to follow instructions, then by reinforcement learning (GRPO)"),
)
