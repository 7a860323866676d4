"""Writes new plugin packages: a small working part of any kind, with its tests."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import msgspec

from skillforge import __version__
from skillforge.errors import SkillForgeError, UsageError
from skillforge.hookspecs import CONTRACT_VERSION
from skillforge.kinds import KINDS
from skillforge.text import closest, one_line

_NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
_LONGEST_NAME = 40


class Starter(msgspec.Struct, frozen=True):
    """What the templates of one kind are about."""

    what: str
    """What the part does, in a few words."""

    use: tuple[str, ...]
    """Commands that use it once it is installed, with `$name` for its name."""

    class_suffix: str
    needs: tuple[str, ...] = ()
    """What the module imports besides skillforge."""


_MSGSPEC = "msgspec>=0.19"
_SHOW = "skillforge plugins show $name"

STARTERS: Mapping[str, Starter] = {
    "benchmark": Starter("five problems from a file", ("skillforge eval --benchmark $name",), "Benchmark"),
    "prompt": Starter(
        "the question, and how to answer it",
        ("skillforge eval --benchmark forge-arith --limit 20 --prompt $name",),
        "PromptStyle",
        (_MSGSPEC,),
    ),
    "model": Starter(
        "weights on the hub, with settings that fit them",
        ("skillforge eval --benchmark forge-arith --limit 20 --model $name",),
        "Model",
    ),
    "grader": Starter(
        "exact match of the last line",
        ("skillforge eval --benchmark forge-arith --limit 20 --grader $name", "skillforge grade RUN --grader $name"),
        "Grader",
        (_MSGSPEC,),
    ),
    "backend": Starter(
        "echoes the question, without any model",
        ("skillforge eval --benchmark forge-arith --limit 20 --backend $name --model echo",),
        "Backend",
        (_MSGSPEC,),
    ),
    "sandbox": Starter(
        "Python in a child process with a time limit, which isolates nothing", (_SHOW,), "Sandbox", (_MSGSPEC,)
    ),
    "voter": Starter("the answer that most samples agree on", ("skillforge vote RUN --voter $name",), "Voter"),
    "filter": Starter("drops answers that are too long", (_SHOW,), "Filter", (_MSGSPEC,)),
    "trainer": Starter("stores the training rows as a lookup file", (_SHOW,), "Trainer", (_MSGSPEC,)),
    "engine": Starter("runs shards on this machine, one after the other", (_SHOW,), "Engine", (_MSGSPEC,)),
    "tracker": Starter("appends runs and metrics to a JSONL file", (_SHOW,), "Tracker", (_MSGSPEC,)),
    "command": Starter("says hello", ("skillforge $name --times 2", "skillforge $name --help"), "Command"),
}


class Written(msgspec.Struct, frozen=True):
    """A package that was written."""

    folder: Path
    package: str
    files: tuple[Path, ...]
    use: tuple[str, ...]
    """Commands that use the part, once the package is installed."""


def write_package(kind: str, name: str, into: Path, author: str | None = None, package: str | None = None) -> Written:
    """Write the package `skillforge-<name>` (or `package`) with a working part of `kind` into a new folder below `into`.

    Raises UsageError for an unknown kind, a name that cannot be one, and a folder that is there and not empty.
    """
    if kind not in STARTERS:
        raise UsageError(f"unknown kind '{one_line(kind, 80)}'", closest(kind, STARTERS))
    _check_name(name, "name")
    package = package or f"skillforge-{name}"
    _check_name(package, "package name")
    folder = into / package
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already", "choose another name, or another folder with --into")
    use = tuple(Template(line).substitute(name=name) for line in STARTERS[kind].use)
    words = _words(kind, name, package, author, use)
    written = []
    try:
        for path, text in _contents(kind, words):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
            written.append(target)
    except OSError as error:
        raise SkillForgeError(f"cannot write {error.filename}: {error.strerror}", "check the folder") from error
    return Written(folder, package, tuple(written), use)


def _check_name(name: str, what: str) -> None:
    if _NAME.fullmatch(name) and len(name) <= _LONGEST_NAME + len("skillforge-"):
        return
    lower = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "-", name).lower()
    valid = re.sub(r"[^a-z0-9.]+", "-", lower)[:_LONGEST_NAME].strip("-.")
    valid = re.sub(r"([.-])[.-]+", r"\1", valid)
    hint = f"; '{valid}' would do" if _NAME.fullmatch(valid) else ""
    raise UsageError(
        f"'{one_line(name, 80)}' cannot be a {what}",
        f"use lower-case letters and digits joined by '-', at most {_LONGEST_NAME} characters{hint}",
    )


def _words(kind: str, name: str, package: str, author: str | None, use: Sequence[str]) -> dict[str, str]:
    """What each placeholder of the templates stands for."""
    starter = STARTERS[kind]
    class_name = _class_name(name, starter.class_suffix)
    minor = ".".join(__version__.split(".")[:2])
    author = one_line(author or f"the authors of {package}", 200)
    return {
        "kind": kind,
        "name": name,
        "package": package,
        "module": _module(package),
        "class": class_name,
        "options": f"{class_name}Options",
        "group": KINDS[kind].group,
        "contract": str(CONTRACT_VERSION),
        "what": starter.what,
        "summary": f"The {kind} '{name}' for SkillForge: {starter.what}.",
        "author": author,
        "author_quoted": author.replace("\\", "\\\\").replace('"', '\\"'),
        "year": time.strftime("%Y"),
        "dependencies": ", ".join(f'"{needed}"' for needed in (f"skillforge>={minor}", *starter.needs)),
        "usage_indented": "\n".join(f"    {line}" for line in use),
    }


def _class_name(name: str, suffix: str) -> str:
    stem = "".join(word.capitalize() for word in re.split(r"[.-]", name)).removesuffix(suffix)
    return f"{stem if stem and not stem[0].isdigit() else 'The' + stem}{suffix}"


def _module(package: str) -> str:
    module = re.sub(r"[.-]", "_", package)
    return module if not module[0].isdigit() else f"_{module}"


def _contents(kind: str, words: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """(path in the package folder, text) of each file."""
    templates = files("skillforge.scaffold") / "templates"
    for template in sorted((templates / "common").iterdir(), key=lambda file: file.name):
        name = template.name.removesuffix(".tmpl")
        yield Path(".gitignore" if name == "gitignore" else name), _filled(template, words)
    module = Path("src") / words["module"]
    yield module / "py.typed", ""
    for template in sorted((templates / kind).iterdir(), key=lambda file: file.name):
        name = template.name.removesuffix(".tmpl")
        if name == "module.py":
            yield module / "__init__.py", _filled(template, words)
        elif name == "test.py":
            yield Path("tests") / f"test_{re.sub(r'[.-]', '_', words['name'])}.py", _filled(template, words)
        else:
            yield module / name, _filled(template, words)


def _filled(template: Traversable, words: Mapping[str, str]) -> str:
    text = template.read_text(encoding="utf-8")
    if not template.name.endswith(".tmpl"):
        return text
    try:
        return Template(text).substitute(words)
    except (KeyError, ValueError) as error:
        raise AssertionError(f"template {template.name}: {error}") from error
