"""In the session of the code: runs the program that was chosen, and calls its function with what the tests pass."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from skillforge_code_tests_grader.inside.choosing import chosen_program
from skillforge_code_tests_grader.inside.handing_over import Shown, hand_over
from skillforge_code_tests_grader.inside.plain_data import (
    FAILED,
    LONGEST_MESSAGE,
    RAISED,
    RETURNED,
    NotPlainError,
    decode,
    encode,
)

_function: Callable[..., Any]


def start(entry_point: str) -> None:
    """Run the program, as a module that somebody imports; keep its function `entry_point`."""
    global _function
    preamble, code = chosen_program()
    random.seed(0)
    module = sys.modules["solution"] = ModuleType("solution")
    for definitions in preamble:
        with suppress(Exception):
            exec(definitions, vars(module))
    exec(code, vars(module))
    _function = getattr(module, entry_point)


def call(request: str) -> Shown:
    """Call the function with the arguments in `request`. Hands over what came of it, and the arguments if they changed."""
    arguments, keywords = decode(request)
    try:
        kind, outcome = RETURNED, encode(_function(*arguments, **keywords))
    except NotPlainError as error:
        return hand_over(f"{FAILED}it returned {error}")
    except Exception as error:
        kind, outcome = RAISED, encode(_plain(error))
    try:
        changed = encode([arguments, keywords])
    except NotPlainError as error:
        return hand_over(f"{FAILED}it put {error} into an argument")
    reply = f"{kind}[{outcome},{'null' if changed == request else changed}]"
    return hand_over(reply if len(reply) <= LONGEST_MESSAGE else f"{FAILED}it returned more data than may cross")


def _plain(error: Exception) -> list[Any]:
    """The names of the error's built-in classes, the nearest first, and its arguments."""
    name = next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins")
    try:
        encode(error.args)
    except NotPlainError:
        return [name, (str(error),)]
    return [name, error.args]
