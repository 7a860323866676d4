"""`skillforge serve`."""

from __future__ import annotations

import codecs
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from skillforge.cli.declared import part_options
from skillforge.errors import Interrupted, UsageError
from skillforge.registry import Registry, default_registry
from skillforge.text import one_line, printable

if TYPE_CHECKING:
    from skillforge.pipeline.serving import Served, Serving

LONGEST_LINE = 10_000


@click.command()
@click.option(
    "--model", metavar="TEXT", help="Model: an installed name, a folder or a hub id. Default: the embedded one."
)
@click.option(
    "--backend",
    metavar="TEXT",
    help="Backend whose server is started, such as vllm, trtllm, nemo, transformers, llama-cpp. Default: what fits the model.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 is all of them.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Port to listen on.")
@click.option(
    "-o",
    "assignments",
    multiple=True,
    metavar="backend.NAME=VALUE",
    help="An option of the backend, such as -o backend.dtype=float16; see 'skillforge plugins show NAME'.",
)
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that the server's output is added to. Default: a new one in the folder for temporary files.",
)
def serve(
    model: str | None, backend: str | None, host: str, port: int, assignments: tuple[str, ...], log: Path | None
) -> int:
    """Start a server of a model, and keep it in the foreground.

    \b
    skillforge serve --model ./weights --backend vllm
    skillforge serve --model owner/name --backend transformers --port 8001 -o backend.dtype=bfloat16

    The server's output is shown (standard error) and kept in a file. Once it takes requests, a line says so, with a
    command that asks it. Nobody but this machine can reach it unless --host says otherwise; it asks nobody for a key.

    Ctrl-C or SIGTERM stops it, with all that it started; so does the end of this command, however it comes. The exit code
    is 0 after SIGTERM, 130 after Ctrl-C, 1 where the server ended by itself, and 2 where it cannot be started.
    """
    from skillforge.pipeline.serving import plan_serving, serve

    values = part_options(assignments)
    if strange := values.keys() - {"backend"}:
        raise UsageError(f"'{strange.pop()}' is not used here", "set options of the backend: -o backend.NAME=VALUE")
    registry = default_registry()
    plan = plan_serving(model, backend, values.get("backend", {}), host, port, registry)
    log = log or _new_log(plan.model)
    variables = [f"{name}={value}" for name, value in plan.server.env.items()]
    _say(f"$ {shlex.join((*variables, *plan.server.command))}")
    _say(f"its output follows, and is kept in {log}")
    output = _Output()
    try:
        serve(plan, registry, log, output.write, lambda served: _tell(plan, served, registry))
    except Interrupted as stop:
        output.finish()
        _say(f"{stop.what}; nothing of the server is left")
        return Interrupted.exit_code
    output.finish()
    _say("stopped by SIGTERM; nothing of the server is left")
    return 0


def _new_log(model: str) -> Path:
    name = "".join(char if char.isalnum() else "-" for char in Path(model).name)[:40]
    with tempfile.NamedTemporaryFile(prefix=f"skillforge-serve-{name}-", suffix=".log", delete=False) as file:
        return Path(file.name)


def _tell(plan: Serving, served: Served, registry: Registry) -> None:
    context = f", context of {served.context:,} tokens" if served.context else ""
    benchmark = min((entry.name for entry in registry.entries("benchmark")), default="NAME")
    click.echo(
        click.style("✓ ", fg="green")
        + click.style(one_line(f"{plan.model} takes requests at {plan.server.base_url}"), bold=True)
        + f" (after {served.seconds:.1f} s{context})"
    )
    click.echo("  " + printable(shlex.join(("skillforge", "eval", "--benchmark", benchmark, *served.client))))
    click.echo("  Ctrl-C stops it.")


def _say(text: str) -> None:
    click.echo(click.style(printable(text), dim=True))


class _Output:
    """Shows the server's output line by line, as text that cannot steer a terminal."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""

    def write(self, data: bytes) -> None:
        """Show the lines that `data` ends. Progress bars, which write over their line, are shown as lines."""
        *lines, self._line = (self._line + self._decoder.decode(data)).replace("\r", "\n").split("\n")
        if len(self._line) > LONGEST_LINE:
            lines.append(self._line)
            self._line = ""
        for line in filter(str.strip, lines):
            self._show(line)

    def finish(self) -> None:
        """Show a last line without an end."""
        if self._line.strip():
            self._show(self._line)

    def _show(self, line: str) -> None:
        from skillforge.server import without_colours

        click.echo(printable(without_colours(line).expandtabs(), LONGEST_LINE), err=True)
