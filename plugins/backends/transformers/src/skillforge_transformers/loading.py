"""Loading weights and tokenizers. Transformers and torch are imported here and in what only the worker imports."""

from __future__ import annotations

import functools
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skillforge import BackendUnusable, Sampling, Target, UsageError
from skillforge_transformers.faults import unusable
from skillforge_transformers.texts import Texts

if TYPE_CHECKING:
    import torch

    from skillforge_transformers import TransformersOptions

_HUB_SECONDS = 10.0


@dataclass(frozen=True)
class Loaded:
    """A model that is ready. `context`: positions that it has, None where its config names no limit."""

    model: Any
    texts: Texts
    device: torch.device
    defaults: Sampling
    eos_ids: frozenset[int]
    context: int | None
    name: str


def load(target: Target, options: TransformersOptions) -> Loaded:
    """Load weights and tokenizer. Raises UsageError for settings that cannot be met, BackendUnusable otherwise."""
    from skillforge_transformers.weights import load_weights

    texts = load_texts(target, options)
    model, device = load_weights(target.model.location, _source(target, options), options)
    defaults, eos_ids = _take_generation_defaults(model, texts)
    return Loaded(model, texts, device, defaults, eos_ids, _context(model.config), target.model.location)


def load_texts(target: Target, options: TransformersOptions) -> Texts:
    """Load the tokenizer alone. Raises like `load`."""
    if not target.model.location:
        raise UsageError("the transformers backend needs weights", "name a folder or a hub id with --model")
    if target.base_url is not None:
        raise UsageError(
            f"the transformers backend loads {target.model.location} itself and asks no server",
            "leave --base-url out, or use --backend openai",
        )
    source = _source(target, options)
    return _load_texts(tuple(sorted(source.items())), target.model.location, _stamp(target.model.location))


@functools.lru_cache(maxsize=4)
def _load_texts(source: tuple[tuple[str, Any], ...], name: str, stamp: int) -> Texts:
    _quiet()
    from transformers import AutoTokenizer

    try:
        return Texts(AutoTokenizer.from_pretrained(**dict(source)), name)
    except Exception as error:
        raise unusable(f"cannot load the tokenizer of {name}", error) from error


def _stamp(location: str) -> int:
    """When the tokenizer in a folder was last written: a checkpoint may be saved over in the life of a process."""
    files = [*Path(location).expanduser().glob("tokenizer*"), *Path(location).expanduser().glob("*.jinja")]
    return max((file.stat().st_mtime_ns for file in files), default=0)


def _source(target: Target, options: TransformersOptions) -> dict[str, Any]:
    """Where to load from, as `from_pretrained` wants it. A folder is never looked up on the hub."""
    location = target.model.location
    folder = Path(location).expanduser()
    source: dict[str, Any] = {"trust_remote_code": options.trust_remote_code}
    if folder.is_dir():
        if options.revision is not None:
            raise UsageError(
                f"option 'backend.revision' is for models from the hub, and {location} is a folder", "leave it out"
            )
        _check_folder(folder)
        return source | {"pretrained_model_name_or_path": str(folder), "local_files_only": True}
    if folder.is_file():
        raise BackendUnusable(f"{location} is a file, not a folder with a model", "name the folder that holds it")
    if _looks_like_a_path(location):
        raise BackendUnusable(f"there is no folder {location}", "check the path; a hub id looks like owner/name")
    revision = options.revision or "main"
    cached_only = not _on_reachable_hub(location, revision)
    source |= {"pretrained_model_name_or_path": location, "revision": revision, "local_files_only": cached_only}
    return source


@functools.lru_cache(maxsize=16)
def _on_reachable_hub(location: str, revision: str) -> bool:
    """Whether the hub has the model; False where the hub cannot be reached, so that only its cache is left.

    Asked once and first: `from_pretrained` tries every file six times, which takes a minute without a network.
    """
    from huggingface_hub import HfApi, errors

    try:
        HfApi().model_info(location, revision=revision, timeout=_HUB_SECONDS)
    except errors.RevisionNotFoundError:
        raise BackendUnusable(f"{location} has no revision {revision} on the hub", "check backend.revision") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise BackendUnusable(
            f"there is no model {location}: neither a folder nor a model on the hub that you may read",
            "check the name; for a private or gated model, set the environment variable HF_TOKEN",
        ) from None
    except errors.HfHubHTTPError:
        return True  # loading will tell what is wrong
    except Exception:  # offline mode, no network, no DNS: each HTTP library has its own names for it
        return False
    return True


def _check_folder(folder: Path) -> None:
    if (folder / "config.json").is_file():
        return
    if (folder / "adapter_config.json").is_file():
        raise BackendUnusable(
            f"{folder} holds a LoRA adapter without its base model",
            f"name the base model with --model, and the adapter with -o backend.adapter={folder}",
        )
    raise BackendUnusable(
        f"{folder} holds no model: it has no config.json", "name a folder written by save_pretrained, or a hub id"
    )


def _looks_like_a_path(location: str) -> bool:
    return location.startswith(("/", "./", "../", "~", ".\\")) or location.count("/") > 1 or "\\" in location


def _take_generation_defaults(model: Any, texts: Texts) -> tuple[Sampling, frozenset[int]]:
    """The model's own sampling settings and end tokens.

    They leave the model, so that `generate` does not apply them a second time.
    """
    from transformers import GenerationConfig

    own = model.generation_config.to_diff_dict()
    drawn = own if own.get("do_sample") else {}
    defaults = Sampling(
        temperature=drawn.get("temperature", 1.0) if drawn else 0.0,
        top_p=drawn.get("top_p"),
        top_k=drawn.get("top_k") if (drawn.get("top_k") or 0) > 0 else None,
        min_p=drawn.get("min_p"),
        repetition_penalty=own.get("repetition_penalty"),
        max_tokens=own.get("max_new_tokens"),
    )
    eos = own.get("eos_token_id", model.config.eos_token_id)
    eos_ids = {*(eos if isinstance(eos, list) else [eos]), texts.eos_id} - {None}
    model.generation_config = GenerationConfig()
    return defaults, frozenset(eos_ids)


def _context(config: Any) -> int | None:
    config = config.get_text_config()
    for name in ("max_position_embeddings", "max_seq_len", "n_ctx"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _quiet() -> None:
    """Keep progress bars and warnings off the terminal, which belongs to the command line's own display."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import huggingface_hub.utils
    from transformers.utils import logging as transformers_logging

    huggingface_hub.utils.disable_progress_bars()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for library in ("huggingface_hub", "bitsandbytes"):
        logging.getLogger(library).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(torch|transformers|huggingface_hub|bitsandbytes|peft)(\.|$)")
