"""SkillForge backend `nemo`: servers of NVIDIA NeMo, those of Export-Deploy and the classic text generation server."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from skillforge import Backend, Client, Finding, PartOptions, Request, Server, Target, UsageError, hookimpl
from skillforge.options import refuse_useless
from skillforge.parts.part import NAME_OF_SECRET, OPERATIONAL

if TYPE_CHECKING:
    from skillforge_openai.address import Address

SKILLFORGE_CONTRACT = 1

COMMON = frozenset({"text", "temperature", "top_p", "top_k", "max_tokens", "stop"})
"""What both kinds of server can do."""


class NemoOptions(PartOptions, frozen=True, kw_only=True):
    """Options of the nemo backend."""

    protocol: Annotated[
        Literal["auto", "openai", "classic"],
        Meta(
            description="openai: Export-Deploy's /v1/completions/ and /v1/chat/completions/; classic: PUT /generate; "
            "auto: what the server is found to speak.",
            extra=OPERATIONAL,
        ),
    ] = "auto"
    batch_size: Annotated[
        Annotated[int, Meta(ge=1, le=128)],
        Meta(
            description="Most prompts in one PUT /generate, which serves one at a time; seeds need 1.",
            extra=OPERATIONAL,
        ),
    ] = 128
    timeout: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="Seconds to wait for one answer of the server, or for one batch of them.", extra=OPERATIONAL),
    ] = 600.0
    api_key_env: Annotated[
        str,
        Meta(
            description="Environment variable with the key of a gateway before the server. Without the default one, no key is "
            "sent; another has to be set.",
            extra=NAME_OF_SECRET,
        ),
    ] = "NEMO_API_KEY"


class NemoBackend(Backend):
    """Sends chats and text to Export-Deploy's endpoints, or batches of text to the classic server."""

    name = "nemo"
    summary = "NeMo servers: Export-Deploy's OpenAI-like endpoints, and the classic PUT /generate in batches."
    source = "https://github.com/NVIDIA-NeMo/Export-Deploy"
    Options = NemoOptions

    def capabilities(self, options: NemoOptions) -> frozenset[str]:
        if options.protocol != "classic":
            return COMMON | {"chat"}
        # One seed holds for a whole batch.
        return COMMON | {"repetition_penalty"} | ({"seed"} if options.batch_size == 1 else frozenset())

    def open(self, target: Target, options: NemoOptions) -> AbstractAsyncContextManager[Client]:
        from skillforge_nemo_backend.client import open_client

        return open_client(_address(target, options), target.model.name, options)

    def preview(self, request: Request, target: Target, options: NemoOptions) -> str:
        from skillforge_nemo_backend.client import preview

        return preview(request, _address(target, options), target.model.name, options.protocol)

    def server(self, target: Target, options: NemoOptions, host: str, port: int) -> Server:
        from skillforge_nemo_backend.serving import server

        return server(target, options, host, port)

    def diagnose(self) -> Sequence[Finding]:
        from skillforge_nemo_backend.serving import diagnose

        return list(diagnose())


def _address(target: Target, options: NemoOptions) -> Address:
    """Where the server is. Raises UsageError where nothing says so, and for an option that has no meaning there."""
    from skillforge_openai.address import Address

    if options.protocol == "openai":
        refuse_useless(options, ("batch_size",), "backend.", "with protocol=openai, which has no batches")
    if not target.base_url:
        raise UsageError("the backend 'nemo' needs the address of a server", "give --base-url http://HOST:PORT")
    return Address.of(target, options.api_key_env)


@hookimpl
def skillforge_backend() -> Backend:
    """The backend `nemo`."""
    return NemoBackend()
