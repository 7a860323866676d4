"""The least that a client can do, as a yardstick: send the prompts of a file to a server with aiohttp, keep the texts.

python bench/bare_client.py BASE_URL PROBLEMS.jsonl CONCURRENCY

Prints how many answers came, and the seconds from the first request to the last answer.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp


async def main(base_url: str, problems: Path, concurrency: int) -> None:
    """Ask for every problem, at most `concurrency` at once; nothing is stored."""
    questions = iter([json.loads(line)["question"] for line in problems.open()])
    texts: list[str] = []

    async def worker(session: aiohttp.ClientSession) -> None:
        for question in questions:
            body = {
                "model": "mock",
                "messages": [{"role": "user", "content": question}],
                "temperature": 0,
                "max_tokens": 1024,
            }
            async with session.post(f"{base_url}/chat/completions", json=body) as response:
                texts.append((await response.json())["choices"][0]["message"]["content"])

    started = time.perf_counter()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(worker(session) for _ in range(concurrency)))
    print(json.dumps({"answers": len(texts), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
