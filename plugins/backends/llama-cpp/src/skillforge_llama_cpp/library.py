"""Library: llama.cpp in this process, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from skillforge import BackendUnusable, Client, Completion, Request, Target, UsageError

if TYPE_CHECKING:
    from skillforge_llama_cpp import LlamaCppOptions
    from skillforge_llama_cpp.generation import Generation

CAPABILITIES = frozenset(
    {
        "chat", "text", "continue", "stream", "temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "seed",
        "repetition_penalty", "presence_penalty", "frequency_penalty", "token_ids",
    }
)  # fmt: skip
"""No log-probabilities: for them the library keeps the logits of the whole context and vocabulary. No schemas: llama.cpp ends
the process where no token of the model fits a grammar."""

INSTALL_LIBRARY = "pip install 'skillforge-llama-cpp[library]', which compiles llama.cpp"


def gguf_file(target: Target) -> Path:
    """The file of the model. Raises UsageError where it is none."""
    path = Path(target.model.location or "").expanduser()
    if not path.is_file():
        raise UsageError(
            f"{target.model.name} is not a GGUF file",
            "give --model FILE.gguf; a server that runs is asked with eval --base-url http://HOST:PORT/v1",
        )
    return path.resolve()


def require_library() -> None:
    """Raises BackendUnusable where llama-cpp-python is not installed."""
    if importlib.util.find_spec("llama_cpp") is None:
        raise BackendUnusable(
            "llama-cpp-python, which runs GGUF files in this process, is not installed",
            f"{INSTALL_LIBRARY}, or give --base-url of a llama-server",
        )


@contextlib.asynccontextmanager
async def open_library(target: Target, options: LlamaCppOptions) -> AsyncIterator[Client]:
    """Load the model of `target` and give its client; on leaving, end what runs and free the memory."""
    path = gguf_file(target)
    require_library()
    thread = ThreadPoolExecutor(1, "llama-cpp")
    loop = asyncio.get_running_loop()
    try:
        generation = await loop.run_in_executor(thread, _load, path, options)
        try:
            yield LibraryClient(generation, thread, target.model.name)
        finally:
            await loop.run_in_executor(thread, generation.close)
    finally:
        thread.shutdown(wait=False, cancel_futures=True)


def preview(request: Request, target: Target, options: LlamaCppOptions) -> str:
    """The prompt as the model reads it."""
    path = gguf_file(target)
    require_library()
    from skillforge_llama_cpp.generation import load
    from skillforge_llama_cpp.texts import Texts

    # It has no way to leave the weights where they are; of a file that is mapped, they are read when they are used.
    llama = load(path, context=8, gpu_layers=0)
    with contextlib.closing(llama):
        return Texts(llama, path.name).render(request.prompt)


def _load(path: Path, options: LlamaCppOptions) -> Generation:
    from skillforge_llama_cpp.generation import Generation

    return Generation(path, options)


class LibraryClient(Client):
    """A loaded model, which takes one request after the other."""

    default_concurrency = 1

    def __init__(self, generation: Generation, thread: ThreadPoolExecutor, name: str) -> None:
        self._generation = generation
        self._thread = thread
        self._name = name

    def capabilities(self) -> frozenset[str]:
        return CAPABILITIES

    async def models(self) -> Sequence[str]:
        return (self._name,)

    async def context_length(self) -> int:
        return self._generation.context

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """Wait for the thread, and for what it makes of the request. Cancelled, the request ends at its next token."""
        loop = asyncio.get_running_loop()
        over = threading.Event()

        def tell(piece: str) -> None:
            if on_text is not None and not over.is_set():
                on_text(piece)

        def hand_over(piece: str) -> None:
            loop.call_soon_threadsafe(tell, piece)

        try:
            return await loop.run_in_executor(self._thread, self._generation.complete, request, hand_over, over)
        finally:
            over.set()
