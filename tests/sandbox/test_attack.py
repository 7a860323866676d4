"""`skillforge sandbox attack`: it finds what a sandbox that holds nothing lets through, and leaves nothing itself."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from skillforge.cli.sandbox_attack import attack as command
from skillforge.errors import UsageError
from skillforge.parts.sandbox import Execution, Sandbox
from skillforge.scaffold import write_package
from skillforge.testing.attacks import SUITE, Bait, Result, attack, read_snippets
from skillforge.testing.attacks.left import descendants

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="attacks are judged on Linux only")


@pytest.fixture
def leaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox that runs code in a plain child process, as `plugins new` writes it."""
    written = write_package("sandbox", "leaky", tmp_path / "package", package="good-leaky-attacked")
    monkeypatch.syspath_prepend(str(written.folder / "src"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "work"))
    yield importlib.import_module("good_leaky_attacked").skillforge_sandbox()
    del sys.modules["good_leaky_attacked"]


@pytest.fixture
def bait(tmp_path: Path) -> Bait:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Bait(tmp_path / "canary.txt", free.getsockname()[1])


@pytest.fixture
def run(leaky: Sandbox, bait: Bait, tmp_path: Path) -> Callable[[str], Result]:
    """Runs the text of a snippet in the leaky sandbox."""

    def run(text: str) -> Result:
        folder = tmp_path / "snippets"
        folder.mkdir(exist_ok=True)
        (folder / "one.py").write_text(text)

        async def collect() -> list[Result]:
            return [result async for result in attack(leaky, leaky.Options(), read_snippets(folder), bait)]

        (result,) = asyncio.run(collect())
        return result

    return run


# What the bait tells of ---------------------------------------------------------------------------------------------


def test_harmless_code_is_contained(run) -> None:
    result = run("# expect: ok\n# what: nothing\n# state: kept\n# shows: 5\nprint(5)")
    assert (result.violations, result.status, result.state, result.what) == ((), "ok", "kept", "nothing")
    assert result.contained


def test_reading_the_canary_is_found(run, bait: Bait) -> None:
    assert run(f"print(open({str(bait.file)!r}).read())").violations == ("the content of the canary file was read",)


def test_a_secret_is_found_in_a_value_and_in_an_error(run, bait: Bait) -> None:
    found = ("the content of the canary file was read",)
    assert run(f"open({str(bait.file)!r}).read()").violations == found
    assert run(f"raise ValueError(open({str(bait.file)!r}).read())").violations == found


@pytest.mark.parametrize(
    "change", ["os.chmod(FILE, 0o600)", "os.link(FILE, FILE + '2')", "os.unlink(FILE)", "open(FILE, 'a').write('x')"]
)
def test_touching_the_canary_is_found(run, bait: Bait, change: str) -> None:
    assert run(f"import os\nFILE = {str(bait.file)!r}\n{change}").violations == (f"{bait.file} was changed",)


def test_the_environment_is_found(run) -> None:
    own = "import os\nprint(os.environ['SF_CANARY_KEY'])"
    look = "import glob\nfor file in glob.glob('/proc/[0-9]*/environ'):\n"
    found = "*(part for part in open(file, errors='replace').read().split('\\0') if part.startswith('SF_CANARY_KEY'))"
    neighbours = look + f"    try: print({found})\n    except OSError: pass"
    for code in (own, neighbours):
        assert run(code).violations == ("the content of SF_CANARY_KEY was read",)


def test_connections_are_found(run, bait: Bait) -> None:
    result = run(f"import socket\nsocket.create_connection(('127.0.0.1', {bait.port}))")
    assert result.violations == (f"SOCK_STREAM 127.0.0.1:{bait.port} was reached",)
    result = run(f"import socket\nsocket.socket(2, 2).sendto(b'hello', ('127.0.0.1', {bait.port}))")
    assert result.violations == (f"SOCK_DGRAM 127.0.0.1:{bait.port} was reached",)
    result = run(f"import socket\nsocket.socket(1).connect('\\0skillforge-canary-{bait.port}')")
    assert result.violations == ("an abstract Unix socket was reached",)


def test_files_that_are_left_outside_are_found(run, tmp_path: Path) -> None:
    result = run("open('skillforge_left.txt', 'w').write('x')")
    assert f"{tmp_path / 'work' / 'skillforge_left.txt'} was left outside" in result.violations


