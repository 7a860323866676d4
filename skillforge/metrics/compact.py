"""Strings in little memory: a run of 100,000 problems must not cost a Python object per id and answer."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable


class Names:
    """Numbers distinct strings 0, 1, 2, … in the order they first come; gives a number's string back.

    A hash table over flat arrays (open addressing, linear probing): about 30 bytes a string besides its UTF-8 text,
    where a dict of str to int takes about 130. Lone surrogates, as hostile text has them, are kept.
    """

    def __init__(self) -> None:
        self._text = bytearray()
        self._ends = array("q")
        self._hashes = array("q")
        self._table = array("i", [-1]) * 8

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, number: int) -> str:
        return self._bytes(number).decode("utf-8", "surrogatepass")

    def number(self, text: str) -> int:
        """The number of `text`: a new one if it has not come before."""
        code, raw = hash(text), text.encode("utf-8", "surrogatepass")
        place = self._place(code)
        while (known := self._table[place]) >= 0:
            if self._hashes[known] == code and self._bytes(known) == raw:
                return known
            place = (place + 1) % len(self._table)
        number = len(self._ends)
        self._table[place] = number
        self._text += raw
        self._ends.append(len(self._text))
        self._hashes.append(code)
        if len(self._ends) * 3 > len(self._table) * 2:
            self._grow()
        return number

    def _place(self, code: int) -> int:
        return code % len(self._table)

    def _bytes(self, number: int) -> bytes:
        return bytes(self._text[self._ends[number - 1] if number else 0 : self._ends[number]])

    def _grow(self) -> None:
        self._table = array("i", [-1]) * (2 * len(self._table))
        for number, code in enumerate(self._hashes):
            place = self._place(code)
            while self._table[place] >= 0:
                place = (place + 1) % len(self._table)
            self._table[place] = number


class FewNames:
    """Counts names from outside that should be few. The first `MOST` in alphabetical order are kept, whatever the order in
    which they come; all others are counted together.
    """

    MOST = 100
    LONGEST = 100
    OTHER = "other"

    def __init__(self, longest: int = LONGEST, kind: Callable[[str], str] = str) -> None:
        """Of a name, `longest` characters tell. Those of the same `kind` count as the first of them in alphabetical order."""
        self._longest = longest
        self._kind = kind
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._others = 0

    def add(self, name: str) -> None:
        """Count `name`."""
        name = name[: self._longest]
        kind = self._kind(name)
        self._names[kind] = min(name, self._names.get(kind, name))
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if len(self._counts) > self.MOST:
            last = max(self._counts)
            self._others += self._counts.pop(last)
            del self._names[last]

    def counts(self) -> dict[str, int]:
        """Name -> times it came, the most frequent first."""
        found = Counter({self._names[kind]: count for kind, count in self._counts.items()})
        found[self.OTHER] += self._others
        return {name: count for name, count in sorted(found.items(), key=lambda item: (-item[1], item[0])) if count}
