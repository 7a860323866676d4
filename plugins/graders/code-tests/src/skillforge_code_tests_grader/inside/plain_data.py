"""Plain data as text: values of exact types, and nothing else, cross between the code and its tests.

`decode` is what protects: whatever text it is given, it builds values of these types or raises ValueError. `encode` runs
beside the code under test, which can make it say anything; that is a wrong answer then, and no more.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

LONGEST_MESSAGE = 4 * 2**20
"""Characters of the longest text that crosses."""

RETURNED, RAISED, FAILED = "=", "!", "?"
"""How a reply to a call begins: what was returned, what was raised, or in plain words why there is neither."""

_DEEPEST = 100
_MOST_ITEMS = 10_000
"""Items that are taken from an iterator, which may have no end."""

_MOST_PARTS = 1_000_000
_NATIVE_INT = 2**63

_ITERATORS = frozenset(map(type, (
    (_ for _ in ()), iter([]), iter(()), iter(""), iter({}), iter(set()), iter(range(0)), iter({}.values()), iter({}.items()),
    reversed([]), map(len, ()), filter(None, ()), zip(), enumerate(()), islice((), 0), {}.keys(), {}.values(), {}.items(),
)))  # fmt: skip


class NotPlainError(Exception):
    """The value is not plain data; the message says what it is instead."""


def encode(value: Any) -> str:
    """`value` as one line of ASCII. Raises NotPlainError; and what an iterator in it raises."""
    text = json.dumps(_Encoder().encode(value, 0), separators=(",", ":"))
    if len(text) > LONGEST_MESSAGE:
        raise NotPlainError("more data than may cross")
    return text


def decode(text: str) -> Any:
    """The value that `encode` made `text` of. Raises ValueError on any other text."""
    try:
        return _decoded(json.loads(text))
    except (TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(str(error)) from None


class _Encoder:
    """Counts the parts of a value: one that holds itself has no end of them."""

    def __init__(self) -> None:
        self._parts = 0

    def encode(self, value: Any, depth: int) -> Any:
        kind = type(value)
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise NotPlainError("more data than may cross")
        if depth > _DEEPEST:
            raise NotPlainError(f"data nested over {_DEEPEST} deep")
        if value is None or kind is bool or kind is float:
            return value
        if kind is int:
            return value if -_NATIVE_INT < value < _NATIVE_INT else {"int": hex(value)}
        if kind is str:
            return value if _is_unicode(value) else {"str": value.encode("utf-8", "surrogatepass").hex()}
        if kind is list:
            return [self.encode(item, depth + 1) for item in value]
        if kind in _SEQUENCES:
            return {kind.__name__: [self.encode(item, depth + 1) for item in value]}
        if kind in _MAPPINGS:
            pairs = ((self.encode(key, depth + 1), self.encode(item, depth + 1)) for key, item in dict.items(value))
            return {kind.__name__: list(pairs)}
        if kind in _SCALARS:
            return {kind.__name__: _SCALARS[kind](value)}
        if kind in _ITERATORS:
            iterator = iter(value)
            items = [self.encode(item, depth + 1) for item in islice(iterator, _MOST_ITEMS)]
            return {"iterator": [items, len(items) < _MOST_ITEMS]}
        if kind.__module__ == "numpy" and hasattr(kind, "item") and getattr(value, "shape", None) == ():
            return self.encode(value.item(), depth + 1)
        raise NotPlainError(f"an object of the type {kind.__name__}"[:100])


_SEQUENCES = frozenset((tuple, set, frozenset, deque))
_MAPPINGS = frozenset((dict, OrderedDict, defaultdict, Counter))
_SCALARS: dict[type, Callable[[Any], Any]] = {
    bytes: bytes.hex,
    bytearray: bytearray.hex,
    complex: lambda value: [value.real, value.imag],
    range: lambda value: [hex(value.start), hex(value.stop), hex(value.step)],
    Fraction: lambda value: [hex(value.numerator), hex(value.denominator)],
    Decimal: str,
}


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decoded(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return [_decoded(item) for item in value]
    if kind is not dict:
        return value
    [(tag, content)] = value.items()
    return _BUILD[tag](content) if tag in _BUILD else _unknown(tag)


def _unknown(tag: str) -> Any:
    raise ValueError(f"unknown tag {tag!r:.50}")


def _items(content: Any) -> list[Any]:
    if type(content) is not list:
        raise ValueError("a list is missing")
    return [_decoded(item) for item in content]


def _pairs(content: Any) -> list[tuple[Any, Any]]:
    pairs = _items(content)
    if any(type(pair) is not list or len(pair) != 2 for pair in pairs):
        raise ValueError("a pair is missing")
    return [(key, item) for key, item in pairs]


def _text(content: Any) -> str:
    if type(content) is not str:
        raise ValueError("a text is missing")
    return content


def _number(content: Any) -> int:
    return int(_text(content), 16)


def _numbers(content: Any) -> list[int]:
    return [_number(item) for item in _items(content)]


def _complex(content: Any) -> complex:
    real, imaginary = _items(content)
    if type(real) is not float or type(imaginary) is not float:
        raise ValueError("a float is missing")
    return complex(real, imaginary)


def _iterator(content: Any) -> Iterator[Any]:
    items, ended = _items(content)
    if type(items) is not list or type(ended) is not bool:
        raise ValueError("the items are missing")
    return _replay(items, ended)


def _replay(items: list[Any], ended: bool) -> Iterator[Any]:
    yield from items
    if not ended:
        raise RuntimeError(f"only {_MOST_ITEMS} items of an iterator cross")


_BUILD: dict[str, Callable[[Any], Any]] = {
    "int": _number,
    "str": lambda content: bytes.fromhex(content).decode("utf-8", "surrogatepass"),
    "tuple": lambda content: tuple(_items(content)),
    "set": lambda content: set(_items(content)),
    "frozenset": lambda content: frozenset(_items(content)),
    "deque": lambda content: deque(_items(content)),
    "dict": lambda content: dict(_pairs(content)),
    "OrderedDict": lambda content: OrderedDict(_pairs(content)),
    "defaultdict": lambda content: defaultdict(None, _pairs(content)),
    "Counter": lambda content: Counter(dict(_pairs(content))),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": _complex,
    "range": lambda content: range(*_numbers(content)),
    "Fraction": lambda content: Fraction(*_numbers(content)),
    "Decimal": lambda content: Decimal(_text(content)),
    "iterator": _iterator,
}
