"""In the session of the tests, where no code under test ever runs: the tests call a stub that asks the grading process.

A cell cannot wait for an answer from outside. So the tests run in a thread of their own, and a cell lasts from one call of the
stub to the next: it hands the call over, and the cell that follows brings the reply.
"""

from __future__ import annotations

import builtins
import json
import random
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from types import CodeType
from typing import Any, Generic, NoReturn, TypeVar

from skillforge_code_tests_grader.inside.handing_over import Shown, hand_over
from skillforge_code_tests_grader.inside.plain_data import RAISED, RETURNED, NotPlainError, decode, encode

Letter = TypeVar("Letter")

_CODE = "<code of the tests>"


class _Mailbox(Generic[Letter]):
    """From one thread to the other. (Not a queue: to import that takes longer than a test.)"""

    def __init__(self) -> None:
        self._full = threading.Semaphore(0)

    def put(self, letter: Letter) -> None:
        self._letter = letter
        self._full.release()

    def get(self) -> Letter:
        self._full.acquire()
        return self._letter


_calls: _Mailbox[str | None] = _Mailbox()
"""What the stub asks; None when the tests have ended."""

_replies: _Mailbox[str] = _Mailbox()
_results: list[tuple[int, str, str, int]] = []
"""Number of a test (0: what precedes them), how it went (`passed`, `failed` or `unsupported`), why, and the line of the tests'
code, where it is known; of tests not yet told of."""


class _Abandoned(BaseException):
    """No test can go on: the code under test has failed for good, or cannot be called in this way."""


class _Stub:
    """Stands for the function under test."""

    def __init__(self) -> None:
        self.fault: tuple[str, str] | None = None
        self._one_at_a_time = threading.Lock()

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        with self._one_at_a_time:
            if self.fault is not None:
                raise _Abandoned
            try:
                _calls.put(encode([arguments, keywords]))
            except NotPlainError as error:
                self._abandon("unsupported", f"the tests pass {error}")
            reply = _replies.get()
            if reply[:1] not in (RETURNED, RAISED):
                self._abandon("failed", reply[1:])
            try:
                outcome, changed = decode(reply[1:])
                if changed is not None:
                    _change(arguments, keywords, *changed)
                if reply[0] == RETURNED:
                    return outcome
                raised = _error(*outcome)
            except (ValueError, TypeError, LookupError):
                self._abandon("failed", "its reply is no plain data")
        raise raised

    def _abandon(self, how: str, why: str) -> NoReturn:
        self.fault = how, why
        raise _Abandoned


def begin(prompt: str, entry_point: str, code: str, tests: list[str]) -> Shown:
    """Start the tests. Hands over what `proceed` does."""
    warnings.simplefilter("ignore")
    random.seed(0)
    threading.Thread(target=_run, args=(prompt, entry_point, code, tests), daemon=True).start()
    return _next()


def proceed(reply: str) -> Shown:
    """Bring the reply to the call. Hands over the results since, and the next call, or None at the end."""
    _replies.put(reply)
    return _next()


def _next() -> Shown:
    call = _calls.get()
    results, _results[:] = _results[:], []
    return hand_over(json.dumps([results, call]))


def _run(prompt: str, entry_point: str, code: str, tests: Sequence[str]) -> None:
    stub = _Stub()
    names: dict[str, Any] = {"__name__": "tests"}
    ours = {entry_point: stub, "candidate": stub}

    def passes(number: int, text: str) -> bool:
        how, why, line = "passed", "", 0
        names.update(ours)
        try:
            exec(compile(text, _CODE if number == 0 else "<test>", "exec", dont_inherit=True), names)
        except BaseException as error:
            how, why, line = "failed", type(error).__name__, _line(error)
        if stub.fault is not None:
            how, why = stub.fault
        _results.append((number, how, why, line))
        return how == "passed"

    with suppress(Exception):
        exec(_helpers(prompt), names)
    if passes(0, code):
        for number, test in enumerate(tests, 1):
            if not passes(number, test) and stub.fault is not None:
                break
    _calls.put(None)


def _helpers(prompt: str) -> CodeType:
    """`prompt` with what it defines for its function, and so for the tests; the body of the function may be missing."""
    try:
        return compile(prompt, "<prompt>", "exec", dont_inherit=True)
    except SyntaxError:
        return compile(f"{prompt}\n    pass", "<prompt>", "exec", dont_inherit=True)


def _line(error: BaseException) -> int:
    """The line of the tests' code that failed; 0 where it is none of it."""
    if isinstance(error, SyntaxError) and error.filename == _CODE:
        return error.lineno or 0
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == _CODE]
    return lines[-1] if lines else 0


def _change(arguments: Any, keywords: Any, new_arguments: Any, new_keywords: Any) -> None:
    """Let the arguments look as they did after the call. What is inside them is replaced, not changed."""
    pairs = [*zip(arguments, new_arguments, strict=True), *((keywords[name], new_keywords[name]) for name in keywords)]
    for old, new in pairs:
        if type(old) is not type(new):
            continue
        if isinstance(old, list | bytearray):
            old[:] = new
        elif isinstance(old, dict | set):
            old.clear()
            old.update(new)
        elif isinstance(old, deque):
            old.clear()
            old.extend(new)


def _error(name: str, arguments: tuple[Any, ...]) -> Exception:
    """The built-in exception `name`."""
    kind = getattr(builtins, name)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        raise ValueError(name)
    with suppress(Exception):
        return kind(*arguments)
    with suppress(Exception):
        return kind()
    return Exception(*arguments)