@pytest.mark.parametrize(
    "daemon",
    [
        "if os.fork() == 0:\n    if os.fork() == 0: os.setsid(); os.closerange(0, 99); time.sleep(60)\n    os._exit(0)",
        "subprocess.Popen(['sleep', '60'], env={}, start_new_session=True)",
    ],
    ids=["double fork", "another program"],
)
def test_processes_that_are_left_are_found(run, daemon: str) -> None:
    before = descendants()
    result = run(f"import os, subprocess, time\n{daemon}")
    assert [violation.partition(":")[0] for violation in result.violations] == ["1 processes of the session are left"]
    for pid in descendants() - before:
        os.kill(pid, 9)


CHILDREN = (
    "import os\nfor pid in map(int, open(f'/proc/{os.getppid()}/task/{os.getppid()}/children').read().split()):\n"
)


def test_harm_to_the_sibling_and_to_neighbours_is_found(run) -> None:
    result = run(CHILDREN + "    if pid != os.getpid(): os.kill(pid, 9)")
    assert len(result.violations) == 2
    assert "a neighbouring process of the same user was ended" in result.violations
    assert result.violations[0].startswith("the sibling is not as it was: ")


def test_a_spoiled_file_of_the_sibling_is_found(run, tmp_path: Path) -> None:
    result = run(f"open({str(tmp_path / 'work' / 'sf_attack.txt')!r}, 'a').write('spoiled')")
    (violation,) = result.violations
    assert violation.startswith("the sibling is not as it was: state") and "spoiled" in violation


# What the header says -----------------------------------------------------------------------------------------------


def test_the_header_is_held_against_the_outcome(run) -> None:
    result = run("# expect: timeout|died\n# state: lost\n# absent: ESC\n# shows: 7\nprint('ESCAPED')")
    assert result.violations == (
        "it prints 'ESC'",
        "it does not print '7'",
        "the status is ok, not died or timeout",
        "the state is kept, not lost",
    )


def test_free_text_expects_no_status(run) -> None:
    result = run("# expect: ok: SystemExit never ends the harness\nraise SystemExit(3)")
    assert (result.status, result.violations, result.what) == ("exit", (), "ok: SystemExit never ends the harness")


def test_lines_below_the_header_are_repeated(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("# expect: error\n# times: 3\n-")
    (snippet,) = read_snippets(tmp_path)
    assert snippet.code == "# expect: error\n# times: 3\n---"


def test_a_snippet_may_run_for_as_long_as_its_header_says(run) -> None:
    result = run("# expect: timeout\n# limit: 0.5\nimport time\ntime.sleep(2)")
    assert (result.status, result.violations) == ("timeout", ())


def test_files_that_are_no_snippets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are no snippets in"):
        read_snippets(tmp_path)
    (tmp_path / "a.py").write_text("# times: many\nx")
    with pytest.raises(UsageError, match=r"a\.py \(invalid literal"):
        read_snippets(tmp_path)
    (tmp_path / "a.py").write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"a\.py \(.*decode"):
        read_snippets(tmp_path)


def test_each_snippet_of_the_suite_says_what_it_tries_and_may_come_to() -> None:
    snippets = read_snippets(SUITE)
    assert len(snippets) > 100
    for snippet in snippets:
        assert snippet.what and snippet.what not in snippet.statuses, snippet.name
        lines = [line.split(":")[0] for line in snippet.code.splitlines()[:6] if line.startswith("# ")]
        assert "# expect" in lines and "# what" in lines, snippet.name
        assert "sandbox-error" not in snippet.statuses, f"{snippet.name}: the text of its 'expect' names no statuses"
        assert len(snippet.statuses) < 8 or "|" in snippet.code.splitlines()[0], snippet.name


# Faults of the sandbox itself ---------------------------------------------------------------------------------------


def break_sessions(leaky: Sandbox, monkeypatch: pytest.MonkeyPatch, how: Callable[[str], Execution | None]) -> None:
    """Cells are answered by `how`, where it gives an answer."""
    session = sys.modules["good_leaky_attacked"].ProcessSession
    original = session.run

    async def run(self, code, timeout, on_output=None):
        return how(code) or await original(self, code, timeout, on_output)

    monkeypatch.setattr(session, "run", run)


