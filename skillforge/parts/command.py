"""CommandPart: a command that a plugin adds to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillforge.parts.part import Part

if TYPE_CHECKING:
    import click


class CommandPart(Part):
    """`skillforge NAME …`, brought by a plugin.

    A name with a dot puts it into a group of commands: `sandbox.serve` is `skillforge sandbox serve`. The groups are the
    command line's own (`sandbox`); a name in no group of theirs cannot be called.
    """

    kind = "command"

    def command(self) -> click.Command:
        """The click command; import what it needs inside."""
        raise NotImplementedError
