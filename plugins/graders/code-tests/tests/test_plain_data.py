from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillforge_code_tests_grader.inside.plain_data import NotPlainError, decode, encode

TYPES = {
    type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range, deque, Counter,
    OrderedDict, defaultdict, Fraction, Decimal, type(_ for _ in ()),
}  # fmt: skip
TAGS = [
    "int",
    "str",
    "tuple",
    "set",
    "dict",
    "bytes",
    "complex",
    "range",
    "Fraction",
    "Decimal",
    "Counter",
    "iterator",
    "x",
]

text = st.text(st.characters())  # lone surrogates too
hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text | st.binary(),
    lambda inner: st.lists(inner).map(tuple),
)
values = st.recursive(
    hashable | st.complex_numbers() | st.frozensets(hashable) | st.sets(hashable) | st.fractions(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(hashable, inner),
)
forged = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(TAGS), inner, max_size=2),
)


@settings(deadline=None, max_examples=60)
@given(values)
def test_values_come_out_as_they_went_in(value: Any) -> None:
    assert repr(shape(decode(encode(value)))) == repr(shape(value))


@settings(deadline=None)
@given(forged)
def test_whatever_is_forged_gives_plain_data_or_a_value_error(value: Any) -> None:
    try:
        decoded = decode(json.dumps(value))
    except ValueError:
        return
    assert all(type(part) in TYPES for part in parts(decoded))


@pytest.mark.parametrize(
    "forged", ["", "{", "x", '{"int": 5}', '{"set": [[]]}', '{"dict": [[{"set": []}, 1]]}', "[" * 10**5, "9" * 10_000, "{}"]
)  # fmt: skip
def test_nonsense_is_a_value_error(forged: str) -> None:
    with pytest.raises(ValueError):
        decode(forged)


class Int(int):
    pass


@pytest.mark.parametrize(
    "value", [object(), Int(1), len, int, ..., [Int(1)], {"a": {1: [Int(1)]}}, lambda: 1, slice(1)]
)
def test_other_types_do_not_cross(value: object) -> None:
    with pytest.raises(NotPlainError, match="an object of the type"):
        encode(value)


def test_sizes_are_bounded() -> None:
    nested: list[Any] = []
    for _ in range(200):
        nested = [nested]
    doubled: list[Any] = []
    for _ in range(60):
        doubled = [doubled, doubled]
    for value in (nested, doubled, "x" * 10**7):
        with pytest.raises(NotPlainError):
            encode(value)


def shape(value: Any) -> Any:
    """`value` with its types; sets in some order."""
    if isinstance(value, set | frozenset):
        return type(value), sorted(repr(shape(item)) for item in value)
    if isinstance(value, dict):
        return dict, [(shape(key), shape(item)) for key, item in value.items()]
    return (type(value), [shape(item) for item in value]) if isinstance(value, list | tuple) else (type(value), value)


def parts(value: Any) -> list[Any]:
    inner = [*value.keys(), *value.values()] if isinstance(value, dict) else value
    if isinstance(inner, list | tuple | set | frozenset):
        return [value, *(part for item in inner for part in parts(item))]
    return [value]
