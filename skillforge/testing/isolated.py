"""Calls to a part in a process of its own, each with a time limit: for text that may make it hang or crash."""

from __future__ import annotations

import os
import pickle
from typing import Any

from skillforge.child import Child, ChildDied, ChildHung, Parent

START_LIMIT = 120.0
"""Seconds until the part is unpickled; that may import what it needs."""


class Unpicklable(Exception):
    """The part cannot be sent to another process."""


class CallFailed(Exception):
    """The call raised, hung, or ended its process; the message says which."""


class Isolated:
    """`target` in another process. A call that hangs or crashes ends that process; the next call starts a new one."""

    def __init__(self, target: object, limit: float) -> None:
        try:
            self._target = pickle.dumps(target)
        except Exception as error:
            raise Unpicklable(f"{type(error).__name__}: {error}") from None
        self._limit = limit
        self._child: Child | None = None

    def __enter__(self) -> Isolated:
        return self

    def __exit__(self, *fault: object) -> None:
        if self._child is not None:
            self._child.close()

    def start(self) -> None:
        """Start the process, if there is none. Raises Unpicklable if the target cannot be made there."""
        if self._child is None:
            self._child = Child("skillforge.testing.isolated")
            self._child.send(self._target)
            kind, value = self._receive(START_LIMIT)
            if kind == "raised":
                raise Unpicklable(value)

    def call(self, method: str, *arguments: object) -> Any:
        """The result of `target.method(*arguments)`. Raises CallFailed."""
        self.start()
        assert self._child is not None
        self._child.send(pickle.dumps((method, arguments)))
        kind, value = self._receive(self._limit)
        if kind == "raised":
            raise CallFailed(f"raised {value}")
        return value

    def _receive(self, limit: float) -> tuple[str, Any]:
        assert self._child is not None
        try:
            answer: tuple[str, Any] = pickle.loads(self._child.receive(limit))
            return answer
        except ChildHung:
            cause = f"did not end within {limit:g} s"
        except ChildDied as death:
            cause = str(death)
        self._child.close()
        self._child = None
        raise CallFailed(cause)


def _child() -> None:
    parent = Parent()
    try:
        target = pickle.loads(parent.receive())
        parent.send(pickle.dumps(("returned", None)))
    except BaseException as error:
        parent.send(pickle.dumps(("raised", f"{type(error).__name__}: {error}")))
        os._exit(1)
    while True:
        try:
            method, arguments = pickle.loads(parent.receive())
        except EOFError:
            os._exit(0)
        try:
            answer = pickle.dumps(("returned", getattr(target, method)(*arguments)))
        except BaseException as error:
            answer = pickle.dumps(("raised", f"{type(error).__name__}: {error}"))
        parent.send(answer)


if __name__ == "__main__":
    _child()
