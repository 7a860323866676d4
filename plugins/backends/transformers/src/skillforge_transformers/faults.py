"""Faults: what the libraries raise while they load, told in one line."""

from __future__ import annotations

from skillforge import BackendUnusable
from skillforge.text import one_line


def unusable(what: str, error: Exception) -> BackendUnusable:
    """What is said where the libraries cannot load something: their own words, shortened, and what to do about them."""
    text = str(error)
    if "trust_remote_code" in text:
        fix = "if you trust the model's authors, allow it: -o backend.trust_remote_code=true"
    elif "out of memory" in text.lower():
        fix = "use -o backend.dtype=bfloat16, another device, or a smaller model"
    elif "couldn't connect" in text or "local_files_only" in text or "cached files" in text:
        return BackendUnusable(
            f"{what}: the hub cannot be reached, and its cache on this machine does not hold the model",
            "connect to the network, or name a folder that holds the model",
        )
    elif "attn_implementation" in text:
        fix = "choose another -o backend.attn_implementation"
    elif isinstance(error, ImportError):
        fix = "install what it names"
    else:
        fix = "name a folder written by save_pretrained, or the id of a language model on the hub that you can reach"
    return BackendUnusable(f"{what} ({type(error).__name__}: {one_line(text)})", fix)
