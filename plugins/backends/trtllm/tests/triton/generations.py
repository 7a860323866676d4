"""The inputs and outputs of the models that TensorRT-LLM's Triton backend has had, as files of a model repository.

    python generations.py REPOSITORY WEIGHTS

Each generation is written twice: not decoupled (one response a request) and decoupled (responses while tokens come).
Sources: all_models/inflight_batcher_llm/ensemble/config.pbtxt of triton-inference-server/tensorrtllm_backend at v0.5 and
later, and triton_backend/all_models of NVIDIA/TensorRT-LLM.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

_INT, _UINT, _LONG, _FLOAT, _BOOL, _TEXT = "INT32", "UINT32", "UINT64", "FP32", "BOOL", "STRING"

# name -> type; "!" after the type: the input is required; "*": any number of values.
_2023 = {
    "text_input": "STRING*!", "max_tokens": "UINT32*!", "bad_words": "STRING*!", "stop_words": "STRING*!",
    "end_id": _UINT, "pad_id": _UINT, "top_k": _UINT, "top_p": _FLOAT, "temperature": _FLOAT, "length_penalty": _FLOAT,
    "repetition_penalty": _FLOAT, "min_length": _UINT, "presence_penalty": _FLOAT, "random_seed": _LONG,
    "beam_width": _UINT, "stream": _BOOL,
}  # fmt: skip
_2024 = {
    "text_input": "STRING!", "max_tokens": "INT32!", "bad_words": "STRING*", "stop_words": "STRING*",
    "exclude_input_in_output": _BOOL, "end_id": _INT, "pad_id": _INT, "top_k": _INT, "top_p": _FLOAT,
    "temperature": _FLOAT, "length_penalty": _FLOAT, "repetition_penalty": _FLOAT, "min_length": _INT,
    "presence_penalty": _FLOAT, "frequency_penalty": _FLOAT, "random_seed": _LONG, "return_log_probs": _BOOL,
    "beam_width": _INT, "stream": _BOOL,
}  # fmt: skip
_2025 = {name: kind for name, kind in _2024.items() if name not in ("random_seed", "min_length")} | {
    "seed": _LONG, "min_tokens": _INT, "num_return_sequences": _INT, "return_num_input_tokens": _BOOL,
    "return_num_output_tokens": _BOOL, "guided_decoding_guide_type": _TEXT, "guided_decoding_guide": _TEXT,
}  # fmt: skip
_LLMAPI = {
    "text_input": "STRING*!", "streaming": _BOOL, "sampling_param_best_of": _INT, "sampling_param_temperature": _FLOAT,
    "sampling_param_top_k": _INT, "sampling_param_top_p": _FLOAT, "sampling_param_frequency_penalty": _FLOAT,
    "sampling_param_presence_penalty": _FLOAT, "sampling_param_max_tokens": _INT, "sampling_param_stop": "STRING*",
    "sampling_param_seed": _LONG, "sampling_param_exclude_input_from_output": _BOOL, "return_finish_reason": _BOOL,
    "return_stop_reason": _BOOL, "return_cumulative_logprob": _BOOL, "stop": _BOOL,
}  # fmt: skip
_LOG_PROBS = {"cum_log_probs": "FP32*", "output_log_probs": "FP32**"}
_COUNTS = {"num_input_tokens": _INT, "num_output_tokens": _INT}
_REASONS = {"finish_reason": "STRING*", "stop_reason": "STRING*", "cumulative_logprob": "FP32*"}

MODELS = {
    "ensemble_2023": ("2023", 8, _2023, {"text_output": "STRING**"}),
    "ensemble": ("2024", 8, _2024, {"text_output": "STRING*", **_LOG_PROBS}),
    "ensemble_2025": ("2025", 8, _2025, {"text_output": "STRING*", **_LOG_PROBS, **_COUNTS}),
    "tensorrt_llm": ("llmapi", 0, _LLMAPI, {"text_output": "STRING*", **_REASONS}),
}
"""Model -> (generation, max_batch_size, inputs, outputs)."""


def write(repository: Path, weights: Path) -> None:
    """Make a model repository whose models run `weights`."""
    shutil.rmtree(repository, ignore_errors=True)
    for name, (generation, batch, inputs, outputs) in MODELS.items():
        for decoupled in (False, True):
            folder = repository / (f"{name}_stream" if decoupled else name)
            (folder / "1").mkdir(parents=True)
            for source in ("model.py", "llama.py"):
                shutil.copy(Path(__file__).with_name(source), folder / "1")
            parameters = {"generation": generation, "weights": str(weights)}
            (folder / "config.pbtxt").write_text(_config(folder.name, batch, decoupled, inputs, outputs, parameters))


def _config(
    name: str, batch: int, decoupled: bool, inputs: dict[str, str], outputs: dict[str, str], parameters: dict[str, str]
) -> str:
    lines = [f'name: "{name}"', 'backend: "python"', f"max_batch_size: {batch}"]
    lines += ["instance_group [ { kind: KIND_CPU count: 1 } ]"]
    lines += [f"model_transaction_policy {{ decoupled: {str(decoupled).lower()} }}"]
    for key, value in parameters.items():
        lines += [f'parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}']
    lines += [
        f"input [ {{ {_tensor(*each)}{' ' if _required(each[1]) else ' optional: true '}}} ]" for each in inputs.items()
    ]
    lines += [f"output [ {{ {_tensor(*each)} }} ]" for each in outputs.items()]
    return "\n".join(lines) + "\n"


def _required(kind: str) -> bool:
    return kind.endswith("!")


def _tensor(name: str, kind: str) -> str:
    dims = ", ".join(["-1"] * kind.count("*") or ["1"])
    return f'name: "{name}" data_type: TYPE_{kind.rstrip("*!")} dims: [ {dims} ]'


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]).resolve())
