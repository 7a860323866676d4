from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from skillforge.errors import UsageError
from skillforge.kinds import KINDS

GRADER = """
from typing import Annotated, Literal
from msgspec import Meta
from skillforge import Grader, PartOptions, Verdict, hookimpl
SKILLFORGE_CONTRACT = 1

class Options(PartOptions, frozen=True, kw_only=True):
    digits: Annotated[Annotated[int, Meta(ge=1, le=9)] | None, Meta(description="Digits to compare.")] = 3
    mode: Annotated[Literal["loose", "strict"], Meta(description="How to compare.")] = "strict"

class Good(Grader):
    name = "fine"
    summary = "judges well [bold]really[/bold]"
    licence = "MIT"
    source = "https://example.org/fine"
    Options = Options
    def grade(self, problem, transcript, options, answer=None):
        return Verdict(state="error", reason="it never judges")

@hookimpl
def skillforge_grader():
    return Good()
"""
BACKEND = """
from skillforge import Backend, hookimpl
SKILLFORGE_CONTRACT = 1

class Asker(Backend):
    name = "asker"
    summary = "asks"
    default_for = None
    def capabilities(self, options):
        return frozenset({"chat"})

@hookimpl
def skillforge_backend():
    return Asker()
"""
RAISING = GRADER.replace('"fine"', '"touchy"').replace(
    "return Verdict(", 'assert "boxed" in transcript.answer_text; return Verdict('
)


@pytest.fixture
def graders(site) -> None:
    site.install("good-fine", {("grader", "fine"): "good_fine"}, {"good_fine": GRADER}, "1.2")
    site.install("faulty-touchy", {("grader", "touchy"): "faulty_touchy"}, {"faulty_touchy": RAISING})
    site.install("faulty-syntax", {("grader", "unreadable"): "faulty_syntax"}, {"faulty_syntax": "def ("})


def refusal(result) -> str:
    assert isinstance(result.exception, UsageError), result.output
    assert result.exception.exit_code == 2
    return str(result.exception)


def test_list_shows_kind_package_version_and_summary(graders, skillforge) -> None:
    assert skillforge.parts("--kind", "grader")["good-fine:fine"] | {"seconds": 0} == {
        "kind": "grader",
        "name": "fine",
        "id": "good-fine:fine",
        "package": "good-fine",
        "version": "1.2",
        "module": "good_fine",
        "summary": "judges well [bold]really[/bold]",
        "state": "ok",
        "cause": None,
        "fix": None,
        "seconds": 0,
    }
    (line,) = (line for line in skillforge("plugins", "list").stdout.splitlines() if "good-fine" in line)
    assert line.split()[:4] == ["grader", "fine", "good-fine", "1.2"]
    assert "judges well [bold]really[/bold]" in line and line.split()[-1] == "ok"


