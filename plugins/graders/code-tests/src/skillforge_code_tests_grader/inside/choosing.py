"""Which of the texts that a model wrote is the program. Looks at code, and runs none."""

from __future__ import annotations

import ast
import dis
import json
import textwrap
import warnings
from collections.abc import Iterator
from itertools import takewhile
from types import CodeType

from skillforge_code_tests_grader.inside.handing_over import Shown, hand_over

_DEFINITIONS = (
    ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign,
)  # fmt: skip
_STORES = ("STORE_NAME", "STORE_GLOBAL")
_ENDS = ("return", "yield", "raise")


Program = tuple[list[CodeType], CodeType]
"""What is to be run, in one namespace: definitions that the code may use or replace, of which some may fail, and the code."""

_chosen: Program | None = None


def choose(texts: list[str], prompt: str, entry_point: str) -> Shown:
    """Choose the last of `texts` that is a program; with an `entry_point`, the last that defines it.

    A text may also continue `prompt`, with the body of its last function. Hands over the number of the text, or None and why
    the last one is no such program.
    """
    global _chosen
    warnings.simplefilter("ignore")
    for number in reversed(range(len(texts))):
        code = _compiled(texts[number])
        if code is not None and (not entry_point or _defines(code, entry_point)):
            before = [prompt, f"{prompt}\n    pass", *texts[:number]] if entry_point else []
            _chosen = [definitions for text in before if (definitions := _definitions(text))], code
            return hand_over(json.dumps([number, ""]))
    for number in reversed(range(len(texts))):
        for text in _continuations(texts[number]) if prompt else ():
            if (code := _compiled(f"{prompt.rstrip()}\n{text}")) is not None:
                _chosen = [], code
                return hand_over(json.dumps([number, ""]))
    return hand_over(json.dumps([None, _fault(texts[-1], entry_point)]))


def chosen_program() -> Program:
    """What `choose` chose, which must be something."""
    assert _chosen is not None
    return _chosen


def _compiled(text: str) -> CodeType | None:
    try:
        return compile(text, "<solution>", "exec", dont_inherit=True) if text.strip() else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _defines(code: CodeType, name: str) -> bool:
    return any(step.argval == name and step.opname in _STORES for step in dis.get_instructions(code))


def _definitions(text: str) -> CodeType | None:
    """`text` without what it does besides defining."""
    if _compiled(text) is None:
        return None
    tree = ast.parse(text)
    tree.body = [statement for statement in tree.body if isinstance(statement, _DEFINITIONS)]
    return compile(tree, "<solution>", "exec", dont_inherit=True)


def _continuations(text: str) -> Iterator[str]:
    """`text` as the body of a function: as it is, its first or each line indented, and up to where the indentation ends."""
    led = f"    {text.lstrip()}"
    bodies = [text, led, textwrap.indent(text, "    "), _indented_part(text), _indented_part(led)]
    return (body for body in bodies if any(word in body for word in _ENDS))


def _indented_part(text: str) -> str:
    return "".join(takewhile(lambda line: line[0].isspace(), text.splitlines(keepends=True)))


def _fault(text: str, entry_point: str) -> str:
    try:
        compile(text, "<solution>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error)
    return f"it does not define {entry_point}" if text.strip() else "it is empty"
