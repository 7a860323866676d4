"""Lenient: JSON of servers, of which a field that nobody depends on may be of any type."""

from __future__ import annotations

import functools
import json
from collections.abc import Container, Iterator
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

from skillforge import RequestFailed
from skillforge.parts.backend import MOST_TOKENS
from skillforge.text import one_line

_T = TypeVar("_T")

Tokens = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]
"""A number of tokens. What is none is not told."""


def read_json(body: bytes, decoder: msgspec.json.Decoder[_T], decides: Container[str] | None = None) -> _T:
    """What `decoder` makes of `body`, mended where it holds what JSON does not allow.

    Fields of another type than theirs are left out, but those that `decides` names; None: no field is left out.
    Raises RequestFailed.
    """
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:
        cause: Exception = error
    try:
        value = json.loads(body, parse_constant=lambda _: None)  # NaN and Infinity, as Python's json module writes them
        if decides is not None:
            value = _fitting(value, decoder.type, decides)
        return decoder.decode(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))  # no half characters
    except (ValueError, RecursionError):
        form = "JSON of an unknown form" if isinstance(cause, msgspec.ValidationError) else "malformed JSON"
        raise RequestFailed(f"the server answered {form} ({one_line(str(cause))})") from cause


def _fitting(value: Any, kind: Any, decides: Container[str]) -> Any:
    """`value` without the fields that do not fit into `kind`, at any depth."""
    for one in _members(kind):
        if isinstance(value, dict) and isinstance(one, type) and issubclass(one, msgspec.Struct):
            return dict(_fitting_fields(value, one, decides))
        if isinstance(value, list) and get_origin(one) is list:
            return [_fitting(each, get_args(one)[0], decides) for each in value]
    return value


def _fitting_fields(
    value: dict[str, Any], kind: type[msgspec.Struct], decides: Container[str]
) -> Iterator[tuple[str, Any]]:
    for field in _fields(kind):
        name = field.encode_name
        if name in value:
            fitting = _fitting(value[name], field.type, decides)
            if field.required or name in decides or _fits(fitting, field.type):
                yield name, fitting


_fields = functools.cache(msgspec.structs.fields)


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


def _members(kind: Any) -> tuple[Any, ...]:
    """The types that `kind` is a union of, or itself alone."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
