"""Catalog: what a server's list of models tells of them, in the forms that servers give it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec

_LIMITED = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty",
        "repetition_penalty", "logprobs", "tools",
    }
)  # fmt: skip
"""Capabilities that OpenRouter lists by these names where a model has them."""

_SCHEMA = frozenset({"structured_outputs", "response_format"})


class _Meta(msgspec.Struct):
    n_ctx: int | None = None
    n_ctx_train: int | None = None


class Listed(msgspec.Struct):
    """A model in the list."""

    id: str
    parent: str | None = None
    """The model that an adapter belongs to (vLLM)."""

    max_model_len: int | None = None
    """vLLM, SGLang."""

    context_length: int | None = None
    """OpenRouter, Together."""

    context_window: int | None = None
    """Groq."""

    max_context_length: int | None = None
    """Mistral, LM Studio."""

    meta: _Meta | None = None
    """llama.cpp."""

    supported_parameters: tuple[str, ...] | None = None
    """OpenRouter."""

    @property
    def context(self) -> int | None:
        """Tokens of prompt and answer together."""
        meta = self.meta or _Meta()
        told = (self.max_model_len, self.context_length, self.context_window, self.max_context_length, meta.n_ctx)
        return next((number for number in (*told, meta.n_ctx_train) if number and number > 0), None)


class _Catalog(msgspec.Struct):
    data: list[Listed]


class _Names(msgspec.Struct):
    id: str


class _NamesOnly(msgspec.Struct):
    data: list[_Names]


def read_catalog(body: bytes) -> list[Listed]:
    """The models in the body of GET /models; none where it is not such a list."""
    try:
        return msgspec.json.decode(body, type=_Catalog).data
    except (ValueError, RecursionError):
        pass
    try:
        return [Listed(model.id) for model in msgspec.json.decode(body, type=_NamesOnly).data]
    except (ValueError, RecursionError):
        return []


def entry_of(model: str, catalog: Sequence[Listed]) -> Listed | None:
    """What the list tells of `model`; of an adapter that is told without its length, its model's."""
    found = next((listed for listed in catalog if means(listed.id, model)), None)
    if found is None or found.context is not None or found.parent is None:
        return found
    return next((listed for listed in catalog if listed.id == found.parent), found)


def means(listed: str, model: str) -> bool:
    """Whether a server that lists `listed` takes `model`: Ollama adds a tag, Gemini a folder, LiteLLM lists patterns."""
    return listed in (model, f"{model}:latest", f"models/{model}") or ("*" in listed and fnmatchcase(model, listed))


def lacking(listed: Listed | None) -> frozenset[str]:
    """Capabilities that this model has not, where the list tells."""
    if listed is None or listed.supported_parameters is None:
        return frozenset()
    there = frozenset(listed.supported_parameters)
    without = _LIMITED - there
    return without if there & _SCHEMA else without | {"json_schema"}
