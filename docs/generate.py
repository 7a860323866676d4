"""Writes docs/reference/ from the declarations: `python docs/generate.py`. A test keeps the files equal to what this writes."""

from __future__ import annotations

import ast
import html
import inspect
import json
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import click

from skillforge import hookspecs
from skillforge.cli import COMMANDS, LazyGroup, cli
from skillforge.kinds import KINDS

REFERENCE = Path(__file__).parent / "reference"
MEANING = {
    "opens": "opens, and checks the target",
    "capabilities of the target": "tells what the target can do",
    "ready": "tells whether it is ready",
    "models": "names the models",
    "context_length": "context length, where it is told",
    "versions": "its versions",
    "completes": "chat or text",
    "usage": "token counts",
    "token_ids": "token ids, in and out",
    "json_schema": "structured output",
    "stop": "stop strings",
    "continues": "continues an assistant's message",
    "whole": "reasoning stays in where asked",
    "tools": "tool calls",
    "alternatives": "logprobs of the likeliest tokens",
    "prompt_logprobs": "logprobs of the prompt's tokens",
    "scoring": "scores an answer as it was generated",
    "seed": "seed: the same gives the same",
    "cancelling": "cancelling harms no other request",
    "unknown model": "refuses an unknown model",
}
"""What a check shows, where its name says less."""


def main() -> None:
    """Write all generated pages."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """File name -> content of each generated page."""
    made = {"cli.md": _command_line(), "contract.md": _contract(), "backends.md": _backends()}
    return {name: "\n".join(lines) for name, lines in made.items()}


def _command_line() -> Iterator[str]:
    yield "# Command line\n\nGenerated from the declarations. A part's own options (`-o KIND.NAME=VALUE`) are shown by"
    yield "`skillforge plugins show NAME`.\n"
    context = click.Context(cli, info_name="skillforge")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from _command(command, click.Context(command, info_name=name, parent=context))


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## `{context.command_path}`\n"
    yield inspect.cleandoc(command.help or "").replace("\b\n", "") + "\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```\n{context.command_path} {usage}\n```\n"
    records = [
        parameter.get_help_record(context) for parameter in command.params if isinstance(parameter, click.Option)
    ]
    if rows := [record for record in records if record]:
        yield "| option | meaning |\n| --- | --- |"
        for names, text in rows:
            yield f"| `{_cell(names)}` | {_cell(text)} |"
        yield ""
    if isinstance(command, click.Group):
        names = command.built_in if isinstance(command, LazyGroup) else command.list_commands(context)
        for name in names:  # what a plugin adds is in its own documentation
            part = command.get_command(context, name)
            assert part is not None
            yield from _command(part, click.Context(part, info_name=name, parent=context))


def _contract() -> Iterator[str]:
    yield "# Contract\n\nGenerated from `skillforge/hookspecs.py` and `skillforge/parts/`. This is contract"
    yield f"version {hookspecs.CONTRACT_VERSION}; the oldest that works is {hookspecs.OLDEST_CONTRACT}.\n"
    for kind in KINDS.values():
        part_class = kind.part_class
        yield f"## {part_class.__name__}\n"
        yield f"Group `{kind.group}`, hook `{kind.hook}(name)`.\n\n{inspect.getdoc(part_class)}\n"
        module = import_module(kind.class_path.partition(":")[0])
        yield from _members(inspect.getsource(module), part_class.__name__)
    yield "## Events\n"
    for name in ("skillforge_run_started", "skillforge_sample_finished", "skillforge_run_finished"):
        hook = getattr(hookspecs, name)
        yield f"`{name}{inspect.signature(hook)}`\n: {inspect.getdoc(hook)}\n"


def _members(source: str, class_name: str) -> Iterator[str]:
    """The attributes and methods of a class as they stand in its source, each with its docstring."""
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == class_name]
    body = classes[0].body
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign):
            note = following.value if isinstance(following, ast.Expr) else None
            text = (
                inspect.cleandoc(note.value) if isinstance(note, ast.Constant) and isinstance(note.value, str) else ""
            )
            yield f"- `{ast.unparse(node)}` {' '.join(text.split())}"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            text = " ".join((ast.get_docstring(node) or "").split())
            yield f"- `{node.name}({ast.unparse(node.args)}){returns}`: {text}"
    yield ""


def _backends() -> Iterator[str]:
    """The table of what `record_backends.py` has recorded: a row for each check, a narrow column for each thing tried."""
    seen: dict[str, dict[str, str]] = json.loads((REFERENCE / "backends.json").read_text(encoding="utf-8"))
    checks = dict.fromkeys(check for marks in seen.values() for check in marks)
    yield "# What each backend does\n\nGenerated from the results of `skillforge.testing.check_backend` on real servers and"
    yield "libraries, with models of a few thousand to a million parameters; *written* is a server that was written from the"
    yield "protocol's description. ✓ seen; – not offered; ? cannot be seen there: the server does not tell, or such a small"
    yield "model cannot do it.\n\n<style>"
    yield ".seen th {writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; white-space: nowrap}"
    yield ".seen td, .seen th {padding: 4px 1px !important; font-size: 80%; line-height: 1.3}"
    yield ".seen td:first-child {padding: 4px 6px !important}\n.seen td + td {text-align: center}\n</style>\n"
    yield f'<table class="docutils seen">\n<thead><tr><td></td>{_in_cells(seen, "th")}</tr></thead>\n<tbody>'
    for check in checks:
        yield f"<tr><td>{html.escape(MEANING.get(check, check))}</td>"
        yield f"{_in_cells(marks.get(check, '–') for marks in seen.values())}</tr>"
    yield "</tbody>\n</table>\n"
    yield "Several samples per request (`n`) are not in the table: a request of the contract asks for one completion, and"
    yield "an answer does not show how it was asked for. The backends `openai`, and `vllm` with a server, have it as an"
    yield "option: with `-o backend.n=N`, requests for the same prompt that come at the same time go as one. The classic"
    yield "protocol of `nemo`, `transformers` and `vllm` offline batch what comes at the same time; the others ask for each"
    yield "sample by itself.\n"


def _in_cells(texts: Iterable[str], kind: str = "td") -> str:
    return "".join(f"<{kind}>{html.escape(text)}</{kind}>" for text in texts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
