"""Loads plugins in a process of its own, to tell which of them work.

Nothing that a plugin does at import (print, hang, crash, end its process) reaches the process that asks.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from skillforge.child import Child, ChildDied, ChildHung, Parent
from skillforge.errors import SkillForgeError
from skillforge.options import OptionField, describe
from skillforge.parts.backend import Backend
from skillforge.parts.model import Model
from skillforge.parts.part import Part
from skillforge.registry import PartEntry, Registry
from skillforge.text import one_line

IMPORT_LIMIT = 10.0
"""Seconds that one plugin may take."""

SLOW = 1.0
"""Seconds of import above which a plugin is called slow."""

START_LIMIT = 30.0
"""Seconds until a child process must be ready."""


class PartDescription(msgspec.Struct, frozen=True):
    """What a part says of itself."""

    summary: str
    licence: str | None
    source: str | None
    file: str | None
    """The file of the module that brings it."""

    options: list[OptionField]
    facts: dict[str, Any]
    """What only its kind has, such as a benchmark's splits."""


class ProbeResult(msgspec.Struct, frozen=True):
    """How loading one part went: `cause` and `fix` where it failed, `part` where it worked."""

    ok: bool
    cause: str | None = None
    fix: str | None = None
    seconds: float = 0.0
    part: PartDescription | None = None


def probe(entries: Sequence[PartEntry], limit: float | None = None) -> dict[tuple[str, str], ProbeResult]:
    """Load each of `entries`; the keys are (kind, id). `limit` is in seconds for each, by default IMPORT_LIMIT.

    A plugin that ends the child process or exceeds the limit is reported as broken, and a new child does the rest.
    """
    results: dict[tuple[str, str], ProbeResult] = {}
    rest = list(entries)
    while rest:
        for entry, result in _probe_until_fault(rest, IMPORT_LIMIT if limit is None else limit):
            results[entry.kind, entry.id] = result
        rest = [entry for entry in rest if (entry.kind, entry.id) not in results]
    return results


def _probe_until_fault(entries: Sequence[PartEntry], limit: float) -> Iterator[tuple[PartEntry, ProbeResult]]:
    """One child's results; the last is that of the entry which ended it, if one did."""
    child = Child("skillforge.probe")
    try:
        _await_start(child)
        for entry in entries:
            began = time.monotonic()
            child.send(msgspec.json.encode(entry))
            try:
                yield entry, msgspec.json.decode(child.receive(limit), type=ProbeResult)
            except (ChildHung, ChildDied, msgspec.MsgspecError) as fault:
                yield entry, _fatal(entry, _how_fatal(fault, limit), time.monotonic() - began)
                return
    finally:
        child.close()


def _await_start(child: Child) -> None:
    try:
        child.receive(START_LIMIT)
    except (ChildHung, ChildDied) as fault:
        how = str(fault) or f"gave no sign for {START_LIMIT:g} s"
        raise SkillForgeError(
            f"cannot start a Python process to look at the plugins (it {how})",
            "try: python -m skillforge.probe </dev/null",
        ) from None


def _how_fatal(fault: Exception, limit: float) -> str:
    if isinstance(fault, ChildHung):
        return f"did not finish within {limit:g} s"
    if isinstance(fault, ChildDied):
        return str(fault)
    return f"gave an unreadable description of its part ({one_line(str(fault))})"


def _fatal(entry: PartEntry, how: str, seconds: float) -> ProbeResult:
    what = f"the {entry.kind} '{entry.name}' of {entry.package} {entry.version} is broken"
    return ProbeResult(
        False,
        f"{what}: importing {entry.module} {how}",
        f"update it, or remove it: pip uninstall {entry.package}",
        seconds,
    )


def describe_part(part: Part, file: str | None) -> PartDescription:
    """What `part` declares, as plain JSON values."""
    return PartDescription(
        summary=part.summary,
        licence=part.licence,
        source=part.source,
        file=file,
        options=[_plain_default(field) for field in describe(part.Options)],
        facts={label: _plain(value) for label, value in _facts(part)},
    )


_FACT_FIELDS: Mapping[str, Sequence[str]] = {
    "benchmark": ("splits", "default_split", "default_prompt", "default_grader", "grader_options", "subset_fields"),
    "prompt": ("stop", "code", "loop", "examples"),
    "backend": ("default_for",),
    "model": (
        "embedded",
        "aliases",
        "default_prompt",
        "default_sampling",
        "default_backend",
        "default_backend_options",
    ),
}


