"""Contract tests of parts as they are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import UsageError
from skillforge.parts.backend import Target
from skillforge.parts.part import Part
from skillforge.probe import probe
from skillforge.registry import PartEntry, Registry
from skillforge.testing.backend import check_backend
from skillforge.testing.benchmark import check_benchmark
from skillforge.testing.grader import check_grader
from skillforge.testing.outlets import check_command, check_tracker
from skillforge.testing.prompt import check_model, check_prompt
from skillforge.testing.report import CheckResult, ContractBroken
from skillforge.testing.sandbox import check_sandbox
from skillforge.testing.voting import check_filter, check_voter
from skillforge.testing.work import check_engine, check_trainer

_CHECK_OF_KIND: Mapping[str, Callable[..., list[CheckResult]]] = {
    "benchmark": check_benchmark,
    "prompt": check_prompt,
    "model": check_model,
    "grader": check_grader,
    "backend": check_backend,
    "sandbox": check_sandbox,
    "voter": check_voter,
    "filter": check_filter,
    "trainer": check_trainer,
    "engine": check_engine,
    "tracker": check_tracker,
    "command": check_command,
}


class Surroundings(msgspec.Struct, frozen=True):
    """What the checks of installed parts may use."""

    data_dir: Path | None = None
    """Where benchmarks find their files."""

    target: Target | None = None
    """Where backends may send real requests."""

    exercise: bool = True
    """Whether trainers, engines and trackers may start work or reach servers."""


def check_part(part: Part, **settings: Any) -> list[CheckResult]:
    """Run the checks of the part's kind; `settings` are those of its `check_…`. Raises ContractBroken."""
    return _CHECK_OF_KIND[part.kind](part, **settings)


def check_package(package: str) -> list[Part]:
    """Check every part of the installed `package` (`skillforge-my-models`), each reached by its entry point; those parts.

    Raises ContractBroken for the first one that breaks its contract, BrokenPlugin for one that cannot be loaded, and
    UsageError where the package is not installed or brings no part.
    """
    registry = Registry()
    parts = [registry.get(entry.kind, entry.id) for entry in registry.entries() if entry.package == package]
    if not parts:
        raise UsageError(f"no part of the package '{package}' is installed", "install it: pip install -e FOLDER")
    for part in parts:
        check_part(part)
    return parts


def check_installed(
    registry: Registry, entries: Sequence[PartEntry], surroundings: Surroundings
) -> Iterator[tuple[PartEntry, list[CheckResult]]]:
    """Check each of `entries` in turn. One that cannot be loaded has a single failed check, and harms nothing."""
    loadable = probe(entries)
    for entry in entries:
        found = loadable[entry.kind, entry.id]
        if not found.ok:
            yield entry, [CheckResult("loads", "failed", found.cause or "", found.fix)]
            continue
        try:
            yield entry, check_part(registry.load(entry), **_settings(entry.kind, surroundings))
        except ContractBroken as broken:
            yield entry, broken.results


def _settings(kind: str, surroundings: Surroundings) -> dict[str, Any]:
    if kind == "benchmark":
        return {"data_dir": surroundings.data_dir}
    if kind == "backend":
        return {"target": surroundings.target}
    if kind in ("trainer", "engine", "tracker"):
        return {"exercise": surroundings.exercise}
    return {}
