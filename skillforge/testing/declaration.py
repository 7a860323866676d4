"""What every part must declare, whatever its kind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import lru_cache
from typing import Any, get_type_hints

import msgspec

from skillforge.kinds import KINDS
from skillforge.options import OptionField, describe
from skillforge.parts.part import Part, PartOptions
from skillforge.registry import Registry
from skillforge.testing.report import Checks, GivenOptions, Skip, expect
from skillforge.text import one_line

HEAVY_MODULES = ("torch", "transformers", "vllm", "datasets", "sympy", "numpy", "pandas", "aiohttp")
"""What importing a plugin must not import."""

PART_NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
"""Lower-case words and numbers joined by `-`; a version may have a dot (`qwen-2.5`)."""

_SUMMARY_LENGTH = 100
_IMPORT_SECONDS = 1.0
_CREATION_SECONDS = 0.25


def begin(part: Part, given: GivenOptions, *, exercise: bool = True) -> tuple[Checks, PartOptions | None]:
    """Check the declaration of `part`, and tell with which options to go on.

    They are None where that is all: without `exercise`, or where the part needs options and none were given.
    """
    checks = Checks(part)
    check_declaration(checks)
    if not exercise:
        checks.skip("behaves", "it acts outside this process; name the package to have it tried")
        return checks, None
    return checks, checks.options(given)


def check_declaration(checks: Checks) -> None:
    """The checks that all kinds share: names, summary, options, and what importing the module costs."""
    part = checks.part
    with checks.check("name", "name it with lower-case words joined by '-', such as 'my-set'"):
        expect(isinstance(part.name, str) and PART_NAME.fullmatch(part.name), f"{part.name!r} is not lower-case-kebab")
    with checks.check("summary", f"say in one line of at most {_SUMMARY_LENGTH} characters what the part is"):
        _check_summary(part.summary)
    with checks.check("kind", "subclass the class of its kind, and leave `kind` as that class has it"):
        kind = KINDS.get(part.kind)
        expect(kind is not None and isinstance(part, kind.part_class), f"kind {part.kind!r} does not fit its class")
    with checks.check("origin", "give `licence` and `source` as text, or leave them None"):
        expect(_text_or_none(part.licence), f"licence is {part.licence!r}")
        expect(_text_or_none(part.source), f"source is {part.source!r}")
    _check_options(checks)
    _check_import(checks)


def _check_summary(summary: object) -> None:
    expect(isinstance(summary, str) and summary.strip(), "there is none")
    text = str(summary)
    expect("\n" not in text, "it has several lines")
    expect(len(text) <= _SUMMARY_LENGTH, f"it has {len(text)} characters")


def _text_or_none(value: object) -> bool:
    return value is None or (isinstance(value, str) and bool(value.strip()))


def _check_options(checks: Checks) -> None:
    declaration = checks.part.Options
    fields: list[OptionField] = []
    with checks.check("options", "declare them as a subclass of skillforge.PartOptions with annotated fields"):
        expect(isinstance(declaration, type) and issubclass(declaration, PartOptions), f"Options is {declaration!r}")
        fields = describe(declaration)
    with checks.check("options have help", "annotate each field: Annotated[TYPE, Meta(description='…')]"):
        silent = [field.name for field in fields if not field.help.strip()]
        expect(not silent, f"no description for {', '.join(silent)}")
    with checks.check("option defaults", "give each option a default that its own type and bounds allow"):
        hints = get_type_hints(declaration, include_extras=True)
        for field in fields:
            if not field.required:
                _check_default(field, hints[field.name])


def _check_default(field: OptionField, hint: Any) -> None:
    try:
        msgspec.convert(msgspec.to_builtins(field.default), hint, strict=False)
    except (msgspec.ValidationError, TypeError) as error:
        expect(False, f"{field.name} = {field.default!r} cannot be given back as a value ({error})")


def _check_import(checks: Checks) -> None:
    part = checks.part
    entries = [entry for entry in Registry().entries(part.kind) if entry.name == part.name]
    modules = (type(part).__module__, *sorted({entry.module for entry in entries}))
    found: dict[str, Any] = {}
    with checks.check("imports alone", "the module must be importable in a fresh interpreter"):
        found = _import_afresh(modules, part.kind, part.name if entries else None, tuple(sys.path))
        if found["missing"]:
            raise Skip(f"only this process can import {found['missing']}")
        expect(found["error"] is None, str(found["error"]))
    if not found or found["missing"] or found["error"]:
        return
    with checks.check("imports nothing heavy", "import it inside the function that uses it"):
        expect(not found["heavy"], f"importing it imports {', '.join(found['heavy'])}")
    with checks.check("imports quietly", "remove what prints at import"):
        expect(not found["printed"], f"importing it prints {found['printed']!r}")
    with checks.check("imports fast", "leave work until the part is used"):
        expect(found["import"] <= _IMPORT_SECONDS, f"importing it takes {found['import']:.1f} s of CPU")
        expect(found["creation"] <= _CREATION_SECONDS, f"creating the part takes {found['creation']:.1f} s of CPU")


_FRESH = """
import importlib, json, sys, time
given = json.loads(sys.argv[1])
sys.path[:] = given["path"]
from skillforge.registry import Registry
before = set(sys.modules)
found = {"missing": None, "error": None, "creation": 0.0}
began = time.process_time()
for name in given["modules"]:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == name.partition(".")[0]:
            found["missing"] = name
        else:
            found["error"] = f"importing {name} raised {error}"
        break
    except BaseException as error:
        found["error"] = f"importing {name} raised {type(error).__name__}: {error}"
        break
found["import"] = time.process_time() - began
if given["part"] and not found["missing"] and not found["error"]:
    registry = Registry()
    for entry in registry.entries(given["kind"]):
        if entry.name == given["part"] and entry.module in given["modules"]:
            began = time.process_time()
            try:
                registry.load(entry)
            except Exception as error:
                found["error"] = str(error)
            found["creation"] = max(found["creation"], time.process_time() - began)
found["heavy"] = [name for name in given["heavy"] if name in sys.modules and name not in before]
sys.stdout.write("\\n" + json.dumps(found))
"""


@lru_cache(maxsize=256)
def _import_afresh(modules: tuple[str, ...], kind: str, name: str | None, path: tuple[str, ...]) -> dict[str, Any]:
    """Import `modules`, then create the installed part `name`, in a new interpreter; what it saw."""
    given = {"modules": modules, "kind": kind, "part": name, "path": path, "heavy": HEAVY_MODULES}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _FRESH, json.dumps(given)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
    )
    printed, _, answer = done.stdout.rpartition("\n")
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError:
        cause = one_line(done.stderr.strip().rpartition("\n")[2]) or "no output"
        return {"missing": None, "error": f"importing it ended the process with status {done.returncode} ({cause})"}
    return {**found, "printed": one_line(printed, 80)}
