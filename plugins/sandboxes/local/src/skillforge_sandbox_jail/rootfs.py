"""The file system that sessions see: the system's programs, the interpreter, and next to nothing else, all read-only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from skillforge_sandbox_jail import linux

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/alternatives", "/etc/localtime")
DEVICES = ("null", "zero", "full", "random", "urandom")
WRITABLE = "/tmp"
"""The session's own file system."""

WORK = "/tmp/work"
"""Where a session's code finds itself."""

_BUILD = ("/sys", "/mnt", "/media", "/srv", "/opt")
"""Folders of which one is there everywhere; in the zygote's mount namespace the new root grows on it."""

_ACCOUNTS = {
    "passwd": "root:x:0:0::/:/bin/false\nsandbox:x:1000:1000::/tmp/work:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    "group": "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


def enter(libraries: Iterable[str]) -> None:
    """Build the root and go there, in a mount namespace of this process's own. Nothing else of the machine is left."""
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    root = next(path for path in _BUILD if os.path.isdir(path) and not os.path.islink(path))
    linux.mount("tmpfs", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=4m")
    for path in outermost([*SYSTEM, *SYSTEM_FILES, *libraries]):
        _show(path, root)
    _make_etc(Path(root))
    _make_dev(Path(root))
    for name in ("proc", "tmp"):
        (Path(root) / name).mkdir(exist_ok=True)
    linux.mount("proc", f"{root}/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    linux.pivot_root(root)
    linux.mount(
        "none", "/", None, linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV
    )


def outermost(paths: Iterable[str]) -> list[str]:
    """`paths` without those inside another one; the shorter first."""
    kept: list[str] = []
    for path in sorted({os.path.normpath(path) for path in paths}, key=len):
        if not any(path == outer or path.startswith(outer + "/") for outer in kept):
            kept.append(path)
    return kept


def mount_session(disk: int, inodes: int, libraries: Iterable[str]) -> None:
    """Inside a session's own mount namespace: its writable file system, and its own /proc."""
    hidden = [path for path in outermost(libraries) if path.startswith(WRITABLE + "/")]
    held = [os.open(path, os.O_PATH) for path in hidden]
    flags = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("tmpfs", WRITABLE, "tmpfs", flags, f"mode=700,size={disk},nr_inodes={inodes}")
    for path, place in zip(hidden, held, strict=True):
        os.makedirs(path)
        _bind(f"/proc/self/fd/{place}", path)
        os.close(place)
    os.mkdir(WORK)
    os.mkdir(f"{WRITABLE}/shm")
    try:
        linux.mount("proc", "/proc", "proc", flags | linux.MS_NOEXEC, "subset=pid")
    except OSError:  # a kernel before 5.8 has no subset
        linux.mount("proc", "/proc", "proc", flags | linux.MS_NOEXEC)


def _show(path: str, root: str) -> None:
    """The same path below `root`: a link as a link, a file or folder as a read-only view."""
    place = root + path
    if os.path.islink(path):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(os.readlink(path), place)
    elif os.path.isdir(path):
        os.makedirs(place, exist_ok=True)
        _bind(path, place)
    elif os.path.exists(path):
        os.makedirs(os.path.dirname(place), exist_ok=True)
        Path(place).touch()
        _bind(path, place)


def _bind(path: str, place: str) -> None:
    linux.mount(path, place, None, linux.MS_BIND | linux.MS_REC)
    try:
        linux.make_read_only(place)
        return
    except OSError:
        pass  # an older kernel: what is mounted below stays to Landlock
    read_only = linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV
    try:
        linux.mount("none", place, None, read_only)
    except PermissionError:  # flags that the mount has from outside must stay
        linux.mount("none", place, None, read_only | _kept_flags(place))


def _kept_flags(place: str) -> int:
    flags = os.statvfs(place).f_flag
    return flags & (linux.MS_NOEXEC | os.ST_NOATIME | os.ST_NODIRATIME | os.ST_RELATIME)


def _make_etc(root: Path) -> None:
    (root / "etc").mkdir(exist_ok=True)
    for name, text in _ACCOUNTS.items():
        (root / "etc" / name).write_text(text)


def _make_dev(root: Path) -> None:
    folder = root / "dev"
    folder.mkdir()
    for name in DEVICES:
        (folder / name).touch()
        linux.mount(f"/dev/{name}", str(folder / name), None, linux.MS_BIND)
    for name, target in {
        "shm": "/tmp/shm",
        "fd": "/proc/self/fd",
        "stdin": "fd/0",
        "stdout": "fd/1",
        "stderr": "fd/2",
    }.items():
        (folder / name).symlink_to(target)
