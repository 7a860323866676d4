"""The image of the containers: what goes into it, and whether one that is there fits this version."""

from __future__ import annotations

import hashlib
import io
import tarfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from skillforge import SandboxUnusable
from skillforge_docker_sandbox import IMAGE
from skillforge_docker_sandbox.engine import faults

if TYPE_CHECKING:
    from docker import APIClient

LABEL = "skillforge.jail"
"""Label of an image, and of each that is built upon it: which version of our code is inside."""

_RECIPE = Path(__file__).parent / "image"
_JAIL = "jail"
"""The folder of our code in the build's context; `Dockerfile` says where it goes."""


def require(client: APIClient, name: str) -> None:
    """Raise SandboxUnusable where the engine has no such image, or one that holds another version of our code."""
    import docker.errors

    make_it = "run `skillforge sandbox build" + (f" --tag {name}`" if name != IMAGE else "`")
    with faults(f"image {name}"):
        try:
            found = client.inspect_image(name)
        except docker.errors.ImageNotFound as error:
            raise SandboxUnusable(f"the Docker engine has no image {name}", make_it) from error
    inside = (found["Config"].get("Labels") or {}).get(LABEL)
    if inside is None:
        raise SandboxUnusable(f"the image {name} was not made for SkillForge", f"{make_it}, with --base {name}")
    if inside != jail_version():
        raise SandboxUnusable(
            f"the image {name} holds the code of another version of SkillForge",
            f"{make_it}, or build it anew if it is based on that image",
        )


@cache
def jail_version() -> str:
    """Which version of our code goes into an image: a digest of it."""
    digest = hashlib.sha256()
    for name, content in sorted(_jail_files().items()):
        digest.update(f"{name}:{len(content)}:".encode() + content)
    return digest.hexdigest()[:16]


def context() -> io.BytesIO:
    """What the engine builds the image from, as a tar: Dockerfile, requirements.txt, and our code in `jail/`."""
    recipe = {path.name: path.read_bytes() for path in _RECIPE.iterdir() if path.is_file()}
    code = {f"{_JAIL}/{name}": content for name, content in _jail_files().items()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in sorted({**recipe, **code}.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def _jail_files() -> dict[str, bytes]:
    """Path -> content, of what containers run: the package `skillforge_sandbox_jail`, and of this one the part `inside`."""
    import skillforge_sandbox_jail
    from skillforge_docker_sandbox import inside

    own = __package__
    folders = {"skillforge_sandbox_jail": skillforge_sandbox_jail, f"{own}/inside": inside}
    files = {
        f"{name}/{path.name}": path.read_bytes()
        for name, package in folders.items()
        for path in Path(package.__path__[0]).glob("*.py")
    }
    return {**files, f"{own}/__init__.py": b""}


COMMAND = [
    "python3", "-P", "-s", "-c",
    f"import sys; sys.path.insert(0, '/opt/skillforge/{_JAIL}')\n"
    f"from {__package__}.inside.first_process import main\n"
    "del sys.path[0]; main()",
]  # fmt: skip
"""How a container starts."""
