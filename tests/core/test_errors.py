"""Errors: what happened, what to do, and an honest exit code."""

from __future__ import annotations

import pytest

from skillforge import errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.SkillForgeError, 1),
        (errors.UsageError, 2),
        (errors.BrokenPlugin, 1),
        (errors.BackendUnusable, 1),
        (errors.Interrupted, 130),
    ],
)
def test_exit_codes(kind: type[errors.SkillForgeError], code: int) -> None:
    assert kind("it broke").exit_code == code
    assert str(kind("it broke", "mend it")) == "it broke; mend it"
    assert str(kind("it broke")) == "it broke"
