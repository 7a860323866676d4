"""Many client: one request for several samples of a prompt (`n`), which is then read, and paid for, once."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import aiohttp
import msgspec

from skillforge import BackendUnusable, Client, Completion, Request
from skillforge_openai.address import Address
from skillforge_openai.client import OpenAIClient, new_client_session
from skillforge_openai.gathering import Gatherer
from skillforge_openai.wire import Wire


@contextlib.asynccontextmanager
async def open_many_client(
    address: Address, wire: Wire, timeout: float, able: frozenset[str], n: int
) -> AsyncIterator[Client]:
    """A client that asks for up to `n` samples with one request; its connections are closed on leaving."""
    async with new_client_session(address, timeout) as session:
        client = ManyClient(session, address, wire, timeout, able, n)
        try:
            yield client
        finally:
            await client.close()


class ManyClient(OpenAIClient):
    """A server, asked for one model; requests that are alike and come at the same time go as one."""

    _wire: Wire

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: Address,
        wire: Wire,
        timeout: float,
        able: frozenset[str],
        n: int,
    ) -> None:
        super().__init__(session, address, wire, timeout, able)
        self._gatherer: Gatherer[Request, None, Completion] = Gatherer(n, self._serve)

    async def close(self) -> None:
        """Give up what is under way."""
        await self._gatherer.close()

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """One of the samples that one POST brings."""
        completion = await self._gatherer.ask(request, None)
        self._refuse_passed_over(request, completion)
        return completion

    async def _serve(self, request: Request, alike: Sequence[None]) -> Sequence[Completion | Exception]:
        """As many samples as `alike` is long."""
        n = len(alike)
        async with self._sent(request, self._wire.body(request, n=n)) as response:
            samples = self._wire.completions(await self._read(response, request, n), request)
        if len(samples) < n:
            raise BackendUnusable(
                f"the server at {self._address.url} gives {len(samples)} of the {n} samples that a request asks for",
                "leave out -o backend.n",
            )
        return counted(samples[:n])


def counted(samples: Sequence[Completion | Exception]) -> list[Completion | Exception]:
    """`samples` of one request, each with its own tokens in place of those of all.

    Where the ids of tokens, or their log-probabilities, do not tell their number, those of all are shared out by the
    lengths of the texts: the sum is the server's.
    """
    made = [sample for sample in samples if isinstance(sample, Completion)]
    total = made[0].completion_tokens if made else None
    if total is None:
        return list(samples)
    told = [sample.token_ids or sample.logprobs for sample in made]
    counts = iter(
        [len(each or ()) for each in told]
        if all(each is not None for each in told)
        else shared_out(total, [1 + len(sample.text) + len(sample.reasoning or "") for sample in made])
    )
    return [
        msgspec.structs.replace(sample, completion_tokens=next(counts)) if isinstance(sample, Completion) else sample
        for sample in samples
    ]


def shared_out(total: int, weights: Iterable[int]) -> list[int]:
    """`total` in whole parts that are as the `weights`."""
    ends = list(itertools.accumulate(weights))
    reached = [round(total * end / ends[-1]) for end in ends]
    return [end - begin for begin, end in itertools.pairwise((0, *reached))]
