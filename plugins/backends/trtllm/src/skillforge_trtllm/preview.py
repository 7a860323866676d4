"""Preview: a request for `--dry-run`, which asks no server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from skillforge import Request, Target
from skillforge_trtllm.address import address_of
from skillforge_trtllm.client import USUAL_MODELS
from skillforge_trtllm.interface import INPUTS
from skillforge_trtllm.wire import spoken

if TYPE_CHECKING:
    from skillforge_trtllm import TrtllmOptions


def preview(request: Request, target: Target, options: TrtllmOptions) -> str:
    """What `request` says, by the first name that each input has had: the server's model may have others."""
    model = options.model_name or f"{target.model.name}, or {', '.join(USUAL_MODELS)}"
    inputs = {INPUTS[name][0]: value for name, value in spoken(request).items()}
    body = msgspec.json.format(msgspec.json.encode(inputs), indent=2).decode()
    return f"{address_of(target).url} model {model}, under its own names for these inputs:\n{body}"
