"""`transformers serve`: how it is started, and what this machine has for this backend."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from skillforge import Finding, Server, Target, UsageError
from skillforge.options import describe, refuse_useless
from skillforge.server_command import find_program, url_of, weights_of

if TYPE_CHECKING:
    from skillforge_transformers import TransformersOptions

_INSTALL = 'pip install "transformers[serving]"'
_SERVING = ("fastapi", "uvicorn", "openai", "pydantic")
"""Modules that `transformers serve` needs besides the library."""

_CARRIED = frozenset({"device", "dtype", "threads", "attn_implementation", "trust_remote_code", "revision"})
"""Options that the server has too."""

_DEVICES_SECONDS = 12.0


def server(target: Target, options: TransformersOptions, host: str, port: int) -> Server:
    """`transformers serve` with one model. Raises UsageError where it is not installed or cannot do what is asked."""
    program = find_program("transformers")
    if program is None or not all(map(importlib.util.find_spec, _SERVING)):
        raise UsageError("'transformers serve' is not installed with all that it needs", f"install it: {_INSTALL}")
    lost = {field.name for field in describe(type(options))} - _CARRIED
    refuse_useless(options, lost, "backend.", "for 'transformers serve'")
    model = weights_of(target)
    arguments = ["--host", host, "--port", str(port), "--device", options.device, "--dtype", options.dtype]
    if options.attn_implementation is not None:
        arguments += ["--attn-implementation", options.attn_implementation]
    if options.trust_remote_code:
        arguments.append("--trust-remote-code")
    environment = {} if options.threads is None else {"OMP_NUM_THREADS": str(options.threads)}
    if Path(model).is_dir():
        _refuse_folder(model, options)
        # Its list of models is that of the hub's cache, in which a folder is not: an empty cache tells no untruth.
        environment |= {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": model}
    elif options.revision is not None:
        model = f"{model}@{options.revision}"
    url = url_of(host, port)
    return Server(
        command=(program, "serve", model, *arguments),
        env=environment,
        base_url=f"{url}/v1",
        health=f"{url}/health",
        model=model,
    )


def _refuse_folder(model: str, options: TransformersOptions) -> None:
    if options.revision is not None:
        raise UsageError(
            f"option 'backend.revision' is for models from the hub, and {model} is a folder", "leave it out"
        )
    if "@" in model:
        raise UsageError(f"'transformers serve' cannot read {model}, because of the @ in it", "rename the folder")


# ---------------------------------------------------------------------------------------------------------------
# What this machine has
# ---------------------------------------------------------------------------------------------------------------


def diagnose() -> Iterator[Finding]:
    """Versions, devices, and the libraries that some options need."""
    lacking = [name for name in ("torch", "transformers") if _version(name) is None]
    for name in ("torch", "transformers"):
        if name in lacking:
            yield Finding(name, "missing", "not installed", f"pip install {name}")
        else:
            yield Finding(name, "ok", str(_version(name)))
    if "torch" not in lacking:
        yield _devices()
    for name, use in (("accelerate", "models over several GPUs"), ("peft", "LoRA adapters")):
        yield _optional(name, use)
    yield _optional("bitsandbytes", "quantization to 8 and 4 bits")
    if find_program("transformers") and all(map(importlib.util.find_spec, _SERVING)):
        yield Finding("server", "ok", "transformers serve is there, for skillforge serve --backend transformers")
    else:
        yield Finding("server", "weak", "transformers serve lacks libraries", _INSTALL)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _optional(name: str, use: str) -> Finding:
    found = _version(name)
    if found is None:
        return Finding(name, "weak", f"not installed: no {use}", f"pip install {name}")
    return Finding(name, "ok", f"{found}, for {use}")


_LOOK = """
import json, torch
found = []
if torch.cuda.is_available():
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        found.append([f"cuda:{index}", torch.cuda.get_device_name(index), free, total])
elif torch.backends.mps.is_available():
    found.append(["mps", "Apple GPU", 0, torch.mps.recommended_max_memory()])
print(json.dumps([torch.get_num_threads(), torch.version.cuda or torch.version.hip, found]))
"""


def _devices() -> Finding:
    """The GPUs that torch sees, asked in a process of its own: its import takes seconds, and drivers can hang."""
    try:
        looked = subprocess.run(
            [sys.executable, "-c", _LOOK], capture_output=True, text=True, timeout=_DEVICES_SECONDS, check=True
        )
        threads, toolkit, devices = json.loads(looked.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return Finding(
            "device", "weak", f"torch did not tell its devices within {_DEVICES_SECONDS:g} s", "try it again"
        )
    except (subprocess.CalledProcessError, OSError, ValueError, IndexError) as error:
        last = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1:]
        return Finding("device", "missing", f"torch cannot be used: {''.join(last)}", "install torch anew")
    if devices:
        told = (f"{place} {name}, {_gigabytes(free, total)}" for place, name, free, total in devices)
        return Finding("device", "ok", "; ".join(told))
    if toolkit is None:
        return Finding("device", "ok", f"CPU alone, {threads} threads: this torch was built without GPU support")
    return Finding(
        "device", "weak", f"CPU alone, {threads} threads: torch {toolkit} sees no GPU", "check the driver: nvidia-smi"
    )


def _gigabytes(free: int, total: int) -> str:
    gib = 2**30
    return f"{free / gib:.0f} of {total / gib:.0f} GiB free" if free else f"{total / gib:.0f} GiB"
