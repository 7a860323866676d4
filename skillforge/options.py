"""Options: read from one declaration (a PartOptions class), whoever sets them: command line, recipe or Python."""

from __future__ import annotations

import math
import os
import types
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, UNSET, Meta

from skillforge.errors import UsageError
from skillforge.parts.part import PartOptions
from skillforge.text import closest, one_line

AnyOptions = TypeVar("AnyOptions", bound=PartOptions)

_BOUNDS = {
    "ge": "≥",
    "gt": ">",
    "le": "≤",
    "lt": "<",
    "multiple_of": "multiple of",
    "min_length": "length ≥",
    "max_length": "length ≤",
}


class OptionField(msgspec.Struct, frozen=True):
    """One declared option, for help texts and tables."""

    name: str
    type: str
    default: Any
    help: str
    bounds: str
    required: bool
    repeatable: bool
    is_flag: bool
    choices: tuple[str, ...]
    operational: bool
    making: bool
    """Whether it says how samples are made for a vote."""

    names_variable: bool
    """Whether its value is the name of an environment variable that holds a secret."""

    optional: bool
    """Whether None, "off", is a value of it."""


def describe(declaration: type[PartOptions]) -> list[OptionField]:
    """The options of `declaration`, in order."""
    hints = get_type_hints(declaration, include_extras=True)
    return [_describe_field(field, hints[field.name]) for field in msgspec.structs.fields(declaration)]


def parse(declaration: type[AnyOptions], values: Mapping[str, Any], prefix: str) -> AnyOptions:
    """`values` (strings from the command line, or typed values from a recipe) as checked options.

    The text `none` turns an option off that may be off. `prefix` names the part in messages: `backend.` for
    `backend.timeout`, `--` for the command's own. Raises UsageError for an unknown name, with the closest known one, and
    for a bad value, with what is allowed.
    """
    known = {field.name: field for field in describe(declaration)}
    for name in values:
        if name not in known:
            raise UsageError(f"unknown option '{_label(prefix, name)}'", _suggest(name, known, prefix))
    typed = {name: _convert(value, known[name], declaration, prefix) for name, value in values.items()}
    missing = [name for name, field in known.items() if field.required and name not in typed]
    if missing:
        raise UsageError(f"option '{_label(prefix, missing[0])}' is required", known[missing[0]].help)
    return declaration(**typed)


def assigned(assignments: Sequence[str], option: str, example: str) -> dict[str, str]:
    """`NAME=VALUE` texts, the values of a repeatable option, as names and values for `parse`. Raises UsageError."""
    values = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (name and equals):
            raise UsageError(
                f"'{one_line(assignment, 80)}' in {option} is not NAME=VALUE", f"write it like -o {option}={example}"
            )
        values[name.replace("-", "_")] = value
    return values


def refuse_useless(options: PartOptions, names: Collection[str], prefix: str, where: str) -> None:
    """Raises UsageError for an option among `names` that is not its default: a part has no use for them `where`, such as
    "for a server that runs already". `prefix` is that of `parse`."""
    for field in describe(type(options)):
        if field.name in names and getattr(options, field.name) != field.default:
            raise UsageError(f"the option '{_label(prefix, field.name)}' has no meaning {where}", "leave it out")


def identity(options: PartOptions) -> dict[str, Any]:
    """The options that decide results, as plain data: all but the operational ones."""
    return {
        field.name: msgspec.to_builtins(getattr(options, field.name))
        for field in describe(type(options))
        if not field.operational
    }


def refuse_unset_variables(options: PartOptions, prefix: str) -> None:
    """Raises UsageError where an option names another environment variable than its default, and there is none.

    The name is not repeated: it may be the secret itself.
    """
    for field in describe(type(options)):
        name = getattr(options, field.name) if field.names_variable else None
        if name and name != field.default and not os.environ.get(name, "").strip():
            raise UsageError(
                f"the option '{_label(prefix, field.name)}' names no environment variable that is set",
                "put the key into a variable of this shell, and give the variable's name",
            )


def _suggest(name: str, known: Mapping[str, OptionField], prefix: str) -> str:
    return closest(name, known) if known else f"this {prefix.rstrip('.')} takes no options"


def _label(prefix: str, name: str) -> str:
    return prefix + (name.replace("_", "-") if prefix == "--" else name)


def _convert(value: Any, field: OptionField, declaration: type[PartOptions], prefix: str) -> Any:
    hint = get_type_hints(declaration, include_extras=True)[field.name]
    if field.optional and isinstance(value, str) and value.lower() in ("none", "null"):
        return None
    if field.repeatable and isinstance(value, str):
        value = [value]
    try:
        converted = msgspec.convert(value, hint, strict=False)
        if isinstance(converted, float) and not math.isfinite(converted):
            raise msgspec.ValidationError("Expected a finite number")
        msgspec.json.encode(converted)
        return converted
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise UsageError(
            f"bad value {one_line(str(value), 80)!r} for option '{_label(prefix, field.name)}'",
            f"it must be {field.type}{', ' + field.bounds if field.bounds else ''} ({one_line(str(error))})",
        ) from None


def _describe_field(field: msgspec.structs.FieldInfo, hint: Any) -> OptionField:
    metas, core = _unwrap(hint)
    origin = get_origin(core)
    choices = _choices(core)
    return OptionField(
        name=field.name,
        type=_type_name(core, choices),
        default=None if field.default is NODEFAULT and field.default_factory is NODEFAULT else _default(field),
        help=next((meta.description for meta in metas if meta.description), ""),
        bounds=", ".join(filter(None, (_bounds(meta) for meta in metas))),
        required=field.required,
        repeatable=origin in (tuple, list),
        is_flag=core is bool,
        choices=choices,
        optional=_allows_none(hint),
        operational=_marked("operational", metas),
        making=_marked("making", metas),
        names_variable=_marked("names_variable", metas),
    )


def _marked(mark: str, metas: Sequence[Meta]) -> bool:
    """Whether an option's `Meta(extra=...)` holds `mark`."""
    return any((meta.extra or {}).get(mark) for meta in metas)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not NODEFAULT else field.default_factory()


def _unwrap(hint: Any) -> tuple[list[Meta], Any]:
    """All Meta around and inside an optional type, and the bare type."""
    metas: list[Meta] = []
    while True:
        if get_origin(hint) is Annotated:
            metas += [meta for meta in hint.__metadata__ if isinstance(meta, Meta)]
            hint = hint.__origin__
        elif get_origin(hint) in (Union, types.UnionType) and len(inner := _without_none(hint)) == 1:
            hint = inner[0]
        else:
            return metas, hint


def _allows_none(hint: Any) -> bool:
    bare = hint.__origin__ if get_origin(hint) is Annotated else hint
    return type(None) in get_args(bare)


def _without_none(hint: Any) -> list[Any]:
    return [arg for arg in get_args(hint) if arg is not type(None)]


def _choices(core: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in get_args(core)) if get_origin(core) is Literal else ()


def _type_name(core: Any, choices: tuple[str, ...]) -> str:
    if choices:
        return "one of " + ", ".join(choices)
    names = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
    if get_origin(core) in (tuple, list):
        inner = _unwrap(get_args(core)[0])[1]
        return f"a list of {_type_name(inner, _choices(inner)).removeprefix('one of ')}"
    return names.get(core, getattr(core, "__name__", str(core)))


def _bounds(meta: Meta) -> str:
    found = {name: getattr(meta, name, None) for name in _BOUNDS}
    return ", ".join(f"{_BOUNDS[name]} {bound}" for name, bound in found.items() if bound not in (None, UNSET))
