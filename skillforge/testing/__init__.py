"""Contract tests: what a plugin author runs on a part, from pytest or by `skillforge plugins check`.

    from skillforge.testing import check_grader
    from skillforge_my_grader import MyGrader

    def test_contract():
        check_grader(MyGrader())

Each `check_…` of a part raises ContractBroken with every failed check, its cause and what to do, or returns all results.
`check_package("skillforge-my-models")` checks all parts of an installed package, and returns those.
"""

from __future__ import annotations

from skillforge.testing.backend import check_backend
from skillforge.testing.benchmark import check_benchmark
from skillforge.testing.grader import check_grader
from skillforge.testing.installed import check_installed, check_package, check_part
from skillforge.testing.outlets import check_command, check_tracker
from skillforge.testing.prompt import check_model, check_prompt
from skillforge.testing.report import CheckResult, ContractBroken
from skillforge.testing.sandbox import check_sandbox
from skillforge.testing.voting import check_filter, check_voter
from skillforge.testing.work import check_engine, check_trainer

__all__ = [
    "CheckResult",
    "ContractBroken",
    "check_backend",
    "check_benchmark",
    "check_command",
    "check_engine",
    "check_filter",
    "check_grader",
    "check_installed",
    "check_model",
    "check_package",
    "check_part",
    "check_prompt",
    "check_sandbox",
    "check_tracker",
    "check_trainer",
    "check_voter",
]
