"""`skillforge sandbox`, and `skillforge sandbox run`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from skillforge.cli import LazyGroup
from skillforge.cli.declared import part_options
from skillforge.errors import UsageError
from skillforge.options import parse
from skillforge.text import one_line, printable

if TYPE_CHECKING:
    from skillforge.parts.part import PartOptions
    from skillforge.parts.sandbox import Execution, Sandbox, SandboxSession, StreamName

Command = TypeVar("Command", bound=Callable[..., Any])

COMMANDS = {
    "run": ("skillforge.cli.sandbox:run", "Run Python files in a fresh session."),
    "bench": ("skillforge.cli.sandbox_bench:bench", "Measure how fast and how small a sandbox is here."),
    "attack": ("skillforge.cli.sandbox_attack:attack", "Run hostile programs, and show which were contained."),
}


@click.group(cls=LazyGroup, built_in=COMMANDS, path="sandbox")
def sandbox() -> None:
    """Run code in a sandbox, attack one, measure one."""


def sandbox_options(command: Command) -> Command:
    """Adds `--sandbox NAME` and `-o sandbox.NAME=VALUE`, which arrive as `name` and `assignments`."""
    command = click.option(
        "-o", "assignments", multiple=True, metavar="sandbox.NAME=VALUE", help="An option of the sandbox."
    )(command)
    return click.option(
        "--sandbox", "name", metavar="NAME", help="Sandbox. Default: local, or the only one that is installed."
    )(command)


def choose_sandbox(name: str | None, assignments: Sequence[str]) -> tuple[Sandbox, PartOptions]:
    """The sandbox called `name`, or the default one, and its options as set by `assignments`."""
    from skillforge.parts.sandbox import Sandbox
    from skillforge.pipeline.resolve import default_sandbox
    from skillforge.registry import default_registry

    values = part_options(assignments)
    if strange := values.keys() - {"sandbox"}:
        raise UsageError(f"'{strange.pop()}' is not used here", "set options of the sandbox: -o sandbox.NAME=VALUE")
    registry = default_registry()
    part = registry.get("sandbox", name or default_sandbox(registry))
    assert isinstance(part, Sandbox)
    return part, parse(part.Options, values.get("sandbox", {}), "sandbox.")


# ---------------------------------------------------------------------------------------------------------------
# run
# ---------------------------------------------------------------------------------------------------------------


@click.command()
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@sandbox_options
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Time that each FILE may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what came of each FILE as a line of JSON.")
@click.pass_context
def run(
    ctx: click.Context,
    files: tuple[str, ...],
    name: str | None,
    assignments: tuple[str, ...],
    timeout: float,
    as_json: bool,
) -> None:
    """Run Python files in a fresh session of a sandbox; `-` is standard input.

    Several FILEs are cells of one session: each finds the variables of those before it. The value of a last expression is
    shown, as an interactive interpreter does.

    The exit code is 0, or that of the code's own sys.exit, or 1 for whatever else ends it; no FILE is run after that.
    """
    import asyncio

    cells = [("standard input" if file == "-" else file, _read(file)) for file in files]
    part, options = choose_sandbox(name, assignments)
    ctx.exit(asyncio.run(_run_cells(part, options, cells, timeout, as_json)))


def _read(file: str) -> str:
    with click.open_file(file, "rb") as stream:
        content: bytes = stream.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{one_line(file)} is not UTF-8 text (byte {error.start})", "convert it") from None


async def _run_cells(
    part: Sandbox, options: PartOptions, cells: Sequence[tuple[str, str]], timeout: float, as_json: bool
) -> int:
    """Run (file, code) after (file, code), until one fails; the exit code."""
    from skillforge.runs.rows import encoded

    async with part.open(options) as pool, pool.session() as session:
        for file, code in cells:
            if as_json:
                execution = await session.run(code, timeout)
                click.echo(encoded(execution))
            else:
                execution = await _run_shown(session, file, code, timeout)
            if execution.status != "ok":
                return _exit_code(execution)
    return 0


async def _run_shown(session: SandboxSession, file: str, code: str, timeout: float) -> Execution:
    """Run one cell and show it. Raises OSError, with the cell ended, where what it writes cannot be shown."""
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    screen = _Screen(task.cancel)
    try:
        execution = await session.run(code, timeout, screen)
    except asyncio.CancelledError:
        if screen.fault is None:
            raise
        task.uncancel()
        raise screen.fault from None
    screen.finish(file, execution)
    return execution


def _exit_code(execution: Execution) -> int:
    called = re.fullmatch(r"exit code (\d{1,3})", execution.detail) if execution.status == "exit" else None
    return int(called[1]) if called else 1


class _Screen:
    """Shows the output of one cell while it comes; on a terminal, as text that cannot steer it.

    A sandbox calls it from its own depths, where nothing may be raised: `stop` is called when nobody reads on, or the disk
    is full, and `fault` is then what to raise.
    """

    def __init__(self, stop: Callable[[], object]) -> None:
        self.fault: OSError | None = None
        self._stop = stop
        self._written = {"stdout": 0, "stderr": 0}
        self._in_line = {"stdout": False, "stderr": False}

    def __call__(self, stream: StreamName, text: str) -> None:
        self._written[stream] += len(text)
        try:
            self._write(stream, text)
        except OSError as error:
            self.fault = error
            self._stop()

    def finish(self, file: str, execution: Execution) -> None:
        """Show the rest: what the sandbox did not tell of while it came, the value, and how the cell ended."""
        self._write("stdout", execution.stdout[self._written["stdout"] :])
        self._write("stderr", execution.stderr[self._written["stderr"] :])
        if execution.value is not None:
            self._write_line("stdout", execution.value)
        if execution.late_output:
            self._write_line("stderr", f"late output of what ran before {file}:")
            self._write_line("stderr", execution.late_output.rstrip("\n"))
        if execution.status != "ok" and _exit_code(execution) != 0:
            detail = f" ({execution.detail})" if execution.detail else ""
            self._write_line("stderr", "")
            click.echo(
                click.style("Error: ", fg="red", bold=True) + one_line(f"{file}: {execution.status}{detail}"), err=True
            )

    def _write_line(self, stream: StreamName, text: str) -> None:
        """Write `text` as lines of their own; nothing but the end of a line that is open where it is empty."""
        start = "\n" if self._in_line[stream] else ""
        self._write(stream, f"{start}{text}\n" if text else start)

    def _write(self, stream: StreamName, text: str) -> None:
        if not text:
            return
        target = sys.stdout if stream == "stdout" else sys.stderr
        target.write(_tame(text) if target.isatty() else text)
        target.flush()
        self._in_line[stream] = not text.endswith("\n")


def _tame(text: str) -> str:
    """`printable`, at any length, with tabs as they are."""
    return "\t".join(printable(piece, len(piece)) for piece in text.split("\t"))