def _facts(part: Part) -> Iterator[tuple[str, Any]]:
    if isinstance(part, Model):
        yield "location", _or_refusal(part.location)
    if isinstance(part, Backend):
        yield "capabilities", _or_refusal(lambda: sorted(part.capabilities(part.Options())))
    for name in _FACT_FIELDS.get(part.kind, ()):
        value = getattr(part, name, None)
        if name == "examples":
            value = len(value or ())
        if name == "loop" and not getattr(part, "code", None):
            continue
        if name == "default_sampling":
            value = {setting: getattr(value, setting) for setting in sorted(value.asked())} if value else None
        if value not in (None, (), {}, False):
            yield name, value


def _or_refusal(ask: Callable[[], Any]) -> Any:
    """A fact that takes a call: a part may need its options or the outside world for it."""
    try:
        return ask()
    except Exception as error:
        return f"(not known: {one_line(str(error))})"


def _plain_default(field: OptionField) -> OptionField:
    return msgspec.structs.replace(field, default=_plain(field.default))


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, str_keys=True, enc_hook=str)


class Stock(msgspec.Struct, frozen=True):
    """An entry as `plugins list` shows it: `cause` and `fix` say what is wrong with one that is not `ok`."""

    entry: PartEntry
    state: Literal["ok", "broken", "shadowed", "clash", "slow"]
    cause: str | None
    fix: str | None
    seconds: float
    part: PartDescription | None

    @property
    def summary(self) -> str:
        """The part's own summary, or its package's where the part cannot be asked."""
        return self.part.summary if self.part else self.entry.summary


def take_stock(entries: Sequence[PartEntry], limit: float | None = None) -> list[Stock]:
    """The state of each of `entries`, all of them loaded in another process. Clashes are looked for among them."""
    usable = [entry for entry in entries if entry.shadowed_by is None]
    results = probe(usable, limit)
    return [_stock(entry, usable, results.get((entry.kind, entry.id))) for entry in entries]


def _stock(entry: PartEntry, usable: Sequence[PartEntry], result: ProbeResult | None) -> Stock:
    if entry.shadowed_by is not None or result is None:
        cause = f"{entry.package} is also installed in {entry.shadowed_by}, and that one is used"
        return Stock(entry, "shadowed", cause, f"remove one of the two: pip uninstall {entry.package}", 0.0, None)
    if not result.ok:
        return Stock(entry, "broken", result.cause, result.fix, result.seconds, None)
    namesakes = sorted(other.id for other in usable if (other.kind, other.name) == (entry.kind, entry.name))
    if len(namesakes) > 1:
        ids = " and ".join(f"'{one}'" for one in namesakes)
        cause = f"{len(namesakes)} packages bring a {entry.kind} called '{entry.name}': {ids}"
        return Stock(entry, "clash", cause, "name the one you mean in full (package:name)", result.seconds, result.part)
    if result.seconds > SLOW:
        cause = f"importing {entry.module} takes {result.seconds:.1f} s"
        fix = "its author should import what is slow inside the functions that use it"
        return Stock(entry, "slow", cause, fix, result.seconds, result.part)
    return Stock(entry, "ok", None, None, result.seconds, result.part)


# ---------------------------------------------------------------------------------------------------------------
# The child's side: python -m skillforge.probe
# ---------------------------------------------------------------------------------------------------------------


def _child() -> None:
    parent = Parent()
    registry = Registry()
    parent.send(b"ready")
    while True:
        try:
            entry = msgspec.json.decode(parent.receive(), type=PartEntry)
        except EOFError:
            os._exit(0)  # threads and exit handlers that a plugin left behind are not waited for
        parent.send(msgspec.json.encode(_load(registry, entry)))


def _load(registry: Registry, entry: PartEntry) -> ProbeResult:
    began = time.monotonic()
    try:
        part = registry.load(entry)
        seconds = time.monotonic() - began
        return ProbeResult(True, seconds=seconds, part=describe_part(part, _module_file(entry)))
    except SkillForgeError as error:
        return ProbeResult(False, error.what, error.fix, time.monotonic() - began)
    except BaseException as error:
        how = f"or describing its part raised {type(error).__name__}: {one_line(str(error))}"
        return _fatal(entry, how, time.monotonic() - began)


def _module_file(entry: PartEntry) -> str | None:
    return getattr(sys.modules.get(entry.module), "__file__", None)


if __name__ == "__main__":
    _child()
