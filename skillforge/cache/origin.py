"""Origin: who answers, with all about it that decides what is answered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from skillforge.errors import SkillForgeError
from skillforge.options import identity
from skillforge.parts.backend import Target
from skillforge.parts.part import PartOptions

WHOLE_BYTES = 32 * 2**20
"""Files up to this size are read whole for a fingerprint; of larger ones, which hold weights, pieces are."""

PIECES = 16
PIECE_BYTES = 2**16


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """A model behind a backend."""

    backend: str
    """Id of the backend, such as `skillforge-openai:openai`."""

    version: str
    """Version of the backend's package."""

    options: dict[str, Any]
    """The backend's options, without the operational ones."""

    model: str
    place: str
    """Addresses of the servers without credentials, or folder or hub id of the weights."""

    files: dict[str, str]
    """Folder or file of weights, or one that an option names -> its fingerprint."""


def origin_of(targets: Sequence[Target], backend: str, version: str, options: PartOptions) -> Origin:
    """The origin of what the `backend` of that `version`, with these `options`, answers for `targets`, which are alike.

    Two servers may give different weights the same name, so that their addresses count. Reads files: it may take seconds.
    Raises SkillForgeError for files that cannot be read.
    """
    deciding = identity(options)
    model, addresses = targets[0].model, sorted(_address(target.base_url) for target in targets if target.base_url)
    paths = {path: Path(path) for path in (model.location, *_paths(deciding)) if os.path.exists(path)}  # noqa: PTH110
    if not addresses and model.location not in paths and (snapshot := _snapshot(model.location, options)):
        paths[model.location] = snapshot
    try:
        files = {name: fingerprint(path) for name, path in paths.items()}
    except OSError as error:
        raise SkillForgeError(
            f"cannot read {error.filename}: {error.strerror}", "check the permissions, or leave out --cache"
        ) from error
    return Origin(
        backend=backend,
        version=version,
        options=deciding,
        model=model.name,
        place=", ".join(addresses) or model.location,
        files=files,
    )


def fingerprint(path: Path) -> str:
    """A hash over the content of the file `path`, or of all files below it that are not hidden.

    Of files over `WHOLE_BYTES`, size, time of change and pieces from all over stand for the content: reading all of a
    model's weights takes minutes.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, file in _files(path):
        with file.open("rb") as stream:
            facts = os.fstat(stream.fileno())
            digest.update(os.fsencode(name) + b"\0%d\0" % facts.st_size)
            if facts.st_size <= WHOLE_BYTES:
                digest.update(stream.read())
                continue
            digest.update(b"%d\0" % facts.st_mtime_ns)
            for piece in range(PIECES):
                stream.seek(piece * (facts.st_size - PIECE_BYTES) // (PIECES - 1))
                digest.update(stream.read(PIECE_BYTES))
    return digest.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """Name below `path` and path of each file, in order."""
    if path.is_file():
        yield "", path
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            if not name.startswith(".") and file.is_file():
                yield str(file.relative_to(path)), file


def _paths(options: dict[str, Any]) -> Iterator[str]:
    """What may be a path in the values of `options`: `adapter=DIR`, and `adapters=NAME=DIR` too."""
    for value in options.values():
        for text in value if isinstance(value, list | tuple) else (value,):
            if isinstance(text, str):
                yield from {text, text.partition("=")[2]}


def _snapshot(name: str, options: PartOptions) -> Path | None:
    """The folder with the weights of the hub id `name` on this machine, if there is one."""
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, revision=getattr(options, "revision", None), local_files_only=True))
    except Exception:  # not installed, not a hub id, not on this machine: the library raises its own kinds
        return None


def _address(url: str) -> str:
    """`url` without credentials, however it was written."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2].lower()
    return parts._replace(scheme=parts.scheme.lower(), netloc=host, path=parts.path.rstrip("/"), fragment="").geturl()