def test_a_narrow_terminal_leaves_room_for_what_a_part_is(
    graders, skillforge, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from skillforge.cli.plugins_text import print_stocks
    from skillforge.probe import take_stock
    from skillforge.registry import Registry
    from skillforge.server import without_colours

    stocks = take_stock([entry for entry in Registry().all_entries if entry.kind == "grader"])
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_stocks(stocks)
    lines = without_colours(capsys.readouterr().out).splitlines()
    (at,) = (number for number, line in enumerate(lines) if line.startswith("grader  fine "))
    assert "judges well [bold]really[/bold]" in lines[at] and lines[at].endswith("ok")
    assert lines[at + 1].strip() == "good-fine 1.2"
    assert max(map(len, lines[: at + 2])) <= 60


def test_a_broken_part_is_listed_with_its_packages_summary(graders, skillforge) -> None:
    row = skillforge.parts()["faulty-syntax:unreadable"]
    assert (row["state"], row["summary"]) == ("broken", "The package faulty-syntax.")


def test_unknown_kinds_and_names_are_refused_with_the_closest(graders, skillforge) -> None:
    assert "did you mean 'grader'" in refusal(skillforge("plugins", "list", "--kind", "grdaer"))
    assert "did you mean 'fine'" in refusal(skillforge("plugins", "show", "fien"))
    assert "did you mean 'good-fine'" in refusal(skillforge("plugins", "check", "good-fien"))
    assert "did you mean 'benchmark'" in refusal(skillforge("plugins", "new", "benchmrak", "x"))


def test_show_tells_all_of_a_part(graders, skillforge) -> None:
    text = skillforge("plugins", "show", "fine").stdout
    for told in ("good-fine 1.2", "MIT", "https://example.org/fine", "good_fine.py", "digits", "an integer, ≥ 1, ≤ 9"):
        assert told in text
    assert "-o grader.NAME=VALUE" in text
    assert "    mode    How to compare.\n            one of loose, strict; default: strict\n" in text
    (part,) = json.loads(skillforge("plugins", "show", "good-fine:fine", "--json").stdout)
    assert [(option["name"], option["default"]) for option in part["options"]] == [("digits", 3), ("mode", "strict")]


@pytest.mark.parametrize(
    ("default_for", "told"),
    [
        ('"url"', "  default for: runs with a --base-url\n"),
        ('"weights"', "  default for: models that are a folder or a hub id\n"),
    ],
)
def test_show_says_what_a_backend_is_the_default_for(site, skillforge, default_for: str, told: str) -> None:
    site.install(
        "good-asker", {("backend", "asker"): "good_asker"}, {"good_asker": BACKEND.replace("None", default_for)}
    )
    assert told in skillforge("plugins", "show", "asker").stdout
    (part,) = json.loads(skillforge("plugins", "show", "asker", "--json").stdout)
    assert part["facts"]["default_for"] == default_for.strip('"')


def test_show_of_a_broken_part_tells_why(graders, skillforge) -> None:
    text = skillforge("plugins", "show", "unreadable").stdout
    assert "broken: " in text and "SyntaxError" in text and "→ update it" in text


def test_check_passes_a_good_package_by_its_name_and_its_parts(graders, skillforge) -> None:
    for name in ("Good_Fine", "good-fine:fine"):
        result = skillforge("plugins", "check", name)
        assert result.exit_code == 0, result.output
        assert "✓ hostile: a million digits" in result.stdout and "1 checked, 0 broken" in result.stdout


def test_check_names_what_a_faulty_package_breaks(graders, skillforge) -> None:
    result = skillforge("plugins", "check", "faulty-touchy")
    assert result.exit_code == 1
    assert "✗ verdicts: it raised AssertionError" in result.stdout and "→ " in result.stdout
    result = skillforge("plugins", "check", "faulty-syntax")
    assert result.exit_code == 1
    assert "✗ loads: the grader 'unreadable' of faulty-syntax 1.0 is broken" in result.stdout


def test_new_says_what_to_do_next(skillforge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = skillforge("plugins", "new", "grader", "my-grader", "--author", 'Ann "A" O\'Hara')
    assert result.exit_code == 0, result.output
    assert "pip install -e ./skillforge-my-grader\n" in result.stdout
    assert "skillforge eval" in result.stdout and "--grader my-grader" in result.stdout
    assert 'Ann "A" O\'Hara' in (tmp_path / "skillforge-my-grader" / "LICENSE").read_text()


def test_new_warns_of_a_name_that_is_taken(graders, skillforge, tmp_path: Path) -> None:
    result = skillforge("plugins", "new", "grader", "fine", "--into", str(tmp_path))
    assert result.exit_code == 0
    assert "good-fine brings a grader called 'fine' too" in result.stderr
    result = skillforge("plugins", "new", "voter", "v", "--package", "good-fine", "--into", str(tmp_path))
    assert "a package good-fine is installed" in result.stderr
    result = skillforge("plugins", "new", "command", "eval", "--into", str(tmp_path))
    assert "'skillforge eval' is a command of its own" in result.stderr


def test_new_refuses_names_that_cannot_be_and_folders_that_are_there(skillforge, tmp_path: Path) -> None:
    into = ("--into", str(tmp_path))
    assert "'my-set' would do" in refusal(skillforge("plugins", "new", "benchmark", "MySet", *into))
    assert "'a-b' would do" in refusal(skillforge("plugins", "new", "benchmark", "a_b", *into))
    assert "cannot be a name" in refusal(skillforge("plugins", "new", "benchmark", "../x", *into))
    (tmp_path / "skillforge-x").mkdir()
    assert skillforge("plugins", "new", "benchmark", "x", *into).exit_code == 0
    kept = (tmp_path / "skillforge-x" / "README.md").read_text()
    assert "is there already" in refusal(skillforge("plugins", "new", "voter", "x", *into))
    assert (tmp_path / "skillforge-x" / "README.md").read_text() == kept
    (tmp_path / "skillforge-y").write_text("a file")
    assert "is there already" in refusal(skillforge("plugins", "new", "voter", "y", *into))


def test_there_is_a_starter_for_every_kind() -> None:
    from skillforge.scaffold import STARTERS

    assert list(STARTERS) == list(KINDS)
