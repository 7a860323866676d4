"""Stop strings in a text that comes in pieces: TensorRT-LLM leaves them at the end of its answers."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Cuts a text at the first stop string in it, and holds back what may yet become one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._longest = max(map(len, self._stops), default=0)
        self._held = ""
        self.text = ""
        """What was let through."""

        self.found: str | None = None

    def add(self, piece: str) -> str:
        """What of the text so far is sure to belong to it, and was not returned before."""
        if self.found is not None:
            return ""
        self._held += piece
        places = [(place, -len(stop), stop) for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            place, _, self.found = min(places)
            return self._let(place)
        return self._let(len(self._held) - self._open_end())

    def end(self) -> str:
        """What was held back at the end of a text without a stop string."""
        return "" if self.found is not None else self._let(len(self._held))

    def take_back(self, count: int) -> None:
        """Forget the last `count` characters of what was added, as far as they are held back."""
        self._held = self._held[: max(0, len(self._held) - count)]

    def _open_end(self) -> int:
        """How many characters at the end are the beginning of a stop string."""
        for count in range(min(self._longest - 1, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-count:]) for stop in self._stops):
                return count
        return 0

    def _let(self, count: int) -> str:
        safe, self._held = self._held[:count], self._held[count:]
        self.text += safe
        return safe
