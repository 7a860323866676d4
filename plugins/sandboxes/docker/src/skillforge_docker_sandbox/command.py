"""`skillforge sandbox build`."""

from __future__ import annotations

from pathlib import Path

import click

from skillforge.errors import UsageError
from skillforge.text import one_line
from skillforge_docker_sandbox import IMAGE


@click.command()
@click.option("--tag", default=IMAGE, show_default=True, metavar="NAME", help="What to call the image.")
@click.option("--base", metavar="IMAGE", help="Image to build upon, with Python 3.11 or later; it may bring packages.")
@click.option(
    "--base-tar",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Root file system to build upon, as a tar with Python, numpy and sympy in it: needs no registry and no network.",
)
@click.option("-q", "--quiet", is_flag=True, help="Do not tell how it goes on.")
def build(tag: str, base: str | None, base_tar: Path | None, quiet: bool) -> None:
    """Make the image of the sandbox 'docker', in the engine that DOCKER_HOST names or in this machine's.

    Without --base and --base-tar it is built upon an official image of Python, with pinned packages from PyPI.
    For more packages, build an image of your own upon it, and set -o sandbox.image=NAME.
    """
    from skillforge_docker_sandbox.build import build as build_image
    from skillforge_docker_sandbox.engine import connect

    if base and base_tar:
        raise UsageError("--base and --base-tar exclude each other", "give one of them")

    def say(line: str) -> None:
        if not quiet:
            click.echo(one_line(line), err=True)

    identity = build_image(connect(), tag, base, base_tar, say)
    click.echo(f"{tag} {identity}")
