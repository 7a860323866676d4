"""`skillforge doctor`, with plugins that find much, nothing, or trouble."""

from __future__ import annotations

import json
from typing import Any

import pytest

import skillforge.cli.doctor as doctor_command
from skillforge.registry import default_registry

SANDBOX = """
from skillforge import Sandbox, hookimpl
from skillforge.parts.part import Finding
SKILLFORGE_CONTRACT = 1

class Scripted(Sandbox):
    summary = "Runs nothing"
    def __init__(self, name):
        self.name = name
    def diagnose(self):
        {body}

@hookimpl
def skillforge_sandbox(name):
    return Scripted(name)
"""
READY = (
    'return [Finding("namespaces", "ok", "all six"), Finding("cgroup", "weak", "not\\\\x1b[2J writable", "mount it")]'
)
LACKING = 'return [Finding("engine", "missing", "no socket answers", "start dockerd")]'


@pytest.fixture(autouse=True)
def nothing_else_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests tell of the sandboxes that they install, whatever else this environment has."""
    from skillforge.registry import Registry

    found = Registry.all_entries.func

    def ours(registry: Registry) -> list[Any]:
        return [entry for entry in found(registry) if entry.package.startswith(("good", "faulty"))]

    monkeypatch.setattr(Registry, "all_entries", property(ours))


@pytest.fixture
def installed(site):
    """Installs sandboxes: name -> what their `diagnose` does."""

    def install(**bodies: str) -> None:
        for name, body in bodies.items():
            module = f"{'good' if body in (READY, LACKING) else 'faulty'}_{name}"
            source = SANDBOX.format(body=body)
            site.install(module.replace("_", "-"), {("sandbox", name): module}, {module: source})

    return install


def test_it_shows_versions_and_findings_with_what_to_do(installed, skillforge) -> None:
    installed(ready=READY, lacking=LACKING)
    result = skillforge("doctor")
    assert result.exit_code == 0, "a sandbox that lacks something is no fault while another can be used"
    assert "SkillForge: " in result.stdout and "Python: " in result.stdout and "kernel: " in result.stdout
    assert "parts: 2, none with a fault" in result.stdout
    assert "  ✓ namespaces: all six\n" in result.stdout
    assert "  ! cgroup: not\\x1b[2J writable\n    → mount it\n" in result.stdout
    assert "sandbox lacking (good-lacking)\n  ✗ engine: no socket answers\n    → start dockerd\n" in result.stdout


def test_it_fails_where_no_part_of_a_kind_can_be_used(installed, skillforge) -> None:
    installed(lacking=LACKING)
    assert skillforge("doctor").exit_code == 1


def test_it_fails_for_a_broken_plugin_and_names_the_fix(installed, skillforge, site) -> None:
    installed(ready=READY)
    site.install("faulty-syntax", {("grader", "unreadable"): "faulty_syntax"}, {"faulty_syntax": "def ("})
    result = skillforge("doctor")
    assert result.exit_code == 1
    assert "parts: 2, 1 with a fault" in result.stdout
    assert "grader unreadable (faulty-syntax)\n  ✗ broken: " in result.stdout and "SyntaxError" in result.stdout
    assert "→ update it, or remove it: pip uninstall faulty-syntax" in result.stdout


def test_a_part_that_misbehaves_harms_no_other(installed, skillforge) -> None:
    installed(
        a_raises='raise KeyError("a bug")',
        b_exits="import os; print('gone', flush=True); os._exit(7)",
        c_lies="return [1, 2]",
        ready=READY,
    )
    result = skillforge("doctor", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    found = {one["name"]: [(item["name"], item["state"]) for item in one["findings"]] for one in report["diagnoses"]}
    assert found.pop("ready") == [("namespaces", "ok"), ("cgroup", "weak")]
    assert found == {name: [("diagnosis", "missing")] for name in ("a_raises", "b_exits", "c_lies")}
    details = [one["findings"][0]["detail"] for one in report["diagnoses"]]
    assert "raised KeyError: 'a bug'" in details[0] and "exit status 7" in details[1] and "something else" in details[2]


def test_a_part_that_hangs_is_given_up(installed, site) -> None:
    installed(a_hangs="import time; time.sleep(600)", ready=READY)
    default_registry.cache_clear()
    hung, ready = doctor_command.diagnose(default_registry().entries("sandbox"), limit=2.0)
    assert not hung.usable and "did not finish within 2 s" in hung.findings[0].detail
    assert ready.usable and [finding.state for finding in ready.findings] == ["ok", "weak"]


def test_json_names_what_is_broken(installed, skillforge, site) -> None:
    site.install("faulty-syntax", {("grader", "unreadable"): "faulty_syntax"}, {"faulty_syntax": "def ("})
    report = json.loads(skillforge("doctor", "--json").stdout)
    assert report["versions"].keys() == {"SkillForge", "Python", "platform", "kernel"}
    (fault,) = report["faulty"]
    assert (fault["kind"], fault["name"], fault["state"]) == ("grader", "unreadable", "broken")
    assert "SyntaxError" in fault["cause"] and "pip uninstall faulty-syntax" in fault["fix"]
