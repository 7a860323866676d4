"""Export-Deploy's Ray Serve script: how it is started, and what of NeMo this machine has."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from skillforge import Finding, Server, Target, UsageError
from skillforge.options import refuse_useless
from skillforge.server_command import url_of, weights_of

if TYPE_CHECKING:
    from skillforge_nemo_backend import NemoOptions

_FOLDER = "EXPORT_DEPLOY"
"""Environment variable with the folder of a checkout of Export-Deploy."""

_IN_CONTAINER = "/opt/Export-Deploy"
_SCRIPTS = ("scripts/deploy/llm/automodel/deploy_ray.py", "scripts/deploy/nlp/deploy_ray_hf.py")
"""What serves models in Hugging Face's format: today, and in 2025."""

_GET = f"work in NVIDIA's NeMo container, or name a checkout of Export-Deploy in {_FOLDER}"


def server(target: Target, options: NemoOptions, host: str, port: int) -> Server:
    """Export-Deploy's script as its documentation calls it, with one GPU. Raises UsageError where it is not there."""
    if options.protocol == "classic":
        raise UsageError("the classic NeMo server is not started from here", "leave -o backend.protocol=classic out")
    refuse_useless(options, ("batch_size", "timeout", "api_key_env"), "backend.", "for `skillforge serve`")
    script, python = _script(), _python()
    if script is None or python is None:
        raise UsageError("NeMo's deploy script is not here", _GET)
    model = weights_of(target)
    name = Path(model).name if Path(model).is_dir() else model
    url = url_of(host, port)
    return Server(
        command=(
            python, str(script), "--model_path", model, "--model_id", name, "--host", host, "--port", str(port),
            "--cuda_visible_devices", os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0],
        ),
        base_url=f"{url}/v1",
        health=f"{url}/v1/health",
        model=name,
    )  # fmt: skip


def diagnose() -> Iterator[Finding]:
    """The client needs nothing; what servers could be started is told."""
    yield Finding("client", "ok", "servers elsewhere can be asked")
    script = _script()
    if script is None:
        yield Finding("Export-Deploy", "weak", "its deploy script is not here, so that no server can be started", _GET)
    elif find_spec("nemo_deploy") is None:
        yield Finding("Export-Deploy", "ok", f"{script}; nemo_deploy is left to the python that PATH leads to")
    else:
        yield Finding("Export-Deploy", "ok", str(script))


def _script() -> Path | None:
    folder = Path(os.environ.get(_FOLDER) or _IN_CONTAINER)
    return next((folder / script for script in _SCRIPTS if (folder / script).is_file()), None)


def _python() -> str | None:
    """The interpreter that has NeMo: this one where it has, else the one of the container."""
    return sys.executable if find_spec("nemo_deploy") else shutil.which("python")
