"""Named checks, their results, and the error that lists all that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import msgspec

from skillforge.errors import SkillForgeError, UsageError
from skillforge.options import parse
from skillforge.parts.part import Part, PartOptions
from skillforge.text import one_line

GivenOptions = PartOptions | Mapping[str, Any] | None
"""What a part is checked with: its options, values to make them from, or None for its defaults."""


class CheckResult(msgspec.Struct, frozen=True):
    """How one check went. `detail` is the cause of a failure, or the reason why a check was skipped."""

    name: str
    state: Literal["ok", "failed", "skipped"]
    detail: str = ""
    fix: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong as far as was looked: a skipped check is ok."""
        return self.state != "failed"

    def __str__(self) -> str:
        mark = {"ok": "✓", "failed": "✗", "skipped": "-"}[self.state]
        line = f"{mark} {self.name}" + (f": {self.detail}" if self.detail else "")
        return line if self.fix is None else f"{line}\n    → {self.fix}"


class ContractBroken(AssertionError):
    """A part does not keep the contract of its kind; `results` holds every check, failed or not."""

    def __init__(self, part: Part, results: list[CheckResult]) -> None:
        failed = [result for result in results if not result.ok]
        name = one_line(str(getattr(part, "name", "?")), 80)
        title = f"the {part.kind} '{name}' breaks its contract in {len(failed)} of {len(results)} checks:"
        super().__init__("\n  ".join([title, *(str(result).replace("\n", "\n  ") for result in failed)]))
        self.results = results


class Skip(Exception):
    """Raised inside a check: it cannot be made here, for the reason given."""


class _Failed(AssertionError):
    """An expectation that does not hold."""


def expect(holds: object, cause: str) -> None:
    """Fail the check around this call with `cause`, unless `holds`."""
    if not holds:
        raise _Failed(one_line(cause))


class Checks:
    """Collects the results of the checks of one part."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.results: list[CheckResult] = []

    @contextmanager
    def check(self, name: str, fix: str, may_refuse: bool = False) -> Iterator[None]:
        """One named check: it fails when its body raises, with the error as cause and `fix` as what to do.

        With `may_refuse` a SkillForgeError skips it: the part says properly that what it needs is not at hand.
        """
        try:
            yield
        except Skip as skip:
            self.skip(name, str(skip))
        except _Failed as failed:
            self._failed(name, str(failed), fix)
        except SkillForgeError as error:
            if may_refuse:
                self.skip(name, str(error))
            else:
                self._failed(name, str(error), fix)
        except (Exception, SystemExit) as error:
            self._failed(name, f"it raised {type(error).__name__}: {one_line(str(error))}", fix)
        else:
            self.results.append(CheckResult(name, "ok"))

    def skip(self, name: str, reason: str) -> None:
        self.results.append(CheckResult(name, "skipped", one_line(reason)))

    def finish(self) -> list[CheckResult]:
        """All results. Raises ContractBroken if a check failed."""
        if not all(result.ok for result in self.results):
            raise ContractBroken(self.part, self.results)
        return self.results

    def options(self, given: GivenOptions) -> PartOptions | None:
        """The options to check the part with: those given, or its defaults; None where it needs some and none came."""
        if isinstance(given, PartOptions):
            return given
        try:
            return parse(self.part.Options, dict(given or {}), "")
        except UsageError as error:
            if given:
                raise
            self.skip("behaves", f"the part needs options to be tried with: {error.what}")
        except Exception as error:
            self.skip("behaves", f"its options cannot be made: {one_line(str(error))}")
        return None

    def _failed(self, name: str, cause: str, fix: str) -> None:
        self.results.append(CheckResult(name, "failed", one_line(cause, 600), fix))
