"""NVIDIA's OpenMath models: OpenMath (2024, arXiv:2402.10176) and OpenMath-Nemotron (2025, arXiv:2504.16891)."""

from __future__ import annotations

from skillforge import Model, PromptStyle, hookimpl
from skillforge_openmath.models import CHECKPOINTS
from skillforge_openmath.nemotron import OpenMathCot, OpenMathKaggle, OpenMathTir
from skillforge_openmath.openmath import OpenMath, OpenMathBase

SKILLFORGE_CONTRACT = 1

STYLES: tuple[PromptStyle, ...] = (OpenMath(), OpenMathBase(), OpenMathTir(), OpenMathKaggle(), OpenMathCot())


@hookimpl
def skillforge_prompt(name: str) -> PromptStyle | None:
    """The prompt style of this name."""
    return next((style for style in STYLES if style.name == name), None)


@hookimpl
def skillforge_model(name: str) -> Model | None:
    """The model of this name."""
    return next((model for model in CHECKPOINTS if model.name == name), None)
