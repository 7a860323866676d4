"""Weights: a model on its device, in the number format that is asked for, with a LoRA adapter where one is named."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from skillforge import BackendUnusable, SkillForgeError, UsageError
from skillforge.text import one_line
from skillforge_transformers.faults import unusable

if TYPE_CHECKING:
    from skillforge_transformers import TransformersOptions


def load_weights(name: str, source: dict[str, Any], options: TransformersOptions) -> tuple[Any, torch.device]:
    """Load the model from `source`. Raises UsageError for settings that cannot be met, BackendUnusable otherwise."""
    from transformers import AutoModelForCausalLM

    device = _device(options.device)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    more = _quantized(options, device)
    if options.attn_implementation is not None:
        more["attn_implementation"] = options.attn_implementation
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            **source, dtype=options.dtype, output_loading_info=True, **more
        )
        model, info = loaded
        _check_weights(name, info)
        if options.quantization is None:
            model.to(device)
    except SkillForgeError:
        raise
    except Exception as error:
        raise unusable(f"cannot load the model {name}", error) from error
    if options.adapter is not None:
        model = _adapted(model, name, options.adapter, merge=options.quantization is None)
    return model.eval(), device


def _quantized(options: TransformersOptions, device: torch.device) -> dict[str, Any]:
    """How `from_pretrained` is asked for quantized weights, which it makes where they are to stay."""
    if options.quantization is None:
        return {}
    _require("bitsandbytes", f"option 'backend.quantization={options.quantization}'")
    _require("accelerate", f"option 'backend.quantization={options.quantization}'")
    from transformers import BitsAndBytesConfig

    if options.quantization == "int8":
        config = BitsAndBytesConfig(load_in_8bit=True)
    else:
        computed = torch.float32 if options.dtype == "float32" else torch.bfloat16
        config = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=computed,
            bnb_4bit_use_double_quant=True,
        )
    return {"quantization_config": config, "device_map": {"": device}}


def _adapted(model: Any, name: str, adapter: str, merge: bool) -> Any:
    """`model` with a LoRA adapter: added into its weights, which costs no time later, or beside them where quantized."""
    _require("peft", "option 'backend.adapter'")
    from peft import PeftModel

    folder = Path(adapter).expanduser()
    if (folder.exists() or adapter.startswith(("/", "./", "../", "~"))) and not (
        folder / "adapter_config.json"
    ).is_file():
        raise BackendUnusable(
            f"{adapter} holds no LoRA adapter: it has no adapter_config.json",
            "name a folder that PEFT wrote, or a hub id",
        )
    try:
        adapted = PeftModel.from_pretrained(model, str(folder) if folder.exists() else adapter)
        if not merge:
            return adapted.get_base_model()  # whose layers have been exchanged
        return adapted.merge_and_unload(safe_merge=True)
    except Exception as error:
        raise BackendUnusable(
            f"cannot add the adapter {adapter} to {name} ({type(error).__name__}: {one_line(str(error))})",
            "name the model that the adapter was trained on",
        ) from error


def _require(package: str, what: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise UsageError(f"{what} needs the package {package}, which is not installed", f"pip install {package}")


def _device(wanted: str) -> torch.device:
    import torch

    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise UsageError(f"unknown device '{one_line(wanted, 80)}'", "use auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise BackendUnusable(
            f"there is no device {wanted}: torch {torch.__version__} sees {found} GPU{'' if found == 1 else 's'}",
            "use -o backend.device=auto, or install a build of torch for your GPU",
        )
    return device


def _check_weights(name: str, info: dict[str, Any]) -> None:
    """Transformers fills in tensors that are not there with noise: good for training, ruin for a measurement."""
    missing = sorted(info.get("missing_keys") or ())
    if missing:
        raise BackendUnusable(
            f"the weights of {name} are incomplete: {len(missing)} tensors are missing, such as {missing[0]}",
            "save or download the model again",
        )
