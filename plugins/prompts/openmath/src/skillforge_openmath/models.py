"""The checkpoints, from a table."""

from __future__ import annotations

from skillforge import Model, Sampling
from skillforge_openmath import nemotron, openmath

LLAMA_2 = "Llama 2 Community License"


class Checkpoint(Model):
    """One row of the table. Its name is that of the hub in lower case, without `-hf`."""

    def __init__(self, repository: str, size: str, licence: str, prompt: str) -> None:
        self.name = repository.removesuffix("-hf").lower()
        self.licence = licence
        self.default_prompt = prompt
        hub_id = f"nvidia/{repository}"
        if prompt == "openmath":
            self.summary = f"NVIDIA OpenMath {size}: fine-tuned on OpenMathInstruct-1 (2024)."
            self.source = openmath.SOURCE
            self.default_sampling = Sampling(top_p=0.95, max_tokens=2048)
            # The hub also has the same weights in NeMo's format, under the name without -hf.
            self.aliases = (hub_id, hub_id.removesuffix("-hf"))
        else:
            self.summary = f"NVIDIA OpenMath-Nemotron {size}: fine-tuned on OpenMathReasoning (2025)."
            self.source = nemotron.SOURCE
            self.default_sampling = Sampling(temperature=0.6, top_p=0.95, max_tokens=32768)
            self.aliases = (hub_id,)


CHECKPOINTS = (
    Checkpoint("OpenMath-Mistral-7B-v0.1-hf", "7B", "Apache-2.0", "openmath"),
    Checkpoint("OpenMath-CodeLlama-7b-Python-hf", "7B", LLAMA_2, "openmath"),
    Checkpoint("OpenMath-CodeLlama-13b-Python-hf", "13B", LLAMA_2, "openmath"),
    Checkpoint("OpenMath-CodeLlama-34b-Python-hf", "34B", LLAMA_2, "openmath"),
    Checkpoint("OpenMath-CodeLlama-70b-Python-hf", "70B", LLAMA_2, "openmath"),
    Checkpoint("OpenMath-Llama-2-70b-hf", "70B", LLAMA_2, "openmath"),
    Checkpoint("OpenMath-Nemotron-1.5B", "1.5B", "CC-BY-4.0", "openmath-tir"),
    Checkpoint("OpenMath-Nemotron-7B", "7B", "CC-BY-4.0", "openmath-tir"),
    Checkpoint("OpenMath-Nemotron-14B", "14B", "CC-BY-4.0", "openmath-tir"),
    Checkpoint("OpenMath-Nemotron-14B-Kaggle", "14B", "CC-BY-4.0", "openmath-kaggle"),
    Checkpoint("OpenMath-Nemotron-32B", "32B", "CC-BY-4.0", "openmath-tir"),
)
