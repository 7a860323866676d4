"""`skillforge sandbox`: its commands, those that plugins add to it, and a real sandbox from the scaffold."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skillforge.errors import SkillForgeError, UsageError
from skillforge.registry import default_registry
from skillforge.scaffold import write_package

COMMANDS = """
import click
from skillforge import CommandPart, hookimpl
SKILLFORGE_CONTRACT = 1

class Command(CommandPart):
    summary = "Serves tea"
    def __init__(self, name):
        self.name = name
    def command(self):
        @click.command(self.name)
        @click.option("--cups", type=int, default=1)
        def tea(cups):
            "Serve tea."
            click.echo(f"{self.name}: {cups} cups")
        return tea

@hookimpl
def skillforge_command(name):
    return Command(name)
"""

SCRIPTED = """
import asyncio, contextlib
from skillforge import Execution, Sandbox, SandboxLoad, SandboxPool, SandboxSession, hookimpl
SKILLFORGE_CONTRACT = 1

class Session(SandboxSession):
    async def run(self, code, timeout, on_output=None):
        while code == "flood":
            on_output("stdout", "x" * 1000)
            await asyncio.sleep(0)
        if on_output:
            for stream, text in (("stdout", "one\\n"), ("stderr", "warn"), ("stdout", "two")):
                on_output(stream, text)
        return Execution(
            status="exit", stdout="one\\ntwo\\nlast", stderr="warning", value="'\\x1b[2J'", late_output="from before\\n",
            detail=code.strip(),
        )

class Pool(SandboxPool):
    @contextlib.asynccontextmanager
    async def session(self):
        yield Session()
    def load(self):
        return SandboxLoad(in_use=0, ready=0, waiting=0)

class Scripted(Sandbox):
    name = "scripted"
    summary = "Says what it is told to"
    @contextlib.asynccontextmanager
    async def open(self, options):
        yield Pool()

@hookimpl
def skillforge_sandbox():
    return Scripted()
"""


@pytest.fixture
def plain(site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A sandbox that runs code in a child process, as `plugins new` writes it; its name."""
    written = write_package("sandbox", "plain", tmp_path / "packages", package="good-plain")
    monkeypatch.syspath_prepend(str(written.folder / "src"))
    site.install("good-plain", {("sandbox", "plain"): "good_plain"}, {})
    monkeypatch.chdir(tmp_path)
    return "plain"


