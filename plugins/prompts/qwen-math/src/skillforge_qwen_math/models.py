"""The checkpoints, from a table."""

from __future__ import annotations

from skillforge import Model, Sampling
from skillforge_qwen_math.styles import SOURCE


class Checkpoint(Model):
    """One row of the table. Its name is that of the hub in lower case."""

    source = SOURCE
    default_prompt = "qwen-math-cot"
    default_sampling = Sampling(top_p=0.8, max_tokens=2048)

    def __init__(self, size: str, licence: str) -> None:
        self.name = f"qwen2.5-math-{size.lower()}-instruct"
        self.summary = f"Qwen2.5-Math {size}, tuned to follow instructions."
        self.licence = licence
        self.aliases = (f"Qwen/Qwen2.5-Math-{size}-Instruct",)


CHECKPOINTS = (
    Checkpoint("1.5B", "Apache-2.0"),
    Checkpoint("7B", "Apache-2.0"),
    Checkpoint("72B", "Qwen License"),
)
