"""ToRA, tool-integrated reasoning agents (Gou et al. 2023, arXiv:2309.17452)."""

from __future__ import annotations

from skillforge import Model, PromptStyle, hookimpl
from skillforge_tora.models import CHECKPOINTS
from skillforge_tora.styles import Tora, ToraFewShot

SKILLFORGE_CONTRACT = 1

STYLES: tuple[PromptStyle, ...] = (Tora(), ToraFewShot())


@hookimpl
def skillforge_prompt(name: str) -> PromptStyle | None:
    """The prompt style of this name."""
    return next((style for style in STYLES if style.name == name), None)


@hookimpl
def skillforge_model(name: str) -> Model | None:
    """The model of this name."""
    return next((model for model in CHECKPOINTS if model.name == name), None)
