"""Command-line options made from a declaration (a PartOptions class), and back to values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from skillforge.errors import UsageError
from skillforge.options import OptionField, describe
from skillforge.parts.part import PartOptions
from skillforge.text import one_line

Command = TypeVar("Command", bound=Callable[..., Any])

METAVARS = {"a number": "NUMBER", "an integer": "N", "text": "TEXT", "a list of text": "TEXT"}


def declared_options(declaration: type[PartOptions], *, leave_out: Sequence[str] = ()) -> Callable[[Command], Command]:
    """A decorator that adds one command-line option for each declared option; their values arrive as `None` where not given."""

    def decorate(command: Command) -> Command:
        own_first = sorted(describe(declaration), key=lambda field: field.name not in declaration.__annotations__)
        for field in reversed(own_first):
            if field.name not in leave_out:
                command = click.option(*_names(field), **_attributes(field))(command)
        return command

    return decorate


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the user gave on the command line."""
    return {name: value for name, value in values.items() if value not in (None, ())}


def part_options(assignments: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`-o KIND.NAME=VALUE` as kind -> name -> value; of an option that is given more than once, the list of its values."""
    found: dict[str, dict[str, Any]] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        kind, dot, option = name.partition(".")
        if not (equals and dot and kind and option):
            raise UsageError(
                f"'-o {one_line(assignment, 80)}' is not KIND.NAME=VALUE", "write it like -o backend.timeout=30"
            )
        values, name = found.setdefault(kind, {}), option.replace("-", "_")
        before = values.get(name, [])
        values[name] = [*([before] if isinstance(before, str) else before), value] if name in values else value
    return found


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Settings `base` with those in `over` set; parts' options are merged one by one."""
    options = {kind: dict(values) for kind, values in base.get("options", {}).items()}
    for kind, values in over.get("options", {}).items():
        options.setdefault(kind, {}).update(values)
    return {**base, **over, "options": options}


def read_recipe(path: Path) -> dict[str, Any]:
    """The settings in a recipe file (YAML): the options' names with underscores, and `options: {backend: {timeout: 30}}`."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror}", "check the path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise UsageError(f"{path}{line}: not valid YAML ({one_line(problem)})", "correct the file") from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise UsageError(f"{path} holds no settings", "write one 'name: value' a line")
    options = content.get("options", {})
    if not isinstance(options, dict) or not all(isinstance(values, dict) for values in options.values()):
        raise UsageError(
            f"{path}: 'options' is not a mapping of parts", "write it like 'options: {backend: {timeout: 30}}'"
        )
    return content


def _names(field: OptionField) -> list[str]:
    dashed = field.name.replace("_", "-")
    return [field.name, f"--{dashed}/--no-{dashed}" if field.is_flag else f"--{dashed}"]


def _attributes(field: OptionField) -> dict[str, Any]:
    text = field.help + (f" [{field.bounds}]" if field.bounds else "")
    if field.default not in (None, (), {}, False) and not isinstance(field.default, msgspec.Struct):
        text += f"  [default: {field.default}]"
    if field.is_flag:
        return {"help": text, "default": None}
    metavar = "|".join(field.choices) if field.choices else METAVARS.get(field.type, "VALUE")
    return {"help": text, "default": None, "multiple": field.repeatable, "metavar": metavar, "type": str}
