"""What the sandbox `docker` finds on this machine, for `skillforge doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skillforge import Finding, SandboxUnusable
from skillforge_docker_sandbox import image
from skillforge_docker_sandbox.engine import connect, faults


def diagnose(name: str) -> Sequence[Finding]:
    """Whether an engine answers, what it can enforce, and whether it has the image `name`."""
    return tuple(_findings(name))


def _findings(name: str) -> Iterator[Finding]:
    try:
        client = connect()
        with faults("asking the Docker engine what it can do"):
            info = client.info()
    except SandboxUnusable as error:
        yield Finding("Docker engine", "missing", error.what, error.fix or "")
        return
    cgroups = f"control groups version {info.get('CgroupVersion', '1')}"
    yield Finding("Docker engine", "ok", f"{info['ServerVersion']}, {info.get('Architecture', '?')}, {cgroups}")
    lacking = [what for what, key in _LIMITS.items() if not info.get(key)]
    yield Finding(
        "limits",
        "weak" if lacking else "ok",
        f"the engine does not limit {', '.join(lacking)}" if lacking else ", ".join(_LIMITS),
        "enable the control groups for it on the engine's machine" if lacking else "",
    )
    if not any("seccomp" in option for option in info.get("SecurityOptions") or ()):
        yield Finding(
            "seccomp", "weak", "the engine filters no system calls", "use a kernel with CONFIG_SECCOMP_FILTER"
        )
    try:
        image.require(client, name)
        yield Finding("image", "ok", name)
    except SandboxUnusable as error:
        yield Finding("image", "missing", error.what, error.fix or "")


_LIMITS = {"memory": "MemoryLimit", "processes": "PidsLimit", "cores": "CpuCfsQuota"}
