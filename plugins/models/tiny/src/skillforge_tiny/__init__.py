"""Model `tiny` and its prompt style: a 0.7-million-parameter Llama trained from scratch on forge-arith."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skillforge import Message, Model, Problem, PromptStyle, Sampling, hookimpl

SKILLFORGE_CONTRACT = 1

WEIGHTS = Path(__file__).parent / "weights"
"""The folder of weights, tokenizer and model card, as transformers loads it."""


MAX_TOKENS = 96
"""Limit of an answer: twice what the longest worked solution of forge-arith takes."""


class TinyPrompt(PromptStyle):
    """The question alone, as one user message: all that the model has been shown in training."""

    name = "tiny"
    summary = "The bare question as one user message, as the model tiny was trained."

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> tuple[Message, ...]:
        """One user message; few-shots come before it as earlier turns, which the model was not trained on."""
        turns = []
        for shot in few_shots:
            turns += [Message("user", shot.question), Message("assistant", shot.reference_solution or "")]
        return (*turns, Message("user", problem.question))


class Tiny(Model):
    """The weights in this package."""

    name = "tiny"
    summary = "Llama with 0.68 million parameters, trained from scratch on forge-arith; weights in the package."
    licence = "Apache-2.0"
    source = "python -m skillforge_tiny.train"
    default_prompt = "tiny"
    default_backend = "transformers"
    default_backend_options = {"threads": 1}  # a model this small loses more to waiting threads than it gains
    default_sampling = Sampling(max_tokens=MAX_TOKENS)
    embedded = True

    def location(self) -> str:
        """The folder of the weights."""
        return str(WEIGHTS)


@hookimpl
def skillforge_prompt() -> TinyPrompt:
    """The prompt style of this package."""
    return TinyPrompt()


@hookimpl
def skillforge_model() -> Tiny:
    """The model of this package."""
    return Tiny()
