"""Making the image of the containers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skillforge import SandboxUnusable, UsageError
from skillforge.text import one_line
from skillforge_docker_sandbox import image
from skillforge_docker_sandbox.engine import faults

if TYPE_CHECKING:
    from docker import APIClient

BUILD_PATIENCE = 1800
"""Seconds that one step of a build may take without saying anything."""

IMPORTED = "skillforge-sandbox-base"
"""Repository of the images that base tars become."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Say = Callable[[str], object]


def build(client: APIClient, tag: str, base: str | None, base_tar: Path | None, say: Say) -> str:
    """Make the image `tag`; its id. Raises SandboxUnusable with what the engine said.

    It is based on the image `base`, or on a root file system packed as `base_tar`; otherwise on what the Dockerfile names,
    which needs a registry. `say` gets lines on how it goes on.
    """
    if base_tar is not None:
        base = _import_base(client, base_tar, say)
    say(f"building {tag}" + (f" on {base}" if base else ""))
    arguments = {"BASE": base} if base else {}
    with faults(f"building {tag}"):
        steps = client.build(
            fileobj=image.context(),
            custom_context=True,
            tag=tag,
            rm=True,
            forcerm=True,
            decode=True,
            timeout=BUILD_PATIENCE,
            buildargs=arguments,
            labels={image.LABEL: image.jail_version()},
            network_mode="none" if base_tar else None,
        )
        for step in steps:
            _follow(step, say)
        return str(client.inspect_image(tag)["Id"])


def _import_base(client: APIClient, tar: Path, say: Say) -> str:
    """Make an image of a root file system, unless the engine has it; its name, which tells of its content."""
    import docker.errors

    name = f"{IMPORTED}:{_digest(tar)}"
    with faults(f"importing {tar}"):
        try:
            client.inspect_image(name)
        except docker.errors.ImageNotFound:
            say(f"importing {tar} as {name}")
            client.import_image_from_file(str(tar), *name.split(":"))
    return name


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error


def _follow(step: dict[str, Any], say: Say) -> None:
    if "error" in step:
        raise SandboxUnusable(f"the image was not built: {one_line(str(step['error']))}", "see the lines above")
    for line in _COLOUR.sub("", str(step.get("stream") or step.get("status") or "")).splitlines():
        if line.strip():
            say(line.strip())
