"""Links: a Triton server through gRPC or HTTP, with the same calls."""

from __future__ import annotations

import abc
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from skillforge_trtllm.interface import Tensor

Outputs = Mapping[str, list[Any]]
"""Output name -> its values in one row; texts as str."""


class LinkError(Exception):
    """The server refused, or did not answer. `code` is the name of a gRPC status, whichever way it came."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Link(abc.ABC):
    """An open connection. Every call raises LinkError."""

    @abc.abstractmethod
    async def ready(self, model: str, timeout: float) -> bool:
        """Whether `model` takes requests."""

    @abc.abstractmethod
    async def models(self, timeout: float) -> list[str]:
        """Names of the models that are ready."""

    @abc.abstractmethod
    async def describe(self, model: str, timeout: float) -> tuple[dict[str, Any], dict[str, Any]]:
        """The metadata and the configuration of `model`."""

    @abc.abstractmethod
    async def ask(self, model: str, tensors: Sequence[Tensor], outputs: Sequence[str]) -> Outputs:
        """The one response of a model that is not decoupled."""

    @abc.abstractmethod
    def stream(self, model: str, tensors: Sequence[Tensor], outputs: Sequence[str]) -> AsyncGenerator[Outputs, None]:
        """The responses of a decoupled model. Closing it early ends the request on the server."""
