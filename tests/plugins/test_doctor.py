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


# A running server ----------------------------------------------------------------------------------------------------

ASKER = """
import asyncio, os
from contextlib import asynccontextmanager
from skillforge import Backend, BackendUnusable, Client, Completion, PartOptions, RequestRefused, hookimpl
SKILLFORGE_CONTRACT = 1

class Options(PartOptions):
    api_key_env: str = "ASKER_KEY"
    key: str | None = None
    ready: bool = True
    models: int = 2
    refuses: str = ""

class Asked(Client):
    def __init__(self, target, options):
        self.target, self.options = target, options
    async def check(self):
        if self.target.model.name == "absent":
            raise BackendUnusable("the server has no model 'absent'", "did you mean 'model-0'?")
    def capabilities(self):
        return frozenset({"chat", "text", "max_tokens", "temperature"}) if self.options.models else None
    async def ready(self):
        return self.options.ready
    async def models(self):
        if self.options.key is not None and os.environ.get(self.options.api_key_env) != self.options.key:
            raise BackendUnusable("the server refuses the key (401)", "set ASKER_KEY")
        return [f"model-{number}" for number in range(self.options.models)]
    async def context_length(self):
        return 4096
    async def complete(self, request, on_text=None):
        form = "text" if isinstance(request.prompt, str) else "chat"
        if form in self.options.refuses:
            raise RequestRefused(f"no {form} for {self.target.model.name}")
        return Completion(text=f"5\x1b[2J {request.sampling.max_tokens}", completion_tokens=3)

class Asker(Backend):
    summary = "Asks nobody"
    default_for = "url"
    Options = Options
    def __init__(self, name):
        self.name = name
    def capabilities(self, options):
        return frozenset({"chat", "text", "max_tokens", "temperature", "seed"})
    @asynccontextmanager
    async def open(self, target, options):
        yield Asked(target, options)

@hookimpl
def skillforge_backend(name):
    return Asker(name)
"""
URL = "http://user:password@server:8000/v1"


@pytest.fixture
def asker(site) -> None:
    site.install("good-asker", {("backend", "asker"): "good_asker"}, {"good_asker": ASKER})


def look(skillforge, *arguments: str) -> dict[str, tuple[str, str]]:
    """Name -> state and detail of what is found of the server."""
    result = skillforge("doctor", "--base-url", URL, "--json", *arguments)
    (server,) = json.loads(result.stdout)["servers"]
    assert (server["base_url"], server["backend"]) == ("http://server:8000/v1", "good-asker:asker")
    return {finding["name"]: (finding["state"], finding["detail"]) for finding in server["findings"]}


def test_a_server_is_looked_at_through_its_backend(asker, skillforge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKER_KEY", "sk-never-shown")
    result = skillforge("doctor", "--base-url", URL)
    assert result.exit_code == 0
    first, *lines = result.stdout.strip().splitlines()
    assert first == "server http://server:8000/v1 (backend asker)"
    assert lines[:6] == [
        "  ✓ server: answers, with the key in ASKER_KEY",
        "  ✓ models: model-0, model-1",
        "  ✓ model: model-0",
        "  ✓ context: 4,096 tokens",
        "  ✓ capabilities: chat, max_tokens, temperature, text",
        "  ! capabilities: not here, though the backend has them: seed",
    ]
    assert all(f"  ✓ {form}: 3 tokens in 0." in result.stdout for form in ("chat", "text"))
    assert "\\x1b[2J 16'" in result.stdout and "\x1b" not in result.stdout
    assert "sk-never" not in result.stdout and "password" not in result.stdout


def test_a_key_that_is_refused_is_told(asker, skillforge) -> None:
    found = look(skillforge, "-o", "backend.key=right")
    assert found == {"server": ("missing", "the server refuses the key (401)")}
    assert skillforge("doctor", "--base-url", URL, "-o", "backend.key=right").exit_code == 1


def test_a_server_that_still_loads_is_asked_nothing(asker, skillforge) -> None:
    found = look(skillforge, "-o", "backend.ready=false")
    assert found == {"server": ("missing", "is there, and takes no requests")}


def test_a_model_that_is_not_there_is_told(asker, skillforge) -> None:
    assert look(skillforge, "--model", "absent")["model"] == ("missing", "the server has no model 'absent'")


def test_a_form_that_is_refused_is_a_weakness_while_the_other_works(asker, skillforge) -> None:
    assert look(skillforge, "--model", "base", "-o", "backend.refuses=chat")["chat"] == ("weak", "no chat for base")
    found = look(skillforge, "-o", "backend.refuses=chat text")
    assert (found["chat"][0], found["text"][0]) == ("missing", "missing")
    shown = skillforge("doctor", "--base-url", URL, "-o", "backend.refuses=chat text").stdout
    assert "✗ text: no text for model-0\n    → see whether --backend and --model fit this server\n" in shown


def test_what_a_server_does_not_tell_is_not_claimed_of_it(asker, skillforge) -> None:
    nothing = "backend.models=0"
    found = look(skillforge, "-o", nothing, "--model", "mine")
    assert found["models"] == ("ok", "the server does not tell them")
    assert found["model"] == ("ok", "mine, as you name it")
    assert found["capabilities"][1] == (
        "chat, max_tokens, seed, temperature, text (the backend's; the server does not tell its own)"
    )


def test_whatever_answers_without_models_is_no_server_that_a_run_could_use(
    asker, skillforge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASKER_KEY", "sk-never-shown")
    result = skillforge("doctor", "--base-url", URL, "-o", "backend.models=0")
    assert result.exit_code == 1
    assert result.stdout.strip().splitlines()[1:] == [
        "  ✓ server: answers what is sent with the key in ASKER_KEY",
        "  ✗ models: the server tells none: nothing here speaks this protocol, or they have to be named",
        "    → correct --base-url, or name a model with --model",
    ]


def test_a_backend_that_asks_no_server_is_refused_in_one_line(site, skillforge) -> None:
    loader = ASKER.replace('default_for = "url"', 'default_for = "weights"')
    site.install("good-loader", {("backend", "loader"): "good_loader"}, {"good_loader": loader})
    result = skillforge("doctor", "--base-url", URL, "--backend", "loader")
    assert result.stdout == "" and "loads weights and asks no server; choose another --backend" in str(result.exception)


def test_several_servers_are_looked_at_in_turn(asker, skillforge) -> None:
    result = skillforge("doctor", "--base-url", "http://one:1,http://two:2")
    assert [line for line in result.stdout.splitlines() if line.startswith("server ")] == [
        "server http://one:1 (backend asker)",
        "server http://two:2 (backend asker)",
    ]


def test_options_for_a_server_need_one(skillforge) -> None:
    assert "name the server with --base-url" in str(skillforge("doctor", "--model", "m").exception)
