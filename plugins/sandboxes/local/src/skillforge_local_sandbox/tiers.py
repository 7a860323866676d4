"""How strong a sandbox this machine gives, found out by trying."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import msgspec

from skillforge import Finding, SandboxUnusable
from skillforge_local_sandbox.interpreter import command

LANDLOCK_WITH_SIGNALS = 6
"""The Landlock version that keeps signals inside, without which it is no wall by itself."""

_PROBE = "import json, sys; from skillforge_sandbox_jail.probe import probe; print(json.dumps(probe()._asdict()))"
_PROBE_LIMIT = 20.0

_NAMESPACES_FIX = (
    "allow user namespaces: `sysctl -w user.max_user_namespaces=10000`, on Ubuntu also "
    "`sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`; in a container, run it with "
    "`--security-opt seccomp=unconfined --security-opt systempaths=unconfined`"
)
_LANDLOCK_FIX = "boot a kernel from 5.13 on, 6.12 for all of it, with 'landlock' in its `lsm=` list"
_SECCOMP_FIX = "use a kernel with CONFIG_SECCOMP_FILTER, on x86-64 or aarch64"


class Walls(msgspec.Struct, frozen=True):
    """What can be put between a session and the machine. `namespaces` is empty, or why there are none."""

    namespaces: str
    landlock: int
    seccomp: bool

    @property
    def tier(self) -> int:
        """3: all walls; 2: a filter of system calls, and another wall; 1: limits only."""
        if not self.seccomp:
            return 1
        if not self.namespaces and self.landlock:
            return 3
        return 2 if not self.namespaces or self.landlock >= LANDLOCK_WITH_SIGNALS else 1


def find_walls(python: str) -> Walls:
    """What `python` may use here. Raises SandboxUnusable where it cannot be started."""
    if sys.platform != "linux":
        raise SandboxUnusable("the sandbox 'local' needs Linux", "use the sandbox 'docker' or 'http'")
    try:
        done = subprocess.run(command(python, _PROBE), capture_output=True, timeout=_PROBE_LIMIT)
        return msgspec.json.decode(done.stdout, type=Walls)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxUnusable(
            f"cannot start {python}: {error}", "set sandbox.python to a Python 3.11 or later"
        ) from error
    except msgspec.DecodeError as error:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise SandboxUnusable(f"{python} cannot find out what the kernel allows: {last}", "report it") from error


def require(walls: Walls, minimum: int) -> None:
    """Raise SandboxUnusable where `walls` are fewer than tier `minimum` asks for."""
    if walls.tier < minimum:
        lacking = [finding for finding in _findings(walls) if finding.state != "ok" and finding.fix]
        what = "; ".join(f"{finding.name}: {finding.detail}" for finding in lacking)
        fixes = "; or ".join(finding.fix for finding in lacking)
        raise SandboxUnusable(
            f"this machine gives a sandbox of tier {walls.tier}, and sandbox.minimum_tier is {minimum} ({what})", fixes
        )


def diagnose() -> Sequence[Finding]:
    """The walls for `skillforge doctor`."""
    try:
        walls = find_walls(sys.executable)
    except SandboxUnusable as error:
        return (Finding("sandbox", "missing", error.what, error.fix or ""),)
    if walls.tier == 3:
        return (Finding("tier", "ok", "3 of 3"), *_findings(walls))
    fix = f"what the next lines say; or set sandbox.minimum_tier={walls.tier} and do with less"
    return (Finding("tier", "missing", f"{walls.tier} of 3", fix), *_findings(walls))


def _findings(walls: Walls) -> tuple[Finding, ...]:
    return (
        Finding("namespaces", "missing", walls.namespaces, _NAMESPACES_FIX)
        if walls.namespaces
        else Finding("namespaces", "ok", "user, pid, mount, network, ipc, uts"),
        Finding("Landlock", "ok", f"version {walls.landlock}")
        if walls.landlock >= LANDLOCK_WITH_SIGNALS
        else Finding("Landlock", "weak" if walls.landlock else "missing", f"version {walls.landlock}", _LANDLOCK_FIX),
        Finding("seccomp", "ok", "filter of system calls")
        if walls.seccomp
        else Finding("seccomp", "missing", "no filters, or an unknown architecture", _SECCOMP_FIX),
    )
