"""Description: a model's metadata and configuration, as Triton writes them; what is not used here is passed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from skillforge import BackendUnusable
from skillforge.text import one_line

_TRUE = frozenset({"true", "t", "1", "yes", "y"})
_Form = TypeVar("_Form")


class Output(msgspec.Struct, frozen=True):
    """An output of the model."""

    name: str


class Typed(msgspec.Struct, frozen=True):
    """An input of the model, with its type and its dimensions, the batch included."""

    name: str
    datatype: str
    shape: list[Any] = []


class Metadata(msgspec.Struct, frozen=True):
    """What `/v2/models/NAME` tells."""

    name: str
    inputs: list[Typed] = []
    outputs: list[Output] = []


class _Declared(msgspec.Struct, frozen=True):
    name: str
    optional: bool = False


class _Policy(msgspec.Struct, frozen=True):
    decoupled: bool = False


class _Parameter(msgspec.Struct, frozen=True):
    string_value: str = ""


class Config(msgspec.Struct, frozen=True):
    """What `/v2/models/NAME/config` tells."""

    input: list[_Declared] = []
    model_transaction_policy: _Policy = _Policy()
    parameters: dict[str, _Parameter] = {}
    ensemble_scheduling: dict[str, Any] | None = None

    def is_set(self, parameter: str) -> bool:
        """Whether `parameter` is there, and says yes."""
        return parameter in self.parameters and self.parameters[parameter].string_value.lower() in _TRUE


def read(told: Mapping[str, Any], form: type[_Form]) -> _Form:
    """What the server `told` of a model. Raises BackendUnusable where that is not of Triton's form."""
    try:
        return msgspec.convert(told, form)
    except msgspec.ValidationError as error:
        raise BackendUnusable(
            f"the server does not describe the model as Triton does ({one_line(str(error), 200)})",
            "see that --base-url leads to Triton itself, or name another model with -o backend.model_name=NAME",
        ) from error
