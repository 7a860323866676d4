"""What a request would look like, without a server or an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from skillforge import Request, Target
from skillforge_openai.wire import Wire, shown
from skillforge_vllm.serve import DIALECT, OPENAI, openai_options
from skillforge_vllm.ways import Way, way_of

if TYPE_CHECKING:
    from skillforge_vllm import VllmOptions


def preview(request: Request, target: Target, options: VllmOptions) -> str:
    """`request` as it would be sent to a server, or handed to the engine."""
    way = way_of(target, options)
    if way is Way.OFFLINE:
        from skillforge_vllm.engine_requests import engine_request

        return msgspec.json.format(msgspec.json.encode(engine_request(request)), indent=2).decode()
    if way is Way.STARTED:
        # The port is chosen when the server is started.
        wire = Wire(target.model.name, openai_options(options), DIALECT)
        return shown(f"http://127.0.0.1:PORT/v1{wire.endpoint(request)}", wire.body(request, n=options.n))
    return OPENAI.preview(request, target, openai_options(options))
