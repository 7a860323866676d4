"""Qwen2.5-Math-Instruct (2024, arXiv:2409.12122), by chain of thought or with Python in turns."""

from __future__ import annotations

from skillforge import Model, PromptStyle, hookimpl
from skillforge_qwen_math.models import CHECKPOINTS
from skillforge_qwen_math.styles import QwenMathCot, QwenMathTir

SKILLFORGE_CONTRACT = 1

STYLES: tuple[PromptStyle, ...] = (QwenMathCot(), QwenMathTir())


@hookimpl
def skillforge_prompt(name: str) -> PromptStyle | None:
    """The prompt style of this name."""
    return next((style for style in STYLES if style.name == name), None)


@hookimpl
def skillforge_model(name: str) -> Model | None:
    """The model of this name."""
    return next((model for model in CHECKPOINTS if model.name == name), None)
