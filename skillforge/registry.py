"""Finds plugins and hands out parts.

Names come from package metadata alone: nothing is imported until a part is asked for, and then only the module that
brings it. A module that fails harms nobody else.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pluggy

from skillforge import hookspecs
from skillforge.errors import BrokenPlugin, SkillForgeError, UsageError
from skillforge.hookspecs import CONTRACT_VERSION, OLDEST_CONTRACT
from skillforge.kinds import KIND_OF_GROUP, KINDS, Kind
from skillforge.parts.part import Part
from skillforge.text import closest, one_line


class PartEntry(msgspec.Struct, frozen=True):
    """A part as package metadata tells of it."""

    kind: str
    name: str
    package: str
    version: str
    module: str
    summary: str
    """The package's own one-line summary."""

    shadowed_by: str | None = None
    """Folder of the installation that is used instead, where the same package is found twice."""

    @property
    def id(self) -> str:
        return f"{self.package}:{self.name}"


class Registry:
    """All installed parts. `events` is the plugin manager whose hooks tell what happens."""

    def __init__(self) -> None:
        self.events = _new_manager()
        self._parts: dict[tuple[str, str], Part] = {}

    @functools.cached_property
    def all_entries(self) -> list[PartEntry]:
        """Every entry found, shadowed ones too, in the order of kinds and names."""
        order = list(KINDS)
        return sorted(_find_entries(), key=lambda entry: (order.index(entry.kind), entry.name, entry.package))

    def entries(self, kind: str | None = None) -> list[PartEntry]:
        """The entries that can be used, of one kind or of all."""
        return [entry for entry in self.all_entries if entry.shadowed_by is None and kind in (None, entry.kind)]

    def find(self, kind: str, name: str) -> PartEntry:
        """The entry called `name`, or `package:name`. Raises UsageError where it is unknown or ambiguous."""
        entries = self.entries(kind)
        found = [entry for entry in entries if name in (entry.name, entry.id)]
        if len(found) == 1:
            return found[0]
        if found:
            ids = " and ".join(f"'{entry.id}'" for entry in found)
            raise UsageError(f"two packages bring a {kind} called '{name}': {ids}", "name the one you mean in full")
        raise UsageError(
            f"unknown {kind} '{one_line(name, 80)}'",
            closest(name, {entry.name for entry in entries}) + _how_to_list(kind),
        )

    def get(self, kind: str, name: str) -> Part:
        """The part called `name`: its module is imported, checked and asked, once."""
        entry = self.find(kind, name)
        key = (entry.kind, entry.id)
        if key not in self._parts:
            self._parts[key] = self.load(entry)
        return self._parts[key]

    def load(self, entry: PartEntry) -> Part:
        """Import the module of `entry` and ask it for its part. Raises BrokenPlugin with the cause and what to do."""
        module = _import(entry)
        _check_contract(entry, module)
        manager = _register_alone(entry, module)
        part = _ask(entry, manager)
        if not self.events.is_registered(module):
            self.events.register(module, name=entry.module)
        return part

    def all_parts(self, kind: str) -> Iterator[Part]:
        """Every part of `kind` that works; their modules are imported, broken ones are passed over."""
        for entry in self.entries(kind):
            with contextlib.suppress(BrokenPlugin):
                yield self.get(kind, entry.id)

    def model_alias(self, alias: str) -> Part | None:
        """The installed model that `alias` (a hub id) belongs to, if any."""
        return next((part for part in self.all_parts("model") if alias in getattr(part, "aliases", ())), None)


def _how_to_list(kind: str) -> str:
    return f" ('skillforge plugins list --kind {kind}' shows what is installed)"


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("skillforge")
    manager.add_hookspecs(hookspecs)
    return manager


def _find_entries() -> Iterator[PartEntry]:
    seen: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        text = distribution.read_text("entry_points.txt")
        if not text or "skillforge." not in text:
            continue
        package = distribution.name
        canonical = re.sub(r"[-_.]+", "-", package).lower()  # as installers compare names
        folder = str(distribution.locate_file(""))
        if seen.get(canonical) == folder:
            continue  # the same folder stands on the path twice
        shadowed_by = seen.get(canonical)
        seen.setdefault(canonical, folder)
        for point in distribution.entry_points:
            kind = KIND_OF_GROUP.get(point.group)
            if kind:
                summary = distribution.metadata["Summary"] or ""
                yield PartEntry(kind.name, point.name, package, distribution.version, point.value, summary, shadowed_by)


