"""Interface: what a model says of its inputs and outputs, and what they are called in TensorRT-LLM's generations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from skillforge_trtllm.description import Config, Metadata, read

INPUTS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("text_input",),
    "max_tokens": ("max_tokens", "sampling_param_max_tokens"),
    "temperature": ("temperature", "sampling_param_temperature"),
    "top_k": ("top_k", "runtime_top_k", "sampling_param_top_k"),
    "top_p": ("top_p", "runtime_top_p", "sampling_param_top_p"),
    "stop": ("stop_words", "sampling_param_stop"),
    "seed": ("seed", "random_seed", "sampling_param_seed"),
    "repetition_penalty": ("repetition_penalty", "sampling_param_repetition_penalty"),
    "presence_penalty": ("presence_penalty", "sampling_param_presence_penalty"),
    "frequency_penalty": ("frequency_penalty", "sampling_param_frequency_penalty"),
    "logprobs": ("return_log_probs",),
    "stream": ("stream", "streaming"),
    "answer_only": ("exclude_input_in_output", "sampling_param_exclude_input_from_output"),
    "tell_finish_reason": ("return_finish_reason",),
    "tell_stop_reason": ("return_stop_reason",),
    "tell_prompt_tokens": ("return_num_input_tokens",),
    "tell_completion_tokens": ("return_num_output_tokens",),
    "bad_words": ("bad_words",),
}
"""What a request says -> the names that this has had; the first that the model has is used."""

OUTPUTS: Mapping[str, str] = {
    "logprobs": "output_log_probs",
    "tell_finish_reason": "finish_reason",
    "tell_stop_reason": "stop_reason",
    "tell_prompt_tokens": "num_input_tokens",
    "tell_completion_tokens": "num_output_tokens",
}
"""What a request asks to be told -> the output that tells it."""

CAPABILITIES = frozenset(
    {
        "text", "stream", "temperature", "top_p", "top_k", "max_tokens", "stop", "seed", "repetition_penalty",
        "presence_penalty", "frequency_penalty", "logprobs",
    }
)  # fmt: skip
"""What some model of TensorRT-LLM's can do."""

TEXT = "text_output"
_MAY_BE_EMPTY = frozenset({"stop", "bad_words"})


class Input(msgspec.Struct, frozen=True):
    """An input of the model; `rank` is the number of its dimensions, the batch included."""

    name: str
    datatype: str
    rank: int
    optional: bool


class Tensor(msgspec.Struct, frozen=True):
    """An input with its values."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any]


class Interface(msgspec.Struct, frozen=True):
    """A model as its metadata and its configuration describe it."""

    model: str
    inputs: dict[str, Input]
    """By what a request says."""

    required: tuple[str, ...]
    """Names of required inputs that nothing of ours stands for."""

    outputs: frozenset[str]
    decoupled: bool
    joined_words: bool
    """Whether stop words are one string that is split by commas, as in 2023, when numbers were unsigned."""

    whole_texts: bool
    """Whether each response of a stream holds all of the text until then."""

    repeats_prompt: bool
    """Whether the text of an answer that is not streamed begins with the prompt."""

    def lacks(self, said: Iterable[str]) -> list[str]:
        """Those of `said` that the model has no input for, or no output to answer with."""
        return [name for name in said if name not in self.inputs or OUTPUTS.get(name, TEXT) not in self.outputs]

    def tensors(self, values: Mapping[str, Any]) -> list[Tensor]:
        """`values`, by what they say, as the model's inputs. What it has no input for is left out."""
        given = {name: value for name, value in values.items() if name in self.inputs}
        for name in _MAY_BE_EMPTY & self.inputs.keys() - given.keys():
            if not self.inputs[name].optional:
                given[name] = [""]
        return [self._tensor(self.inputs[name], value) for name, value in given.items()]

    def _tensor(self, to: Input, value: Any) -> Tensor:
        data = list(value) if isinstance(value, list | tuple) else [value]
        if self.joined_words and to is self.inputs.get("stop"):
            data = [_one_line_of_csv(data)]
        return Tensor(to.name, to.datatype, (1,) * (to.rank - 1) + (len(data),), data)


def capabilities_of(model: Interface) -> frozenset[str]:
    """What of `CAPABILITIES` it has the inputs and outputs for."""
    able = CAPABILITIES - {"text", "stream"} - frozenset(model.lacks(CAPABILITIES))
    return able | ({"text", "stream"} if model.decoupled else {"text"})


def _one_line_of_csv(words: list[str]) -> str:
    quoted = ('"' + word.replace('"', '""') + '"' for word in words if word)
    return ",".join(quoted)


def read_interface(metadata: Mapping[str, Any], config: Mapping[str, Any], engine: Mapping[str, Any]) -> Interface:
    """The interface of a model from its metadata and configuration, and the configuration of the `engine` behind it.

    Raises BackendUnusable where these are not of Triton's form.
    """
    model, own, behind = read(metadata, Metadata), read(config, Config), read(engine, Config)
    optional = {each.name for each in own.input if each.optional}
    found = {
        each.name: Input(each.name, each.datatype, len(each.shape), each.name in optional) for each in model.inputs
    }
    ours = {
        said: found[name]
        for said, names in INPUTS.items()
        if (name := next((name for name in names if name in found), None)) is not None
    }
    used = {each.name for each in ours.values()}
    api = any(name.startswith("sampling_param_") for name in found)
    decoupled = own.model_transaction_policy.decoupled
    if own.ensemble_scheduling:  # whose own policy is that of the model in it
        decoupled = decoupled or behind.model_transaction_policy.decoupled
    return Interface(
        model=model.name,
        inputs=ours,
        required=tuple(name for name, each in found.items() if not each.optional and name not in used),
        outputs=frozenset(each.name for each in model.outputs),
        decoupled=decoupled,
        joined_words="max_tokens" in ours and ours["max_tokens"].datatype == "UINT32",
        whole_texts=api or own.is_set("accumulate_tokens"),
        repeats_prompt=not api and "answer_only" not in ours and not behind.is_set("exclude_input_in_output"),
    )
