"""What the supervisor tells a zygote about the sessions that it is to make."""

from __future__ import annotations

from typing import NamedTuple


class Settings(NamedTuple):
    """All of a pool's sessions are alike. Goes as JSON from one side to the other."""

    namespaces: bool
    """Whether sessions get namespaces and a root of their own; else only what Landlock and seccomp hold back."""

    landlock: int
    """The Landlock version to use; 0: none."""

    seccomp: bool
    libraries: list[str]
    """Folders of the interpreter that sessions see, read-only, besides the system's."""

    preload: list[str]
    """Modules that every session finds imported."""

    prelude: str
    """Code whose names every session begins with."""

    memory: int
    """Bytes that a session's processes may hold together."""

    address_space: int
    """Bytes that each of its processes may map."""

    processes: int
    open_files: int
    disk: int
    """Bytes of the session's file system, which lives in memory."""

    inodes: int
    cgroups: str
    """A folder of cgroups to remove in the end; empty: there are none."""

    scratch: str
    """Where session folders are made if there are no namespaces."""
