"""What of vLLM's needs this machine has, without importing it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from skillforge import Finding
from skillforge_vllm.installation import find_python, version_in

_NVIDIA_SECONDS = 10.0


def diagnosis() -> Sequence[Finding]:
    """Which vLLM is started here, and what it would run on."""
    python = find_python()
    version = version_in(python) if python else None
    if not python or not version:
        detail = "not installed here: a server that runs elsewhere is used with --base-url"
        fix = "pip install vllm in an environment of its own, and give -o backend.python=ENVIRONMENT/bin/python"
        return (Finding("vLLM", "weak", detail, fix), _gpus())
    return (Finding("vLLM", "ok", f"{version}, run by {python}"), _gpus(for_cpu="cpu" in version))


def _gpus(for_cpu: bool = False) -> Finding:
    names = _nvidia_gpus()
    if names:
        return Finding("GPU", "ok", ", ".join(names))
    if for_cpu:
        return Finding("GPU", "ok", "none, and this vLLM is built for the CPU")
    return Finding("GPU", "weak", "no NVIDIA GPU was found", "use a machine with a GPU, or a vLLM built for the CPU")


def _nvidia_gpus() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        told = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=_NVIDIA_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in told.stdout.splitlines() if line.strip()]
