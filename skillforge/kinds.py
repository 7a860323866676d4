"""The kinds of part: for each, its entry-point group, its hook and its class."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from skillforge.parts.part import Part


class Kind(NamedTuple):
    """One kind of part. The class is named, not imported, so that listing kinds stays cheap."""

    name: str
    group: str
    hook: str
    class_path: str

    @property
    def part_class(self) -> type[Part]:
        module, _, name = self.class_path.partition(":")
        found: type[Part] = getattr(import_module(module), name)
        return found


def _kind(name: str, plural: str, class_name: str) -> Kind:
    return Kind(name, f"skillforge.{plural}", f"skillforge_{name}", f"skillforge.parts.{name}:{class_name}")


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind("benchmark", "benchmarks", "Benchmark"),
        _kind("prompt", "prompts", "PromptStyle"),
        _kind("model", "models", "Model"),
        _kind("grader", "graders", "Grader"),
        _kind("backend", "backends", "Backend"),
        _kind("sandbox", "sandboxes", "Sandbox"),
        _kind("voter", "voters", "Voter"),
        _kind("filter", "filters", "Filter"),
        _kind("trainer", "trainers", "Trainer"),
        _kind("engine", "engines", "Engine"),
        _kind("tracker", "trackers", "Tracker"),
        _kind("command", "commands", "CommandPart"),
    )
}
"""Kind name -> Kind, in the order of the pipeline."""

KIND_OF_GROUP: dict[str, Kind] = {kind.group: kind for kind in KINDS.values()}
