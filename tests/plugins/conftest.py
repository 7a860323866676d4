from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from skillforge.cli import cli
from skillforge.kinds import KINDS
from skillforge.registry import default_registry
from skillforge.testing import CheckResult, ContractBroken, check_part


class Site:
    """A folder with installed packages, as pip leaves them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def install(
        self, package: str, parts: Mapping[tuple[str, str], str], modules: Mapping[str, str], version: str = "1.0"
    ) -> None:
        """Install `package` with `modules` (name -> source) that bring `parts` ((kind, name) -> module)."""
        info = self.folder / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\nSummary: The package {package}.\n"
        )
        points: dict[str, list[str]] = {}
        for (kind, name), module in parts.items():
            points.setdefault(KINDS[kind].group, []).append(f"{name} = {module}")
        (info / "entry_points.txt").write_text(
            "\n".join(f"[{group}]\n" + "\n".join(lines) for group, lines in points.items())
        )
        for module, source in modules.items():
            (self.folder / f"{module}.py").write_text(source)
        (info / "RECORD").write_text("".join(f"{module}.py,,\n" for module in modules))


@pytest.fixture
def make_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Site]:
    """Makes an empty site folder, first on the path of this process and its children."""

    def make(name: str) -> Site:
        made = Site(tmp_path / name)
        monkeypatch.syspath_prepend(str(made.folder))
        return made

    return make


@pytest.fixture
def site(make_site: Callable[[str], Site]) -> Site:
    return make_site("site")


class CommandLine:
    """The command line, run in this process."""

    def __call__(self, *arguments: str) -> Result:
        """`skillforge ARGUMENTS` in this process; a SkillForgeError is in `exception`."""
        default_registry.cache_clear()
        return CliRunner().invoke(cli, arguments, prog_name="skillforge")

    def parts(self, *arguments: str) -> dict[str, dict[str, object]]:
        """id -> row of `plugins list --json`."""
        result = self("plugins", "list", "--json", *arguments)
        assert result.exit_code == 0, result.output
        return {row["id"]: row for row in json.loads(result.stdout)}


@pytest.fixture
def skillforge() -> CommandLine:
    return CommandLine()


@pytest.fixture(autouse=True)
def no_module_stays_imported() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("good", "faulty", "skillforge_new")):
            del sys.modules[name]


def _outcomes(part: Any, **settings: Any) -> dict[str, CheckResult]:
    try:
        results = check_part(part, **settings)
    except ContractBroken as broken:
        results = broken.results
    return {result.name: result for result in results}


@pytest.fixture
def outcomes() -> Callable[..., dict[str, CheckResult]]:
    """Checks a part: check name -> result, whether or not the contract is broken."""
    return _outcomes


@pytest.fixture
def failed() -> Callable[..., set[str]]:
    """Checks a part: the names of the checks that failed."""
    return lambda part, **settings: {name for name, result in _outcomes(part, **settings).items() if not result.ok}
