"""The arguments of `vllm serve`, which its engine takes too."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from skillforge import Target, UsageError

if TYPE_CHECKING:
    from skillforge_vllm import VllmOptions

_OURS = {
    "--host": "leave it out",
    "--port": "leave it out: a free one is chosen",
    "--served-model-name": "leave it out: it is what --model says",
    "--tensor-parallel-size": "use -o backend.gpus=N",
    "-tp": "use -o backend.gpus=N",
    "--api-key": "put the key into the environment variable VLLM_API_KEY, where no other user sees it",
}
"""Arguments that are chosen here, or must not be seen, with what to do instead."""


def engine_arguments(options: VllmOptions) -> list[str]:
    """What the options say to the engine. Raises UsageError for `server_args` that cannot be."""
    gpus = [] if options.gpus is None else ["--tensor-parallel-size", str(options.gpus)]
    return gpus + _given(options.server_args or "")


def environment(target: Target) -> dict[str, str]:
    """Variables that vLLM gets.

    No modules from the folder that it happens to be started in; no word about us to its makers; no look at the hub for
    weights that lie in a folder.
    """
    in_folder = {"HF_HUB_OFFLINE": "1"} if Path(target.model.location).is_dir() else {}
    return {"PYTHONSAFEPATH": "1", "VLLM_NO_USAGE_STATS": "1", **in_folder}


def _given(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"the option 'backend.server_args' cannot be split into words ({error})", "quote it") from None
    for word in words:
        name = word.partition("=")[0].replace("_", "-")
        if name in _OURS:
            raise UsageError(f"the option 'backend.server_args' sets {name}", _OURS[name])
    return words
