"""The rules of the house that a program can check: which way imports point, and what the core may know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import skillforge

CORE = Path(skillforge.__file__).parent
PLUGINS = CORE.parent / "plugins"

LAYERS: tuple[tuple[str, ...], ...] = (
    ("errors", "supervisor", "text"),
    ("parts",),
    ("child", "data", "hookspecs", "kinds", "options", "server", "server_command"),
    ("registry",),
    ("rollout", "runs", "metrics", "cache"),
    ("pipeline", "probe"),
    ("testing",),
    ("scaffold",),
    ("cli",),
    ("__main__",),
)
"""Each imports from those above it only, and from itself: cli → pipeline → rollout, runs, metrics → parts."""

LAYER = {package: number for number, layer in enumerate(LAYERS) for package in layer}
MOST_LINES = 300
FOREIGN = (
    "gsm8k", "mmlu", "aime", "humaneval", "openmath", "numina", "llama", "qwen", "mistral", "vllm", "sglang", "trtllm",
    "triton", "ollama", "nemo", "transformers", "openai", "wandb", "mlflow", "tensorboard", "slurm", "sympy", "torch",
)  # fmt: skip


def modules(folder: Path = CORE) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "templates" not in path.parts)


def name_of(path: Path) -> str:
    return str(path.relative_to(CORE))


def package_of(path: Path) -> str:
    """The part of the core that a module belongs to: `runs` for runs/rows.py."""
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """All modules that `path` imports, inside functions too; not those for type checkers only."""
    yield from _imports(ast.parse(path.read_text()))


def _imports(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            assert child.module
            if child.module == "skillforge":
                yield from (f"skillforge.{alias.name}" for alias in child.names)
            else:
                yield child.module
        yield from _imports(child)


@pytest.mark.parametrize(
    "path", [path for path in modules() if path.parent != CORE or path.stem != "__init__"], ids=name_of
)
def test_imports_point_one_way(path: Path) -> None:
    own = package_of(path)
    assert own in LAYER, f"say in LAYERS where '{own}' belongs"
    for imported in imports(path):
        parts = imported.split(".")
        if parts[0] != "skillforge" or parts[1] in ("__version__", own):
            continue
        home = parts[1] if parts[1] in LAYER else skillforge._HOME.get(parts[1], "skillforge.?").split(".")[1]
        assert home in LAYER and LAYER[home] < LAYER[own], f"{own} must not import {imported}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_the_core_imports_no_plugin(path: Path) -> None:
    assert [name for name in imports(path) if name.startswith("skillforge_")] == []


PROVIDED_BY = {"skillforge_sandbox_jail": "skillforge_local_sandbox"}
"""Packages that another distribution brings along."""


def test_plugins_import_only_what_they_declare() -> None:
    """A plugin imports another plugin only as a declared dependency."""
    for project in PLUGINS.glob("*/*/pyproject.toml"):
        own = [path for path in (project.parent / "src").iterdir() if (path / "__init__.py").is_file()]
        names = {path.name for path in own}
        declared = project.read_text().replace("-", "_")
        found = {name.partition(".")[0] for source in own for path in modules(source) for name in imports(path)}
        for other in sorted(name for name in found - names if name.startswith("skillforge_")):
            home = PROVIDED_BY.get(other, other)
            assert re.search(rf'"{home}\b', declared), f"{project.parent.name} imports {other} without declaring it"


def test_importing_skillforge_names_each_export_once() -> None:
    tree = ast.parse((CORE / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    for_checkers = {
        (node.module, alias.name) for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    lazily = {(module, name) for module, names in skillforge._EXPORTS.items() for name in names}
    assert for_checkers == lazily
    for _, name in lazily:
        assert getattr(skillforge, name) is not None
    assert set(dir(skillforge)) == {"__version__", *(name for _, name in lazily)}
    with pytest.raises(AttributeError, match="no attribute 'Modle'"):
        _ = skillforge.Modle


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_modules_are_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES * 1.1, "split it"


def _texts(tree: ast.Module) -> Iterator[str]:
    """String constants that decide something: no docstrings and help texts, which may give examples."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        elif isinstance(node, ast.keyword) and node.arg in ("help", "description"):
            skipped |= {id(inner) for inner in ast.walk(node.value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


@pytest.mark.parametrize(
    "path", [path for path in modules() if package_of(path) not in ("scaffold", "testing")], ids=name_of
)
def test_the_core_names_no_dataset_model_server_or_trainer(path: Path) -> None:
    """(What tests plugins knows which libraries are slow to import, and what writes them has examples.)"""
    for text in _texts(ast.parse(path.read_text())):
        if "\n" not in text:  # a longer text is documentation or a template
            named = [name for name in FOREIGN if re.search(rf"\b{name}", text, re.IGNORECASE)]
            assert not named, f"{text!r} names {named}"
