"""NuminaMath, the models that won the first AIMO progress prize (2024)."""

from __future__ import annotations

from skillforge import Model, PromptStyle, hookimpl
from skillforge_numina.models import CHECKPOINTS
from skillforge_numina.styles import NuminaCot, NuminaTir

SKILLFORGE_CONTRACT = 1

STYLES: tuple[PromptStyle, ...] = (NuminaCot(), NuminaTir())


@hookimpl
def skillforge_prompt(name: str) -> PromptStyle | None:
    """The prompt style of this name."""
    return next((style for style in STYLES if style.name == name), None)


@hookimpl
def skillforge_model(name: str) -> Model | None:
    """The model of this name."""
    return next((model for model in CHECKPOINTS if model.name == name), None)