def _broken(entry: PartEntry, cause: str, fix: str) -> BrokenPlugin:
    return BrokenPlugin(f"the {entry.kind} '{entry.name}' of {entry.package} {entry.version} is broken: {cause}", fix)


def _import(entry: PartEntry) -> Any:
    module, colon, _ = entry.module.partition(":")
    if colon:
        cause = f"its entry point names an object ('{entry.module}'), not a module"
        raise _broken(entry, cause, f"its author must write '{entry.name} = \"{module}\"'")
    try:
        return importlib.import_module(entry.module)
    except ModuleNotFoundError as error:
        missing = error.name or entry.module
        if missing.partition(".")[0] == entry.module.partition(".")[0]:
            fix = f"reinstall it: pip install --force-reinstall {entry.package}"
        else:
            fix = f"install what it needs (module {missing!r}), or remove it: pip uninstall {entry.package}"
        raise _broken(entry, f"{entry.module} cannot be imported ({one_line(str(error))})", fix) from error
    except (Exception, SystemExit) as error:
        cause = f"importing {entry.module} raised {type(error).__name__}: {one_line(str(error))}"
        raise _broken(entry, cause, f"update it, or remove it: pip uninstall {entry.package}") from error


def _check_contract(entry: PartEntry, module: Any) -> None:
    version = getattr(module, "SKILLFORGE_CONTRACT", None)
    if not isinstance(version, int):
        raise _broken(
            entry,
            f"{entry.module} does not say which contract it was written for",
            f"its author must add 'SKILLFORGE_CONTRACT = {CONTRACT_VERSION}' to the module",
        )
    if version > CONTRACT_VERSION:
        cause = f"it was written for contract {version}, and this SkillForge has {CONTRACT_VERSION}"
        raise _broken(entry, cause, "update skillforge: pip install --upgrade skillforge")
    if version < OLDEST_CONTRACT:
        cause = f"it was written for contract {version}, and the oldest that works is {OLDEST_CONTRACT}"
        raise _broken(entry, cause, f"update it: pip install --upgrade {entry.package}")


def _register_alone(entry: PartEntry, module: Any) -> pluggy.PluginManager:
    """A manager that knows this module only, so that a faulty one leaves no trace in the shared one."""
    manager = _new_manager()
    try:
        manager.register(module, name=entry.module)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise _broken(entry, *_explain_hook_fault(module, error)) from error
    return manager


def _explain_hook_fault(module: Any, error: pluggy.PluginValidationError) -> tuple[str, str]:
    known = {name for name in vars(hookspecs) if name.startswith("skillforge_")}
    marked = {name for name, value in vars(module).items() if hasattr(value, "skillforge_impl")}
    for name in sorted(marked - known):
        return f"it implements an unknown hook '{name}'", closest(name, known)
    return (
        f"a hook does not fit its specification ({one_line(str(error))})",
        "see skillforge/hookspecs.py for the arguments",
    )


def _ask(entry: PartEntry, manager: pluggy.PluginManager) -> Part:
    kind: Kind = KINDS[entry.kind]
    hook = getattr(manager.hook, kind.hook)
    if not hook.get_hookimpls():
        fix = f"its author must add '@hookimpl def {kind.hook}(): …' to {entry.module}"
        raise _broken(entry, f"{entry.module} does not implement the hook {kind.hook}", fix)
    try:
        part = hook(name=entry.name)
    except SkillForgeError:
        raise
    except Exception as error:
        cause = f"{kind.hook} raised {type(error).__name__}: {one_line(str(error))}"
        raise _broken(entry, cause, f"update it, or remove it: pip uninstall {entry.package}") from error
    wanted = kind.part_class
    if not isinstance(part, wanted):
        cause = f"{kind.hook} returned {type(part).__name__}, not a {wanted.__name__}"
        raise _broken(entry, cause, f"its author must return an instance of skillforge.{wanted.__name__}")
    try:
        msgspec.json.Decoder(part.Options)
    except TypeError as error:
        cause = f"its options are declared wrongly ({one_line(str(error))})"
        raise _broken(entry, cause, "its author must correct the Options class; bounds go on the bare type") from error
    if getattr(part, "name", None) != entry.name:
        cause = f"{kind.hook} returned a part called {getattr(part, 'name', None)!r}, not '{entry.name}'"
        raise _broken(entry, cause, "the entry point and the part must have the same name")
    return part


@functools.cache
def default_registry() -> Registry:
    """The registry of this process."""
    return Registry()
