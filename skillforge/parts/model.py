"""Model: a named set of weights with its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from skillforge.parts.part import Part
from skillforge.parts.sampling import Sampling


class ModelRef(msgspec.Struct, frozen=True):
    """A model as a backend is told of it: `name` (what a server calls it) and `location` (folder or hub id of the weights)."""

    name: str
    location: str


class Model(Part):
    """Weights (a folder or a hub id) with the prompt style, sampling and backend that fit them."""

    kind = "model"

    aliases: tuple[str, ...] = ()
    """Other names under which `--model` finds it: the hub id of its weights, and then any others."""

    default_prompt: str | None = None
    default_sampling: Sampling = Sampling()
    default_backend: str | None = None
    default_backend_options: Mapping[str, Any] = {}

    embedded: bool = False
    """Whether the weights lie in the package itself, so that it serves where the user names no model."""

    def location(self) -> str:
        """Folder or hub id of the weights; the first of `aliases`, unless a model says otherwise."""
        if not self.aliases:
            raise NotImplementedError
        return self.aliases[0]
