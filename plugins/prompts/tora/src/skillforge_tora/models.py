"""The checkpoints, from a table."""

from __future__ import annotations

from skillforge import Model, Sampling
from skillforge_tora.styles import SOURCE


class Checkpoint(Model):
    """One row of the table. Its name is that of the hub."""

    source = SOURCE
    licence = "Llama 2 Community License"
    default_prompt = "tora"
    default_sampling = Sampling(top_p=0.95, max_tokens=4096)

    def __init__(self, name: str, base: str) -> None:
        self.name = name
        self.summary = f"ToRA, fine-tuned from {base} to reason with Python."
        self.aliases = (f"llm-agents/{name}",)


CHECKPOINTS = (
    Checkpoint("tora-7b-v1.0", "Llama 2 7B"),
    Checkpoint("tora-13b-v1.0", "Llama 2 13B"),
    Checkpoint("tora-70b-v1.0", "Llama 2 70B"),
    Checkpoint("tora-code-7b-v1.0", "Code Llama 7B"),
    Checkpoint("tora-code-13b-v1.0", "Code Llama 13B"),
    Checkpoint("tora-code-34b-v1.0", "Code Llama 34B"),
)
