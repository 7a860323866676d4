"""Bodies: the bytes of answers, of which none is read without a bound."""

from __future__ import annotations

import aiohttp

from skillforge import RequestFailed
from skillforge_openai.sse import LONGEST_EVENT

MEBIBYTE = 2**20
MOST_OF_COMPLETION = LONGEST_EVENT
MOST_OF_STREAM = 4 * LONGEST_EVENT
"""Each piece repeats what stands around it."""

MOST_OF_FACTS = 16 * MEBIBYTE
"""Of lists of models and the like."""

MOST_OF_FAULT = MEBIBYTE
"""Of an error, which is cut there."""


async def read_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The whole body of `response`. Raises RequestFailed for one of more than `most` bytes, which closes its connection."""
    body = await read_beginning(response, most + 1)
    if len(body) > most:
        raise too_long(most)
    return body


async def read_beginning(response: aiohttp.ClientResponse, most: int = MOST_OF_FAULT) -> bytes:
    """The body of `response`, cut after `most` bytes."""
    pieces, size = [], 0
    while size < most and (piece := await response.content.readany()):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)[:most]


async def read_answer_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body of `response`, of whatever status: an error's is cut."""
    return await (read_body(response, most) if response.status < 300 else read_beginning(response))


def too_long(most: int) -> RequestFailed:
    """The error of an answer of more than `most` bytes."""
    return RequestFailed(f"the server sent an answer of more than {most // MEBIBYTE} MiB")
