"""Plugins with every fault we could think of, really installed: each has its message, and harms no other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from skillforge import probe as probing
from skillforge.errors import BrokenPlugin, UsageError
from skillforge.probe import probe, take_stock
from skillforge.registry import PartEntry, Registry

GOOD = """
from skillforge import Vote, Voter, hookimpl
SKILLFORGE_CONTRACT = 1

class Good(Voter):
    name = "{name}"
    summary = "works: {name}"
    def vote(self, ballots, options):
        given = [(at, ballot.answer) for at, ballot in enumerate(ballots) if ballot.answer is not None]
        return Vote(answer=given[0][1], supporters=(given[0][0],)) if given else None

@hookimpl
def skillforge_voter():
    return Good()
"""


def good(name: str) -> str:
    return GOOD.format(name=name)


class Fault(NamedTuple):
    source: str
    cause: str
    fix: str


FAULTS = {
    "no-contract": Fault(
        good("no-contract").replace("SKILLFORGE_CONTRACT = 1", ""),
        "does not say which contract it was written for",
        "its author must add 'SKILLFORGE_CONTRACT = 1'",
    ),
    "contract-too-new": Fault(
        good("contract-too-new").replace("CONTRACT = 1", "CONTRACT = 99"),
        "written for contract 99, and this SkillForge has 1",
        "pip install --upgrade skillforge",
    ),
    "contract-too-old": Fault(
        good("contract-too-old").replace("CONTRACT = 1", "CONTRACT = 0"),
        "written for contract 0, and the oldest that works is 1",
        "pip install --upgrade faulty-contract-too-old",
    ),
    "contract-as-text": Fault(
        good("contract-as-text").replace("CONTRACT = 1", "CONTRACT = '1'"), "does not say which contract", "must add"
    ),
    "missing-library": Fault(
        "import some_library_that_is_not_here\n" + good("missing-library"),
        "No module named 'some_library_that_is_not_here'",
        "install what it needs (module 'some_library_that_is_not_here')",
    ),
    "missing-own-module": Fault(
        "from faulty_missing_own_module.part import Part\n", "cannot be imported", "pip install --force-reinstall"
    ),
    "import-name": Fault(
        "from skillforge import NoSuchName\n", "raised ImportError: cannot import name 'NoSuchName'", "update it"
    ),
    "syntax": Fault("def broken(:\n", "raised SyntaxError", "update it, or remove it: pip uninstall faulty-syntax"),
    "raises": Fault("1 / 0\n", "raised ZeroDivisionError: division by zero", "pip uninstall faulty-raises"),
    "several-lines": Fault("raise ValueError('a\\nb\\x1b[31m')\n", "raised ValueError: a b\\x1b[31m", "update it"),
    "exits": Fault("import sys; sys.exit('bye')\n", "raised SystemExit: bye", "pip uninstall faulty-exits"),
    "interrupts": Fault("raise KeyboardInterrupt\n", "raised KeyboardInterrupt", "pip uninstall faulty-interrupts"),
    "ends-process": Fault(
        "import os; os._exit(7)\n", "ended the process with exit status 7", "pip uninstall faulty-ends-process"
    ),
    "crashes": Fault(
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)\n", "killed the process (SIGSEGV)", "pip uninstall"
    ),
    "hangs": Fault("import time; time.sleep(600)\n", "did not finish within 2 s", "pip uninstall faulty-hangs"),
    "waits-for-input": Fault("input()\n", "raised EOFError", "pip uninstall faulty-waits-for-input"),
    "no-hook": Fault(
        "SKILLFORGE_CONTRACT = 1\n", "does not implement the hook skillforge_voter", "'@hookimpl def skillforge_voter()"
    ),
    "hook-of-another-kind": Fault(
        good("hook-of-another-kind").replace("def skillforge_voter", "def skillforge_grader"),
        "does not implement the hook skillforge_voter",
        "skillforge_voter",
    ),
    "misspelled-hook": Fault(
        good("misspelled-hook").replace("def skillforge_voter", "def skillforge_votr"),
        "it implements an unknown hook 'skillforge_votr'",
        "did you mean 'skillforge_voter'",
    ),
    "wrong-argument": Fault(
        good("wrong-argument").replace("skillforge_voter()", "skillforge_voter(colour)"),
        "a hook does not fit its specification",
        "see skillforge/hookspecs.py",
    ),
    "hook-raises": Fault(
        good("hook-raises").replace("return Good()", "return {}['key']"),
        "skillforge_voter raised KeyError: 'key'",
        "pip uninstall faulty-hook-raises",
    ),
    "wrong-type": Fault(
        good("wrong-type").replace("return Good()", "return 'a voter'"),
        "skillforge_voter returned str, not a Voter",
        "must return an instance of skillforge.Voter",
    ),
    "class-not-instance": Fault(
        good("class-not-instance").replace("return Good()", "return Good"),
        "skillforge_voter returned",
        "must return an instance of skillforge.Voter",
    ),
    "nothing": Fault(
        good("nothing").replace("return Good()", "return None"),
        "skillforge_voter returned NoneType, not a Voter",
        "must return an instance",
    ),
    "wrong-name": Fault(
        good("something-else"),
        "returned a part called 'something-else', not 'wrong-name'",
        "the entry point and the part must have the same name",
    ),
    "no-summary": Fault(
        good("no-summary").replace("    summary =", "    description ="),
        "describing its part raised AttributeError",
        "pip uninstall faulty-no-summary",
    ),
}

NOISY = "import sys; print('junk' * 50_000); print('more', file=sys.stderr)\n" + good("noisy")


def _module(name: str) -> str:
    return "faulty_" + name.replace("-", "_")


@pytest.fixture
def all_faults(site) -> list[PartEntry]:
    """Every faulty package, with two that work between them."""
    for name, fault in FAULTS.items():
        site.install(f"faulty-{name}", {("voter", name): _module(name)}, {_module(name): fault.source})
    site.install("faulty-noisy", {("voter", "noisy"): "faulty_noisy"}, {"faulty_noisy": NOISY})
    site.install("good-first", {("voter", "aaa"): "good_first"}, {"good_first": good("aaa")})
    site.install("good-last", {("voter", "zzz"): "good_last"}, {"good_last": good("zzz")})
    return [entry for entry in Registry().entries("voter") if entry.package.startswith(("faulty-", "good-"))]


def test_each_fault_has_its_message_and_harms_no_other(all_faults, capfd) -> None:
    probed = probe(all_faults, limit=2.0)
    results = {entry.name: probed[entry.kind, entry.id] for entry in all_faults}
    assert set(results) == {*FAULTS, "noisy", "aaa", "zzz"}
    for name, fault in FAULTS.items():
        result = results[name]
        assert not result.ok, name
        assert result.cause.startswith(f"the voter '{name}' of faulty-{name} 1.0 is broken: "), name
        assert fault.cause in result.cause, name
        assert fault.fix in result.fix, name
        assert "\n" not in result.cause and "Traceback" not in result.cause and "\x1b" not in result.cause, name
    for name in ("noisy", "aaa", "zzz"):
        assert results[name].ok and results[name].part.summary == f"works: {name}"
    assert capfd.readouterr() == ("", "")
    assert not {module for module in sys.modules if module.startswith(("faulty_", "good_"))}


def test_list_shows_all_of_them_and_ends_well(all_faults, skillforge, monkeypatch) -> None:
    monkeypatch.setattr(probing, "IMPORT_LIMIT", 2.0)
    result = skillforge("plugins", "list", "--kind", "voter")
    assert result.exit_code == 0
    assert result.stdout.count("    → ") == len(FAULTS)
    assert "broken: the voter 'syntax' of faulty-syntax 1.0 is broken: importing faulty_syntax raised" in result.stdout
    assert "works: zzz" in result.stdout and "Traceback" not in result.output


@pytest.mark.parametrize(
    "name", sorted(FAULTS.keys() - {"ends-process", "crashes", "hangs", "interrupts", "no-summary"})
)
def test_loading_one_in_this_process_raises_broken_plugin(all_faults, name, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123
    with pytest.raises(BrokenPlugin) as caught:
        Registry().get("voter", name)
    assert FAULTS[name].cause in caught.value.what
    assert FAULTS[name].fix in caught.value.fix
    assert Registry().get("voter", "zzz").name == "zzz"


def test_one_module_may_bring_several_parts_and_one_fault(site) -> None:
    source = (
        good("x")
        .replace('name = "x"', "pass")
        .replace(
            "def skillforge_voter():\n    return Good()",
            "def skillforge_voter(name):\n    part = Good()\n    part.name = name\n    return part if name != 'bad' else 3",
        )
    )
    site.install("good-both", {("voter", "one"): "good_both", ("voter", "bad"): "good_both"}, {"good_both": source})
    results = {key: result.ok for key, result in probe(Registry().entries("voter"), 5.0).items()}
    assert results[("voter", "good-both:one")] is True
    assert results[("voter", "good-both:bad")] is False


def test_an_entry_point_that_names_an_object_is_explained(site) -> None:
    site.install("faulty-object", {("voter", "object"): "faulty_object:Good"}, {"faulty_object": good("object")})
    with pytest.raises(BrokenPlugin, match="names an object \\('faulty_object:Good'\\), not a module") as caught:
        Registry().get("voter", "object")
    assert caught.value.fix == "its author must write 'object = \"faulty_object\"'"


def test_a_clash_names_both_and_either_can_be_had_in_full(site, skillforge) -> None:
    for package in ("good-a", "good-b"):
        module = package.replace("-", "_")
        site.install(package, {("voter", "same"): module}, {module: good("same")})
    with pytest.raises(UsageError, match="two packages bring a voter called 'same': 'good-a:same' and 'good-b:same'"):
        Registry().find("voter", "same")
    assert Registry().find("voter", "good-b:same").package == "good-b"
    rows = skillforge.parts("--kind", "voter")
    assert rows["good-a:same"]["state"] == rows["good-b:same"]["state"] == "clash"
    assert "'good-a:same' and 'good-b:same'" in rows["good-a:same"]["cause"]
    text = skillforge("plugins", "list").stdout
    assert text.count("\nclash: ") == 1 and "package:name" in text


def test_a_shadowed_package_is_shown_with_the_folder_that_is_used(make_site) -> None:
    older, site = make_site("older"), make_site("site")
    site.install("good-twice", {("voter", "twice"): "good_twice"}, {"good_twice": good("twice")}, "2.0")
    older.install("good-twice", {("voter", "twice"): "good_twice"}, {"good_twice": good("twice")}, "1.0")
    stocks = {stock.entry.version: stock for stock in take_stock(Registry().all_entries) if stock.entry.name == "twice"}
    assert stocks["2.0"].state == "ok"
    assert stocks["1.0"].state == "shadowed"
    assert str(site.folder) in stocks["1.0"].cause and "pip uninstall good-twice" in stocks["1.0"].fix


def test_a_slow_import_is_named(site, monkeypatch) -> None:
    monkeypatch.setattr(probing, "SLOW", 0.2)
    site.install(
        "good-slow", {("voter", "slow"): "good_slow"}, {"good_slow": "import time; time.sleep(0.3)\n" + good("slow")}
    )
    (stock,) = take_stock([Registry().find("voter", "slow")])
    assert stock.state == "slow" and stock.cause.startswith("importing good_slow takes 0.")
    assert stock.part.summary == "works: slow"


def test_processes_that_a_plugin_starts_do_not_outlive_the_probe(site, tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    code = f"import time; time.sleep(1.5); open({str(mark)!r}, 'w')"
    source = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {code!r}])\n" + good("starter")
    site.install("good-starter", {("voter", "starter"): "good_starter"}, {"good_starter": source})
    (result,) = probe([Registry().find("voter", "starter")]).values()
    assert result.ok
    time.sleep(1.7)
    assert not mark.exists()


def test_list_imports_no_plugin_and_nothing_heavy() -> None:
    code = (
        "import sys; from skillforge.cli import cli; cli.main(['plugins', 'list'], standalone_mode=False);"
        "bad = [m for m in sys.modules if m.partition('.')[0] in ('torch', 'datasets', 'sympy', 'numpy', 'aiohttp')"
        " or m.startswith('skillforge_')]; sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
