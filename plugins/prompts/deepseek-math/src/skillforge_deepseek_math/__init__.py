"""DeepSeekMath 7B (Shao et al. 2024, arXiv:2402.03300), by chain of thought or with Python in turns."""

from __future__ import annotations

from skillforge import Model, PromptStyle, hookimpl
from skillforge_deepseek_math.models import CHECKPOINTS
from skillforge_deepseek_math.styles import DeepSeekMathCot, DeepSeekMathTir

SKILLFORGE_CONTRACT = 1

STYLES: tuple[PromptStyle, ...] = (DeepSeekMathCot(), DeepSeekMathTir())


@hookimpl
def skillforge_prompt(name: str) -> PromptStyle | None:
    """The prompt style of this name."""
    return next((style for style in STYLES if style.name == name), None)


@hookimpl
def skillforge_model(name: str) -> Model | None:
    """The model of this name."""
    return next((model for model in CHECKPOINTS if model.name == name), None)