@pytest.fixture
def scripted(site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A sandbox that tells of some of the output while it comes, and of the rest at the end; its name."""
    site.install("good-scripted", {("sandbox", "scripted"): "good_scripted"}, {"good_scripted": SCRIPTED})
    monkeypatch.chdir(tmp_path)
    return "scripted"


def write(name: str, code: str) -> str:
    Path(name).write_text(code)
    return name


# Commands of plugins in a group ---------------------------------------------------------------------------------


@pytest.fixture
def tea(site) -> None:
    names = ("sandbox.tea", "tea", "sandbox.run", "sandbox.tea.green")
    site.install("good-tea", {("command", name): "good_tea" for name in names}, {"good_tea": COMMANDS})


def test_a_dotted_command_belongs_to_its_group_alone(tea, skillforge) -> None:
    assert skillforge("sandbox", "tea", "--cups", "3").stdout == "sandbox.tea: 3 cups\n"
    assert skillforge("tea").stdout == "tea: 1 cups\n"
    assert skillforge("sandbox.tea").exit_code == 2
    assert "sandbox.tea" not in skillforge("--help").stdout
    shown = skillforge("sandbox", "--help").stdout
    assert re.search(r"^Commands of plugins:\n(.*\n)*  tea +The package good-tea\.$", shown, re.MULTILINE)
    assert "green" not in shown
    assert skillforge("sandbox", "tea", "--help").stdout.startswith("Usage: skillforge sandbox tea [OPTIONS]")


def test_a_built_in_command_of_the_group_stays(tea, skillforge) -> None:
    assert "Run Python files" in skillforge("sandbox", "run", "--help").stdout


def test_listing_the_group_imports_no_plugin(tea, skillforge) -> None:
    skillforge("sandbox", "--help")
    assert "good_tea" not in sys.modules
    result = skillforge("sandbox", "tae")
    assert result.exit_code == 2 and "did you mean 'tea'" in result.stderr
    assert "good_tea" not in sys.modules


def test_plugins_commands_know_dotted_names(tea, skillforge) -> None:
    assert skillforge.parts("--kind", "command")["good-tea:sandbox.tea"]["state"] == "ok"
    assert "command sandbox.tea: Serves tea" in skillforge("plugins", "show", "sandbox.tea").stdout
    result = skillforge("plugins", "check", "sandbox.tea")
    assert result.exit_code == 0, result.output
    assert "1 checked, 0 broken" in result.stdout


# run ------------------------------------------------------------------------------------------------------------


def test_run_shows_output_and_value_and_ends_with_0(plain, skillforge) -> None:
    code = "import sys\nprint('out\\t\\x1b[31m')\nprint('err', file=sys.stderr)\n6 * 7\n"
    result = skillforge("sandbox", "run", write("a.py", code), "--sandbox", plain)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out\t\x1b[31m\n42\n", "err\n")


def test_files_are_cells_of_one_session_up_to_the_first_that_fails(plain, skillforge) -> None:
    write("a.py", "x = 20")
    write("b.py", "print(x + 1)\nraise ValueError('deliberate')")
    write("c.py", "print('never')")
    result = skillforge("sandbox", "run", "a.py", "b.py", "c.py", "--sandbox", plain)
    assert (result.exit_code, result.stdout) == (1, "21\n")
    assert "ValueError: deliberate\n" in result.stderr
    assert result.stderr.splitlines()[-1] == "Error: b.py: error"


def test_json_gives_a_line_for_each_file(plain, skillforge) -> None:
    write("a.py", "x = 20")
    write("b.py", "x + 1")
    result = skillforge("sandbox", "run", "a.py", "b.py", "--sandbox", plain, "--json")
    first, second = map(json.loads, result.stdout.splitlines())
    assert result.exit_code == 0 and first["status"] == "ok" and second["value"] == "21"


def test_code_that_does_not_end_is_ended(plain, skillforge) -> None:
    result = skillforge("sandbox", "run", write("a.py", "while True: pass"), "--sandbox", plain, "--timeout", "0.5")
    assert (result.exit_code, result.stderr) == (1, "Error: a.py: timeout\n")


def test_what_was_streamed_is_shown_once_and_each_text_on_lines_of_its_own(scripted, skillforge) -> None:
    result = skillforge("sandbox", "run", write("a.py", "exit code 3"), "--sandbox", scripted)
    assert result.exit_code == 3
    assert result.stdout == "one\ntwo\nlast\n'\x1b[2J'\n"
    assert result.stderr == (
        "warning\nlate output of what ran before a.py:\nfrom before\nError: a.py: exit (exit code 3)\n"
    )


@pytest.mark.parametrize(("detail", "code"), [("exit code 0", 0), ("exit code 200", 200), ("odd", 1), ("", 1)])
def test_the_codes_own_exit_code_counts(scripted, skillforge, detail: str, code: int) -> None:
    result = skillforge("sandbox", "run", write("a.py", detail), "--sandbox", scripted)
    assert result.exit_code == code
    assert ("Error: a.py: exit" in result.stderr) == (code != 0)


def test_on_a_terminal_output_cannot_steer_it(scripted, site, tmp_path: Path) -> None:
    write("a.py", "exit code 0")
    controller, terminal = os.openpty()
    command = (sys.executable, "-m", "skillforge", "sandbox", "run", "a.py", "--sandbox", scripted)
    environment = {**os.environ, "PYTHONPATH": str(site.folder)}
    subprocess.run(command, stdout=terminal, stderr=subprocess.PIPE, env=environment, check=True)
    os.close(terminal)
    shown = os.read(controller, 65536).decode()
    os.close(controller)
    assert "\x1b" not in shown and "'\\x1b[2J'" in shown


def test_code_may_come_from_standard_input(plain, site, tmp_path: Path) -> None:
    path = os.pathsep.join((str(site.folder), str(tmp_path / "packages" / "good-plain" / "src")))
    command = (sys.executable, "-m", "skillforge", "sandbox", "run", "-", "--sandbox", plain)
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, input="print(40 + 2)", capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")


def test_a_reader_that_leaves_ends_the_run(scripted, site, tmp_path: Path) -> None:
    write("a.py", "flood")
    command = (sys.executable, "-m", "skillforge", "sandbox", "run", "a.py", "--sandbox", scripted)
    environment = {**os.environ, "PYTHONPATH": str(site.folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout and process.stderr
        assert process.stdout.read(10) == b"x" * 10
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, b"")


# Which sandbox, and which options ----------------------------------------------------------------------------------


def refusal(result) -> str:
    assert isinstance(result.exception, UsageError), result.output
    return str(result.exception)


def test_wrong_calls_are_refused(plain, scripted, skillforge) -> None:
    run = ("sandbox", "run", write("a.py", "1"))
    assert "did you mean 'plain'" in refusal(skillforge(*run, "--sandbox", "plian"))
    assert "output_limit" in refusal(skillforge(*run, "--sandbox", plain, "-o", "sandbox.output_limt=3"))
    assert "'backend' is not used here" in refusal(skillforge(*run, "--sandbox", plain, "-o", "backend.x=3"))
    Path("b.py").write_bytes(b"print('\xff')")
    assert "b.py is not UTF-8 text (byte 7)" in refusal(skillforge("sandbox", "run", "b.py", "--sandbox", plain))
    assert skillforge("sandbox", "run", "absent.py").exit_code == 2


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Of the installed sandboxes, only these are found."""
    from skillforge.registry import Registry

    default_registry.cache_clear()
    found = [entry for entry in default_registry().all_entries if entry.kind != "sandbox" or entry.name in names]
    monkeypatch.setattr(Registry, "all_entries", found)


def test_the_only_sandbox_is_the_default(plain, scripted, skillforge, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "plain")
    assert skillforge("sandbox", "run", write("a.py", "print(2)")).stdout == "2\n"
    only(monkeypatch)
    assert "no sandbox is installed; install one" in refusal(skillforge("sandbox", "run", "a.py"))


def test_of_several_one_must_be_named(plain, scripted, skillforge, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "plain", "scripted")
    refused = refusal(skillforge("sandbox", "run", write("a.py", "print(2)")))
    assert refused == "2 sandboxes are installed; choose one with --sandbox: plain, scripted"


# bench --------------------------------------------------------------------------------------------------------------


def test_bench_measures_a_sandbox_through_its_contract(plain, skillforge) -> None:
    result = skillforge("sandbox", "bench", "--quick", "--json", "--sandbox", plain)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["sandbox"] == "plain" and report["machine"]["cores"] >= 1
    figures = {figure["name"]: figure for figure in report["figures"]}
    assert figures["session from the ready ones, light load"]["value"] is None  # this one keeps none ready
    statement = figures["statement in a warm session"]
    assert 0 < statement["value"] <= statement["p99"] and statement["samples"] > 1
    if sys.platform == "linux":
        assert 1 < figures["idle session (PSS)"]["value"] < 1000
        assert figures["end of a session, a child busy in it"]["value"] > 0


def test_bench_refuses_a_sandbox_that_runs_nothing(scripted, skillforge) -> None:
    result = skillforge("sandbox", "bench", "--quick", "--sandbox", scripted)
    assert isinstance(result.exception, SkillForgeError)
    assert "harmless statement with 'exit'" in str(result.exception)
