"""The model and its prompt style as SkillForge sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from skillforge import Message, Problem
from skillforge.testing import check_model, check_prompt
from skillforge_tiny import skillforge_model, skillforge_prompt

PROBLEM = Problem(id="0", question="Ana has 3 hats. Leo has 2 more than Ana. How many hats does Leo have?")


def test_the_prompt_is_the_bare_question() -> None:
    assert skillforge_prompt().render(PROBLEM, (), None) == (Message("user", PROBLEM.question),)


def test_few_shots_are_earlier_turns() -> None:
    shot = Problem(id="1", question="Eva has 4 pens. How many?", reference_solution="#### 4")
    prompt = skillforge_prompt().render(PROBLEM, (shot,), None)
    assert [message.role for message in prompt] == ["user", "assistant", "user"]
    assert prompt[1].content == "#### 4"


def test_the_model_names_its_folder_and_defaults() -> None:
    model = skillforge_model()
    assert (Path(model.location()) / "model.safetensors").is_file()
    assert model.default_prompt == skillforge_prompt().name
    assert model.default_sampling.max_tokens == 96


def test_importing_the_plugin_stays_cheap() -> None:
    heavy = ("torch", "transformers", "tokenizers", "skillforge_forge_arith")
    code = f"import sys, skillforge_tiny; print([m for m in {heavy!r} if m in sys.modules])"
    listed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert listed.strip() == "[]"


def test_contract() -> None:
    check_prompt(skillforge_prompt())
    check_model(skillforge_model())
