"""A model that a part asks, apart from the model under test: found by the part's options, with errors that name these."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from skillforge.errors import BackendUnusable, SkillForgeError, UsageError
from skillforge.options import assigned
from skillforge.parts.backend import Backend, Client, Target
from skillforge.parts.grader import ModelGraderOptions
from skillforge.parts.sampling import Sampling
from skillforge.pipeline.capabilities import lack_of
from skillforge.pipeline.resolve import Chosen, backend_for, find_model
from skillforge.pipeline.settings import check_address
from skillforge.registry import Registry


class Role(NamedTuple):
    """What a model is asked for, as messages say it."""

    who: str
    kind: str
    """The kind of the part that asks: its options name the model."""

    does: str

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Errors about the model say whose it is, and name the options of the part that asks."""
        try:
            yield
        except (UsageError, BackendUnusable) as error:
            raise self.told(error) from error

    def told(self, error: SkillForgeError) -> SkillForgeError:
        """`error` as one about this model."""
        return type(error)(self.says(error.what), error.fix and self.own_options(error.fix))

    def says(self, text: str) -> str:
        """`text` as a message about this model."""
        return f"{self.who}: {self.own_options(text)}"

    def own_options(self, text: str) -> str:
        """`text` with the options of the part that asks in place of those that the model under test has."""

        def own(found: re.Match[str]) -> str:
            name = found[1].replace("-", "_")
            return f"-o {self.kind}.{name}" if name in ModelGraderOptions.__struct_fields__ else found[0]

        return re.sub(r"--([a-z-]+)", own, text.replace("-o backend.", f"-o {self.kind}.backend_options="))


JUDGE = Role("the judge", "grader", "judges")
CHOOSER = Role("the voter's model", "voter", "chooses")


class AskedModel(msgspec.Struct, frozen=True):
    """How a model is reached, and how its replies are drawn."""

    role: Role
    target: Target
    backend: Chosen
    sampling: Sampling
    seeded: bool
    """Whether each vote has a seed of its own, where the open model takes seeds."""

    concurrency: int | None
    retries: int
    patience: float

    def able(self, client: Client) -> frozenset[str]:
        """What can be asked of `client`, which has been checked. Raises UsageError where that is too little."""
        found = client.capabilities()
        able = _capabilities(self.backend) if found is None else found
        _refuse_lacking(self.sampling, able, f"the server of the model '{self.target.model.name}'")
        return able


def find_asked_model(options: ModelGraderOptions, role: Role, registry: Registry) -> AskedModel:
    """The model that `options` name, with all that can be checked without asking it. Raises UsageError."""
    kind = role.kind
    if options.model is None:
        raise UsageError(
            f"no model is named that {role.does}",
            f"name it with -o {kind}.model=NAME, and with -o {kind}.base_url=URL the server that has it",
        )
    if options.votes > 1 and options.temperature == 0:
        raise UsageError(
            f"{kind}.votes above 1 with temperature 0 gives the same reply each time", f"set -o {kind}.temperature=0.7"
        )
    with role.errors():
        if options.base_url is not None:
            _check_address(options.base_url)
        model, part = find_model(options.model, options.base_url, registry)
        values = assigned(options.backend_options, f"{kind}.backend_options", "timeout=30")
        backend = backend_for(options.backend, options.base_url, values, part, registry)
        wanted = Sampling(temperature=options.temperature, max_tokens=options.max_tokens)
        sampling = wanted.over(part.default_sampling if part else Sampling())
        able = _capabilities(backend)
        _refuse_lacking(sampling, able, f"the backend '{backend.part.name}'")
    return AskedModel(
        role=role,
        target=Target(model, options.base_url),
        backend=backend,
        sampling=sampling,
        seeded=options.votes > 1 and "seed" in able,
        concurrency=options.concurrency,
        retries=options.retries,
        patience=options.patience,
    )


def _check_address(url: str) -> None:
    """Options are stored as they are given, so that a secret must not be among them."""
    check_address(url)
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            "--base-url holds a user, a password or a query, which would be stored with the run",
            "leave it out, and let the backend read the secret from the environment",
        )


def _capabilities(backend: Chosen) -> frozenset[str]:
    part: Backend = backend.part
    return part.capabilities(backend.options)


def _refuse_lacking(sampling: Sampling, able: frozenset[str], who: str) -> None:
    """Raises UsageError where `who` lacks what questions need: a run's own model has other ways out."""
    for name in sorted((sampling.asked() | {"chat"}) - able):
        without = "leave it out with --temperature=none, or " if name == "temperature" else ""
        raise UsageError(f"{who} {lack_of(name)}", f"{without}choose another --backend")
