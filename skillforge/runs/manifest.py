"""run.json: what a run is, and how far it got."""

from __future__ import annotations

import platform
import time
from pathlib import Path
from typing import Any, Literal

import msgspec

from skillforge import __version__
from skillforge.data import DataRead
from skillforge.errors import SkillForgeError, UsageError
from skillforge.runs.rows import to_json, write_atomically
from skillforge.text import one_line

RunState = Literal["running", "interrupted", "failed", "finished"]


class Manifest(msgspec.Struct, kw_only=True):
    """The content of run.json. Holds no secret: keys stay in the environment, and addresses lose their user part."""

    format: int = 1
    command: str
    state: RunState = "running"
    error: str | None = None
    """Why the run failed, where state is `failed`."""

    created_at: float = msgspec.field(default_factory=time.time)
    """Unix time in seconds."""

    wall_seconds: float = 0.0
    """Time spent so far, over all resumptions."""

    settings: dict[str, Any]
    """What the user set; a resumed run starts from these."""

    resolved: dict[str, Any]
    """All settings with defaults filled in."""

    identity: dict[str, Any]
    """What decides the results: a run is only continued with the same."""

    data: list[DataRead] = []
    prompt_sha256: str | None = None
    plugins: dict[str, str] = {}
    """Id of each part -> version of its package."""

    generated_by: list[dict[str, str]] = []
    """Name -> version of the software that generated, as far as it was told; a further one where a resumed run met others."""

    skillforge: str = __version__
    python: str = platform.python_version()
    platform: str = platform.platform()


def manifest_path(directory: Path) -> Path:
    return directory / "run.json"


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the run in `directory`. Raises UsageError where there is none."""
    path = manifest_path(directory)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise UsageError(
            f"{directory} is not a run (it has no run.json)", "'skillforge runs list' shows the runs"
        ) from None
    except NotADirectoryError:
        raise UsageError(f"{directory} is not a folder", "name a run's folder") from None
    except OSError as error:
        raise SkillForgeError(f"cannot read {path}: {error.strerror}", "check the permissions") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SkillForgeError(f"{path}: not a valid manifest ({one_line(str(error))})", "restore the file") from error


def write_manifest(directory: Path, manifest: Manifest) -> None:
    write_atomically(manifest_path(directory), to_json(manifest))


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """The leaves in which two identities differ, each as `name: old -> new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            line
            for name in sorted(old.keys() | new.keys())
            for line in differences(old.get(name), new.get(name), f"{prefix}.{name}" if prefix else name)
        ]
    return [] if old == new else [f"{prefix}: {_show(old)} -> {_show(new)}"]


def _show(value: Any) -> str:
    return one_line(msgspec.json.encode(value).decode("utf-8"), 80)
