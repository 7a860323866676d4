"""CommandPart: a command that a plugin adds to the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillforge.parts.part import Part

if TYPE_CHECKING:
    import click


class CommandPart(Part):
    """`skillforge NAME …`, brought by a plugin."""

    kind = "command"

    def command(self) -> click.Command:
        """The click command; import what it needs inside."""
        raise NotImplementedError
