"""`trtllm-serve`: how it is started, and what this machine has for this backend."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from skillforge import Finding, Server, Target, UsageError
from skillforge.options import refuse_useless
from skillforge.server_command import find_program, url_of, weights_of

if TYPE_CHECKING:
    from skillforge_trtllm import TrtllmOptions

_PROGRAM = "trtllm-serve"
_INSTALL = "install TensorRT-LLM (pip install tensorrt_llm; it needs an NVIDIA GPU), or use its container"


def server(target: Target, options: TrtllmOptions, host: str, port: int) -> Server:
    """trtllm-serve with its defaults, as documented for TensorRT-LLM 0.18 to 1.2. Raises UsageError where it is not there."""
    program = find_program(_PROGRAM)
    if program is None:
        raise UsageError(f"the program {_PROGRAM} is not here", _INSTALL)
    refuse_useless(options, ("model_name", "timeout"), "backend.", "for `skillforge serve`")
    if ":" in host:
        raise UsageError(f"{_PROGRAM} listens on IPv4 addresses only", "choose another --host")
    model = weights_of(target)
    url = url_of(host, port)
    return Server(
        command=(program, model, "--host", host, "--port", str(port)),
        base_url=f"{url}/v1",
        health=f"{url}/health",
        model=Path(model).name if Path(model).is_dir() else model,  # it calls a folder by its last part
    )


def diagnose() -> Iterator[Finding]:
    """The client library for Triton, and the server's program."""
    if all(map(find_spec, ("tritonclient", "grpc"))):
        yield Finding("tritonclient", "ok", "with gRPC and HTTP, for Triton servers")
    else:
        yield Finding("tritonclient", "missing", "not installed with gRPC", 'pip install "tritonclient[grpc]"')
    if program := find_program(_PROGRAM):
        yield Finding(_PROGRAM, "ok", program)
    else:
        yield Finding(_PROGRAM, "weak", "not here: servers elsewhere can be asked, and none started", _INSTALL)
