"""Generation: a loaded GGUF file, one request after the other. llama_cpp is imported here, and in `texts`."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import llama_cpp

from skillforge import (
    BackendUnusable,
    Completion,
    ContextOverflow,
    ReasoningTags,
    Request,
    RequestFailed,
    RequestRefused,
)
from skillforge.text import one_line
from skillforge_llama_cpp.answer import Answer
from skillforge_llama_cpp.texts import Texts
from skillforge_openai.discreet import discreet
from skillforge_openai.visible import Visible

if TYPE_CHECKING:
    from skillforge_llama_cpp import LlamaCppOptions

DEFAULT_MAX_TOKENS = 1024
_SEEDS = 2**32 - 1  # the highest number of 32 bits asks llama.cpp for a random seed
_ALL_LAYERS = -1
_LEAD = 16  # so many tokens at the end of a prompt hold a tag that opens reasoning
TAGS = ("<think>", "</think>")
REASONING = ReasoningTags(",".join(TAGS))
_ARGUMENTS = {
    "temperature": "temp",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}
"""Settings of Sampling by the names that `Llama.generate` has for them. Those left out have llama.cpp's defaults there."""


class Generation:
    """A model. Not safe for threads: one thread makes it, uses it and closes it."""

    def __init__(self, path: Path, options: LlamaCppOptions) -> None:
        """Load the file. Raises BackendUnusable."""
        self._llama = load(path, options.context, options.gpu_layers, options.threads)
        self._texts = Texts(self._llama, path.name)
        self._reuses = options.cache_prompt
        self._vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
        self.context: int = self._llama.n_ctx()

    def close(self) -> None:
        """Free the memory."""
        self._llama.close()

    def complete(self, request: Request, tell: Callable[[str], None], cancelled: threading.Event) -> Completion:
        """Make one completion; `tell` gets its text in pieces. Once `cancelled` is set it ends at the next token.

        Raises ContextOverflow for a prompt that fills the context, RequestRefused or UsageError for one that cannot be sent.
        """
        started = time.perf_counter()
        sampling = request.sampling
        prompt_ids = list(request.prompt_ids or self._texts.encode(request.prompt))
        room = self._room(len(prompt_ids))
        limit = min(sampling.max_tokens or DEFAULT_MAX_TOKENS, room)
        opened = REASONING.opened_by(self._texts.decode(prompt_ids[-_LEAD:]))
        visible = Visible(tell, () if request.whole else TAGS, opened)
        answer = Answer(sampling.stop, visible.add)
        tokens: list[int] = []
        first_token: float | None = None
        ended_itself = False
        for token in self._tokens(request, prompt_ids):
            first_token = first_token or time.perf_counter() - started
            tokens.append(token)
            ended_itself = llama_cpp.llama_vocab_is_eog(self._vocab, token)
            if not ended_itself:
                answer.add(self._llama.detokenize([token]))
            if ended_itself or answer.stop is not None or len(tokens) >= limit or cancelled.is_set():
                break
        answer.end()
        stopped = ended_itself or answer.stop is not None
        reasoning, text, closed = (None, answer.text, True) if request.whole else REASONING.split(answer.text, opened)
        visible.end(text)
        return Completion(
            text=text,
            reasoning=reasoning,
            finish_reason="stop" if stopped and closed else "length",
            stop=answer.stop or ("" if ended_itself else None),
            prompt_tokens=len(prompt_ids),
            completion_tokens=len(tokens),
            prompt_ids=tuple(prompt_ids) if sampling.token_ids else None,
            token_ids=tuple(tokens) if sampling.token_ids else None,
            first_token=first_token,
        )

    def _room(self, prompt: int) -> int:
        if prompt == 0:
            raise RequestRefused("the prompt is empty: it has no tokens", "give the model something to continue")
        if prompt >= self.context:
            raise ContextOverflow(
                f"the prompt has {prompt} tokens and the model's context {self.context}: there is no room to answer",
                "shorten the prompt (fewer few-shot examples), or raise -o backend.context",
                room=0,
            )
        return self.context - prompt

    def _tokens(self, request: Request, prompt_ids: list[int]) -> Iterator[int]:
        """Token after token, without an end. Raises RequestFailed where llama.cpp fails."""
        sampling = request.sampling
        given = {argument: getattr(sampling, name) for name, argument in _ARGUMENTS.items()}
        if not self._reuses:
            self._llama.reset()
        self._llama.set_seed(secrets.randbits(31) if request.seed is None else request.seed % _SEEDS)
        try:
            yield from self._llama.generate(
                prompt_ids, **{name: value for name, value in given.items() if value is not None}
            )
        except RuntimeError as error:
            self._llama.reset()
            raise RequestFailed(f"llama.cpp failed ({one_line(str(error))})") from error


def load(path: Path, context: int | None, gpu_layers: int | None, threads: int | None = None) -> llama_cpp.Llama:
    """Load `path`. Raises BackendUnusable."""
    # One number for prompts and answers: threads that have to wait for a core cost far more than they give.
    threads = threads or max(1, (os.cpu_count() or 1) // 2)
    try:
        return llama_cpp.Llama(
            str(path),
            n_ctx=context or 0,
            n_gpu_layers=_ALL_LAYERS if gpu_layers is None else gpu_layers,
            n_threads=threads,
            n_threads_batch=threads,
            verbose=False,
        )
    except Exception as error:
        raise BackendUnusable(
            f"cannot load {path.name} ({type(error).__name__}: {discreet(one_line(str(error)))})",
            "check that it is a whole GGUF file; where memory is short, lower -o backend.context",
        ) from error
