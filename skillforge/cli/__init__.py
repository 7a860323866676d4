"""The command line. Commands are loaded when they are used, so that `--help` and `--version` stay instant."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import click

from skillforge import __version__
from skillforge.errors import Interrupted, SkillForgeError
from skillforge.text import one_line, printable

COMMANDS = {
    "eval": ("skillforge.cli.evaluate:evaluate", "Evaluate a model on a benchmark."),
    "grade": ("skillforge.cli.grade:grade", "Judge the samples of a run again, without a model."),
    "vote": ("skillforge.cli.vote:vote", "Vote over the samples of a run: one answer a problem."),
    "report": ("skillforge.cli.report:report", "Show what runs came to."),
    "compare": ("skillforge.cli.compare:compare", "Compare two runs problem by problem."),
    "runs": ("skillforge.cli.runs:runs", "List the runs."),
    "cache": ("skillforge.cli.cache:cache", "Show what a cache of completions holds, and clear it."),
    "export": ("skillforge.cli.export:export", "Write a run as one flat table."),
    "import": ("skillforge.cli.import_run:import_run", "Make a run of any file of generations."),
    "serve": ("skillforge.cli.serve:serve", "Start a server of a model."),
    "sandbox": ("skillforge.cli.sandbox:sandbox", "Run code in a sandbox, and measure one."),
    "plugins": ("skillforge.cli.plugins:plugins", "List, show, check and write plugins."),
    "doctor": ("skillforge.cli.doctor:doctor", "Show what this installation has, and what it lacks."),
}
"""Name -> where the command is, and its one-line help."""


class LazyGroup(click.Group):
    """A group whose commands, built-in and brought by plugins, are imported when they are called.

    A plugin's command called `sandbox.serve` is `serve` of the group whose `path` is `sandbox`; the path of the top level
    is empty.
    """

    def __init__(self, *args: Any, built_in: Mapping[str, tuple[str, str]], path: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.built_in = built_in
        """Name -> where the command is, and its one-line help."""
        self.path = path

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.built_in, *self._plugin_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.built_in:
            module, _, attribute = self.built_in[cmd_name][0].partition(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        if cmd_name in self._plugin_commands():
            from skillforge.parts.command import CommandPart
            from skillforge.registry import default_registry

            part = default_registry().get("command", f"{self.path}.{cmd_name}" if self.path else cmd_name)
            assert isinstance(part, CommandPart)
            return part.command()
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in self.list_commands(ctx):
            from skillforge.text import closest

            raise click.UsageError(
                f"no command '{one_line(args[0], 60)}'; {closest(args[0], self.list_commands(ctx))}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the help they declare, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in self.built_in.items()])
        if extra := self._plugin_commands():
            with formatter.section("Commands of plugins"):
                formatter.write_dl(list(extra.items()))

    def _plugin_commands(self) -> dict[str, str]:
        """Name -> summary of the plugins' commands that belong to this group; a built-in one of the same name wins."""
        from skillforge.registry import default_registry

        found = {}
        for entry in default_registry().entries("command"):
            path, _, name = entry.name.rpartition(".")
            if path == self.path and name not in self.built_in:
                found[name] = entry.summary
        return found


@click.group(
    cls=LazyGroup,
    built_in=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="skillforge")
def cli() -> None:
    """Measure and improve the skills of language models.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but with samples in error, 130 stopped by Ctrl-C.
    `--debug`, anywhere on the line, shows tracebacks.
    """


def main() -> NoReturn:
    """Run the command line of this process; faults end in one clear line and an honest exit code."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  (closed by who started us)
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a character shows "?" instead
            stream.reconfigure(errors="replace")
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        code = cli.main(arguments, prog_name="skillforge", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" (see '{context.command_path} --help')" if context else ""
        _complain(error.format_message().rstrip(".") + hint)
        code = error.exit_code
    except SkillForgeError as error:
        if debug:
            raise
        _complain(str(error))
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _complain("stopped")
        code = Interrupted.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        if debug:
            raise
        place = f"{one_line(str(error.filename), 80)}: " if error.filename else ""
        _complain(place + (error.strerror or str(error)))
        code = 1
    except Exception as error:
        if debug:
            raise
        _complain(
            f"internal error, {type(error).__name__}: {error}; run it again with --debug and report the traceback"
        )
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _complain(text: str) -> None:
    click.echo(click.style("Error: ", fg="red", bold=True) + printable(text), err=True)
