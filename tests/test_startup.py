"""Start-up stays light: which modules the quick commands may load."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LOADED = """
import json, sys
before = set(sys.modules)
sys.argv = ["skillforge", *sys.argv[1:]]
from skillforge.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
print(json.dumps([code, sorted(set(sys.modules) - before)]), file=sys.stderr)
"""

FIRST = {"click", "skillforge", "typing_extensions"}
SECOND = FIRST | {"msgspec", "pluggy"}
SHOWN = {"rich", "pygments", "markdown_it", "mdurl"}
SLOW_STANDARD = {
    "asyncio",
    "ssl",
    "sqlite3",
    "http",
    "urllib.request",
    "multiprocessing.pool",
    "concurrent.futures.process",
}


@pytest.mark.parametrize(
    ("arguments", "allowed", "standard"),
    [
        (("--version",), FIRST, SLOW_STANDARD | {"importlib.metadata", "multiprocessing", "subprocess"}),
        (("--help",), SECOND, SLOW_STANDARD | {"multiprocessing", "subprocess"}),
        ((), SECOND, SLOW_STANDARD | {"multiprocessing", "subprocess"}),
        (("plugins", "list", "--json"), SECOND, SLOW_STANDARD),
        (("plugins", "list"), SECOND | SHOWN, SLOW_STANDARD),
        (("runs", "list"), SECOND, SLOW_STANDARD),
        (("report", "--help"), SECOND, SLOW_STANDARD),
        (("eval", "--help"), SECOND, {"sqlite3", "multiprocessing.pool"}),
        (("no-such-command",), SECOND, SLOW_STANDARD),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, tuple) else "",
)
def test_a_quick_command_loads_only_what_it_needs(
    arguments: tuple[str, ...], allowed: set[str], standard: set[str], tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    code, loaded = json.loads(ended.stderr.splitlines()[-1])
    assert code in (0, 2)
    foreign = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names - {"__mp_main__"}
    assert foreign <= allowed
    assert not standard & set(loaded)


def test_importing_skillforge_loads_nothing_else(tmp_path: Path) -> None:
    code = "import sys; before = set(sys.modules); import skillforge; print(*sorted(set(sys.modules) - before))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in ended.stdout.split()} - sys.stdlib_module_names == {"skillforge"}
