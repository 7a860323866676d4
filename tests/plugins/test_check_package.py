"""What the author of a package of several parts runs on all of them at once."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import pytest

from skillforge.errors import BrokenPlugin, UsageError
from skillforge.testing import ContractBroken, check_package

FAMILY = textwrap.dedent(
    """
    from skillforge import Model, PromptStyle, hookimpl

    SKILLFORGE_CONTRACT = 1

    class Style(PromptStyle):
        name = "{style}"
        summary = "The question."

        def render(self, problem, few_shots, options):
            return {prompt}

    class Weights(Model):
        name = "good-7b"
        summary = "Seven billion parameters."
        aliases = ("Good/Good-7B", "Good/Good-7B-old")

    @hookimpl
    def skillforge_prompt():
        return Style()

    @hookimpl
    def skillforge_model():
        return Weights()
    """
)


def install(site: Any, style: str = "good-cot", prompt: str = "problem.question") -> None:
    parts = {("prompt", "good-cot"): "good_family", ("model", "good-7b"): "good_family"}
    site.install("skillforge-good", parts, {"good_family": FAMILY.format(style=style, prompt=prompt)})


def test_all_parts_of_the_package_are_checked_and_given(site: Any) -> None:
    install(site)
    style, model = check_package("skillforge-good")
    assert (style.name, model.name) == ("good-cot", "good-7b")
    assert model.location() == "Good/Good-7B", "the first alias, where a model does not say otherwise"


def test_a_part_that_breaks_its_contract_is_named(site: Any) -> None:
    install(site, prompt="'Add.'")
    with pytest.raises(ContractBroken, match=re.escape("the prompt 'good-cot' breaks its contract")):
        check_package("skillforge-good")


def test_an_entry_point_that_leads_to_another_part_is_told(site: Any) -> None:
    install(site, style="good-tir")
    with pytest.raises(BrokenPlugin, match="returned a part called 'good-tir', not 'good-cot'"):
        check_package("skillforge-good")


def test_a_package_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match="no part of the package 'skillforge-god' is installed"):
        check_package("skillforge-god")
