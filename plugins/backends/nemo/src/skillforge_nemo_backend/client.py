"""Client: a NeMo server, spoken to in the protocol that was given or that is found."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from skillforge import BackendUnusable, Client, Completion, Request, SkillForgeError
from skillforge_nemo_backend import COMMON, classic, deployed
from skillforge_nemo_backend.classic import Classic
from skillforge_nemo_backend.deployed import Deployed
from skillforge_nemo_backend.transport import Transport, open_transport
from skillforge_openai.address import Address
from skillforge_openai.faults import fault

if TYPE_CHECKING:
    from skillforge_nemo_backend import NemoOptions


@contextlib.asynccontextmanager
async def open_client(address: Address, model: str, options: NemoOptions) -> AsyncIterator[Client]:
    """A client of the server at `address`; nothing of it is left on leaving."""
    async with open_transport(address, options.timeout) as transport:
        old = Classic(transport, _classic_url(address), options.batch_size)
        new = Deployed(transport, address.url, model)
        try:
            yield {"classic": old, "openai": new, "auto": Found(transport, old, new)}[options.protocol]
        finally:
            await old.close()


class Found(Client):
    """A server whose protocol is found out by a look at it, which asks the model for nothing."""

    def __init__(self, transport: Transport, old: Classic, new: Deployed) -> None:
        self._transport = transport
        self._old = old
        self._new = new
        self._found: Client | None = None
        self._finding = asyncio.Lock()

    async def check(self) -> None:
        """Find the protocol; then what its own check finds."""
        client = await self._client()
        self.default_concurrency = client.default_concurrency
        await client.check()

    def capabilities(self) -> frozenset[str] | None:
        return COMMON if self._found is self._old else None

    async def ready(self) -> bool:
        with contextlib.suppress(BackendUnusable):
            return await (await self._client()).ready()
        return False

    async def models(self) -> Sequence[str]:
        return await (await self._client()).models()

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        return await (await self._client()).complete(request, on_text)

    async def _client(self) -> Client:
        """The client of what is spoken, found out once. Raises BackendUnusable where that is neither."""
        if self._found is None:
            async with self._finding:
                self._found = self._found or await self._find()
        return self._found

    async def _find(self) -> Client:
        if await self._old.is_spoken():
            return self._old
        if await self._new.ready():
            return self._new
        raise await self._nothing()

    async def _nothing(self) -> SkillForgeError:
        """Why no protocol is found. Raises BackendUnusable where there is no server at all."""
        address = self._transport.address
        answer = await self._transport.look("GET", address.url)
        if answer.status in (401, 403):
            return fault(answer, address, "")
        return BackendUnusable(
            f"{address.url} is no NeMo server that is ready: it has neither PUT {classic.PATH} nor {deployed.HEALTH}",
            "wait for its model to load, correct --base-url, or use --backend openai for another kind of server",
        )


def preview(request: Request, address: Address, model: str, protocol: str) -> str:
    """`request` as it would be sent: in both protocols where either may be found, and both can send it."""
    new = f"POST {address.url}{deployed.path(request)}\n{_pretty(deployed.body(request, deployed.wire(model)))}"
    if protocol == "openai" or (protocol == "auto" and not isinstance(request.prompt, str)):
        return new
    old = f"PUT {_classic_url(address)}\n{_pretty(classic.body(classic.settings_of(request), [str(request.prompt)]))}"
    return old if protocol == "classic" else f"{new}\n\nor, where the server is a classic one:\n\n{old}"


def _pretty(body: bytes) -> str:
    return msgspec.json.format(body, indent=2).decode()


def _classic_url(address: Address) -> str:
    """Where batches are put: above the /v1 that a base URL without a path has got."""
    return re.sub(rf"(/v1|{classic.PATH})$", "", address.url) + classic.PATH