def test_a_sandbox_that_raises_is_told_of(run, leaky: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(code: str) -> None:
        if code == "x = 1":
            raise KeyError("a bug")

    break_sessions(leaky, monkeypatch, fail)
    result = run("x = 1")
    assert (result.status, result.violations) == (None, ("the sandbox raised KeyError: 'a bug'",))


def test_a_false_claim_of_the_state_is_found(run, leaky: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    break_sessions(leaky, monkeypatch, lambda code: Execution(status="died", state="lost") if code == "x = 1" else None)
    assert run("x = 1").violations == ("the session says that its state is lost, but it is kept",)


def test_output_that_lands_in_the_next_cell_is_found(run, leaky: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def mix(code: str) -> Execution | None:
        return Execution(status="ok", stdout="LATE\n42\n", value="42") if code.startswith("print(6") else None

    break_sessions(leaky, monkeypatch, mix)
    assert run("x = 1").violations == ("the next cell gives ok: 'LATE 42 42'",)


def test_memory_of_this_process_is_watched(run, leaky: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def hoard(code: str) -> Execution | None:
        return Execution(status="ok", detail=str(len(b"\1" * 2**28))) if code == "x = 1" else None

    break_sessions(leaky, monkeypatch, hoard)
    (violation,) = run("x = 1").violations
    assert violation.startswith("this process grew by 2")


# Around it ------------------------------------------------------------------------------------------------------------


def test_nothing_of_the_bait_stays(run, bait: Bait, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SF_CANARY_KEY", "of the user")
    before = descendants()
    run("x = 1")
    assert not bait.file.exists() and os.environ["SF_CANARY_KEY"] == "of the user" and descendants() <= before
    with socket.socket() as again:
        again.bind(("127.0.0.1", bait.port))


def test_a_canary_that_a_killed_attack_has_left_is_no_hindrance(run, bait: Bait) -> None:
    bait.file.write_text("0123456789abcdef" * 2 + "\n")
    assert run("print(1)").contained
    assert not bait.file.exists()


def test_places_that_are_taken_are_left_alone(run, bait: Bait) -> None:
    bait.file.write_text("precious")
    with pytest.raises(UsageError, match=r"cannot make the file .*canary\.txt \(File exists\); remove it"):
        run("x = 1")
    assert bait.file.read_text() == "precious"
    bait.file.unlink()
    with socket.socket() as other:
        other.bind(("127.0.0.1", bait.port))
        other.listen()
        with pytest.raises(UsageError, match=f"cannot listen on SOCK_STREAM 127.0.0.1:{bait.port}"):
            run("x = 1")
    assert not bait.file.exists()


# The command ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def invoke(leaky: Sandbox, bait: Bait, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs the command on snippets, name -> text, with bait in other places than its usual ones."""
    monkeypatch.setattr("skillforge.cli.sandbox_attack.choose_sandbox", lambda *_: (leaky, leaky.Options()))
    monkeypatch.setattr("skillforge.testing.attacks.run.Bait", lambda: bait)

    def invoke(snippets: dict[str, str], *arguments: str):
        folder = tmp_path / "snippets"
        folder.mkdir()
        for name, text in snippets.items():
            (folder / f"{name}.py").write_text(text)
        return CliRunner().invoke(command, ["--from", str(folder), *arguments])

    return invoke


def test_the_command_shows_each_snippet_and_fails_if_one_escapes(invoke, bait: Bait) -> None:
    leak = f"# expect: ok\n# what: reads \x1b[31m\nprint(open({str(bait.file)!r}).read())"
    result = invoke({"a": "# expect: ok\n# what: nothing\nx = 1", "b": leak})
    assert result.exit_code == 1, result.output
    first, second, third, _, last = result.stdout.splitlines()
    assert first.startswith("1/2 ✓ a: ok, 0.") and first.endswith(" s – nothing")
    assert second.startswith("2/2 ✗ b: ok, 0.") and second.endswith(" s – reads \\x1b[31m")
    assert third == "    → the content of the canary file was read"
    assert last == "2 snippets, 1 contained by the sandbox leaky"


def test_the_command_gives_json(invoke) -> None:
    result = invoke({"a": "# expect: ok\nx = 1"}, "--json")
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    assert row["name"] == "a" and row["contained"] is True and row["status"] == "ok" and row["violations"] == []


def test_wrong_calls_of_the_command() -> None:
    assert CliRunner().invoke(command, ["--from", "/no/such/folder"]).exit_code == 2
