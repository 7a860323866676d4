"""Programs: what of llama.cpp is on this machine, and how `skillforge serve` starts a server."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skillforge import Finding, Server, Target, UsageError
from skillforge_llama_cpp.library import INSTALL_LIBRARY, gguf_file

if TYPE_CHECKING:
    from skillforge_llama_cpp import LlamaCppOptions

LLAMA_SERVER = "llama-server"
_PARTS_OF_PYTHON_SERVER = ("llama_cpp", "fastapi", "uvicorn", "sse_starlette")
_INSTALL_SERVER = "build llama.cpp, or install its package, so that llama-server is on the PATH"


def server(target: Target, options: LlamaCppOptions, host: str, port: int) -> Server:
    """llama-server, or where it is not there llama-cpp-python's. Raises UsageError where neither is."""
    path = gguf_file(target)
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    command: tuple[str, ...]
    name = Path(target.model.name).name.removesuffix(".gguf")
    given = {"--model": str(path), "--host": host, "--port": str(port)}
    if program := shutil.which(LLAMA_SERVER):
        given |= {"--alias": name} | _given(options, "--ctx-size", "--gpu-layers", "--threads")
        command, health = (program,), f"{where}/health"
    elif all(importlib.util.find_spec(module) for module in _PARTS_OF_PYTHON_SERVER):
        # It would break off the answer that it writes as soon as another request comes.
        given |= {"--model_alias": name, "--interrupt_requests": "false", "--n_ctx": "0", "--n_gpu_layers": "-1"}
        given |= _given(options, "--n_ctx", "--n_gpu_layers", "--n_threads")
        command, health = (sys.executable, "-m", "llama_cpp.server"), f"{where}/v1/models"
    else:
        raise UsageError(
            "neither llama-server nor llama-cpp-python's server is installed",
            f"{_INSTALL_SERVER}; or {INSTALL_LIBRARY}",
        )
    arguments = (part for pair in given.items() for part in pair)
    return Server(command=(*command, *arguments), base_url=f"{where}/v1", health=health, model=name)


def _given(options: LlamaCppOptions, context: str, gpu_layers: str, threads: str) -> dict[str, str]:
    """The options that are set, by what the program calls them."""
    values = {context: options.context, gpu_layers: options.gpu_layers, threads: options.threads}
    return {flag: str(value) for flag, value in values.items() if value is not None}


def findings() -> Sequence[Finding]:
    """llama-server and llama-cpp-python, as found."""
    program = shutil.which(LLAMA_SERVER)
    library = importlib.util.find_spec("llama_cpp") is not None
    return (
        Finding("client", "ok", "servers elsewhere can be asked"),
        Finding(LLAMA_SERVER, "ok", program)
        if program
        else Finding(LLAMA_SERVER, "weak", "not on the PATH: `skillforge serve` cannot start it", _INSTALL_SERVER),
        Finding("llama-cpp-python", "ok", "GGUF files run in this process")
        if library
        else Finding("llama-cpp-python", "weak", "no GGUF file runs in this process", INSTALL_LIBRARY),
    )
