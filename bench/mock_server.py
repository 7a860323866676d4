"""A mock OpenAI server: as fast as a server in Python gets, with a fixed latency, and with faults on demand.

    python bench/mock_server.py --port 0 --latency 0.1 --rate-429 0.05 --rate-drop 0.05 --seed 1

Prints one JSON line, {"port": N}, when it is ready. Serves POST /v1/chat/completions and /v1/completions, GET /v1/models and
GET /stats; answers are streamed where asked. The same prompt and seed always get the same answer: about a hundred words
that end in `#### N`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import zlib
from collections import Counter
from http.client import responses
from pathlib import Path
from typing import Any

import msgspec

STEPS = (
    "First we write down what the problem gives us and what it asks for.",
    "Each box holds the same number of items, so we multiply the two counts.",
    "Then we take away the part that was sold before the shop closed.",
    "The rest is divided into equal shares, one for every person at the table.",
    "We add the amount from the second day to the amount from the first.",
    "Half of that goes to the neighbour, and the other half stays where it is.",
    "The price of one piece times the number of pieces gives the whole cost.",
    "Checking the units shows that all of the amounts are counted in pieces.",
    "Nothing else changes, so this is also what is left at the end.",
    "Putting the two results together gives the number that we look for.",
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How the server behaves; times in seconds, rates as shares of the requests."""

    model: str = "mock"
    latency: float = 0.0
    rate_429: float = 0.0
    rate_drop: float = 0.0
    retry_after: float | None = None
    seed: int = 0
    status_for: tuple[tuple[str, int], ...] = ()
    """Requests that contain the text get the status."""

    max_concurrency: int | None = None
    """More requests in flight than this get 429."""

    answers: dict[str, str] = {}
    """Question -> answer, for prompts that contain the question."""

    executions: int = 0
    """So many times an answer asks for Python code to be run before it ends."""


class Message(msgspec.Struct):
    """A chat message of a request."""

    role: str = "user"
    content: str | None = None


class Asked(msgspec.Struct):
    """What is read of a request's body."""

    model: str | None = None
    messages: list[Message] | None = None
    prompt: str | None = None
    seed: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    logprobs: bool | int | None = None
    top_logprobs: int | None = None
    stream: bool = False


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Asked).decode


class Model:
    """Makes the answers."""

    def __init__(self, settings: Settings) -> None:
        self._name = settings.model
        self._answers = settings.answers
        self._executions = settings.executions

    def reply(self, asked: Asked, chat: bool) -> bytes:
        """The body of a 200."""
        prompt = "\n".join(message.content or "" for message in asked.messages or ()) if chat else asked.prompt or ""
        text, finish_reason, count = self._write(asked, prompt)
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason}
        if chat:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        if asked.logprobs is not None and asked.logprobs is not False:
            choice["logprobs"] = _chat_logprobs(text, asked) if chat else _text_logprobs(text, asked)
        asked_count = len(prompt) // 4 + 1
        usage = {"prompt_tokens": asked_count, "completion_tokens": count, "total_tokens": asked_count + count}
        kind = "chat.completion" if chat else "text_completion"
        return _encode(
            {"id": "mock", "object": kind, "created": 0, "model": self._name, "choices": [choice], "usage": usage}
        )

    def _write(self, asked: Asked, prompt: str) -> tuple[str, str, int]:
        """(answer, finish_reason, number of tokens); a token is a word with the space before it."""
        text = self._known(prompt) if self._answers else None
        if text is None:
            number = zlib.crc32(f"{asked.seed}\0{prompt}".encode("utf-8", "replace"))
            done = max(prompt.count(mark) for mark in OUTPUT_MARKS)
            text = _with_code(number) if done < self._executions else _made_up(number)
        finish_reason = "stop"
        for stop in (asked.stop,) if isinstance(asked.stop, str) else asked.stop or ():
            text = text.partition(stop)[0]
        count = text.count(" ") + 1
        most = asked.max_tokens or asked.max_completion_tokens
        if most is not None and count > most:
            text, finish_reason, count = " ".join(text.split(" ", most)[:most]), "length", most
        return text, finish_reason, count

    def _known(self, prompt: str) -> str | None:
        last = prompt.rpartition("\n")[2]
        if last in self._answers:
            return self._answers[last]
        return next((answer for question, answer in self._answers.items() if question in prompt), None)


def _made_up(number: int) -> str:
    start = number % len(STEPS)
    steps = [STEPS[(start + 3 * index) % len(STEPS)] for index in range(7)]
    return f"{' '.join(steps)}\nSo the answer is {number % 997}.\n#### {number % 997}"


OUTPUT_MARKS = ("```output\n", "<llm-code-output>\n")


def _with_code(number: int) -> str:
    """A step, and code as both kinds of models mark it: the stop string ends it after the one that is meant."""
    step = STEPS[number % len(STEPS)]
    code = f"left = {number % 997}\nfor day in range(1, 8):\n    left += day\nprint(left)"
    return f"{step}\n```python\n{code}\n```\n```output\n<llm-code>\n{code}\n</llm-code>"


def _tokens(text: str) -> list[str]:
    return re.findall(r" ?[^ ]+| ", text)


def _chat_logprobs(text: str, asked: Asked) -> dict[str, Any]:
    top = range(asked.top_logprobs or 0)
    return {
        "content": [
            {
                "token": token,
                "logprob": -0.5,
                "bytes": None,
                "top_logprobs": [{"token": f"{token}{n}" if n else token, "logprob": -0.5 - n} for n in top],
            }
            for token in _tokens(text)
        ]
    }


def _text_logprobs(text: str, asked: Asked) -> dict[str, Any]:
    tokens = _tokens(text)
    top = range(int(asked.logprobs or 0))
    return {
        "tokens": tokens,
        "token_logprobs": [-0.5] * len(tokens),
        "top_logprobs": [{f"{token}{n}" if n else token: -0.5 - n for n in top} for token in tokens],
        "text_offset": [0] * len(tokens),
    }


class MockServer:
    """The state that all connections share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.model = Model(settings)
        self.rng = random.Random(settings.seed)
        self.in_flight = 0
        self.stats: Counter[str] = Counter()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> asyncio.Server:
        """Listen; the port is in `.sockets[0].getsockname()`."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Connection(self), host, port, backlog=4096)

    @property
    def full(self) -> bool:
        """Whether one more request in flight would be too many."""
        return self.settings.max_concurrency is not None and self.in_flight >= self.settings.max_concurrency

    def stats_body(self) -> bytes:
        """The body of /stats."""
        names = ("requests", "200", "429", "drops", "cancelled", "connections", "peak_in_flight")
        return _encode({**dict.fromkeys(names, 0), **self.stats, "in_flight": self.in_flight})


class Connection(asyncio.Protocol):
    """One connection: HTTP/1.1 with keep-alive, one request at a time, bodies by Content-Length."""

    def __init__(self, server: MockServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._pending: asyncio.TimerHandle | None = None
        self._told_to_continue = False
        self._close_after = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.stats["connections"] += 1

    def connection_lost(self, error: Exception | None) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
            self._server.in_flight -= 1
            self._server.stats["cancelled"] += 1

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._pending is None:
            self._next_request()

    def _next_request(self) -> None:
        """Take a whole request from the buffer, if one is there."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end])
        lower = head.lower()
        length = int(found.group(1)) if (found := re.search(rb"\r\ncontent-length:\s*(\d+)", lower)) else 0
        if len(self._buffer) < end + 4 + length:
            if b"\r\nexpect: 100-continue" in lower and not self._told_to_continue:
                self._told_to_continue = True
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        self._told_to_continue = False
        self._close_after = b"\r\nconnection: close" in lower
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or b"\r\ntransfer-encoding:" in lower:
            self._close_after = True
            self._answer(400, _error("Not HTTP/1.1 with Content-Length"))
        else:
            method, path, _ = words
            self._handle(method, path.partition(b"?")[0].rstrip(b"/").removeprefix(b"/v1"), body)

    def _handle(self, method: bytes, path: bytes, body: bytes) -> None:
        if method == b"POST" and path in (b"/chat/completions", b"/completions"):
            self._complete(path == b"/chat/completions", body)
        elif method == b"GET" and path == b"/models":
            model = {"id": self._server.settings.model, "object": "model", "created": 0, "owned_by": "mock"}
            self._answer(200, _encode({"object": "list", "data": [model]}))
        elif method == b"GET" and path == b"/stats":
            self._answer(200, self._server.stats_body())
        else:
            self._answer(404, _error("Not Found"))

    def _complete(self, chat: bool, body: bytes) -> None:
        server, settings = self._server, self._server.settings
        server.stats["requests"] += 1
        fate = server.rng.random()
        if fate < settings.rate_drop:
            server.stats["drops"] += 1
            self._transport.close()
        elif fate < settings.rate_drop + settings.rate_429 or server.full:
            self._throttle()
        else:
            server.in_flight += 1
            server.stats["peak_in_flight"] = max(server.stats["peak_in_flight"], server.in_flight)
            loop = asyncio.get_running_loop()
            self._pending = loop.call_later(settings.latency, self._finish, chat, body)

    def _throttle(self) -> None:
        wish = self._server.settings.retry_after
        self._count(429, _error("Too many requests"), b"" if wish is None else b"Retry-After: %g\r\n" % wish)

    def _finish(self, chat: bool, body: bytes) -> None:
        self._pending = None
        self._server.in_flight -= 1
        self._count(*self._outcome(chat, body))

    def _outcome(self, chat: bool, body: bytes) -> tuple[int, bytes]:
        settings = self._server.settings
        try:
            asked = _decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return 400, _error(f"Malformed body: {error}")
        if settings.status_for:
            whole = asked.prompt or "\n".join(message.content or "" for message in asked.messages or ())
            for text, status in settings.status_for:
                if text in whole:
                    return status, _error(f"The mock was told to answer {status}")
        if asked.model != settings.model:
            return 404, _error(f"The model `{asked.model}` does not exist.")
        if (asked.messages if chat else asked.prompt) is None:
            return 400, _error("Missing messages" if chat else "Missing prompt")
        reply = self._server.model.reply(asked, chat)
        return (200, _events(reply)) if asked.stream else (200, reply)

    def _count(self, status: int, body: bytes, headers: bytes = b"") -> None:
        self._server.stats[str(status)] += 1
        self._answer(status, body, headers)

    def _answer(self, status: int, body: bytes, headers: bytes = b"") -> None:
        headers += b"Connection: close\r\n" if self._close_after else b""
        kind = b"text/event-stream" if body.startswith(b"data:") else b"application/json"
        reason = responses.get(status, "Status").encode()
        self._transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n%b"
            % (status, reason, kind, len(body), headers, body)
        )
        if self._close_after:
            self._transport.close()
        elif self._buffer:
            asyncio.get_running_loop().call_soon(self._next_request)


def _events(reply: bytes) -> bytes:
    """`reply` as a stream: a piece for each token, then the finish reason, then the usage. All of it comes at once."""
    whole = json.loads(reply)
    choice = whole["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    pieces = [
        {"index": 0, **({"delta": {"content": each}} if "message" in choice else {"text": each})}
        for each in _tokens(text)
    ]
    end = {
        "index": 0,
        "delta": {},
        "text": "",
        "finish_reason": choice["finish_reason"],
        "logprobs": choice.get("logprobs"),
    }
    events = [{**whole, "choices": [each], "usage": None} for each in (*pieces, end)]
    lines = (b"data: " + _encode(event) for event in (*events, {**whole, "choices": []}))
    return b"\n\n".join((*lines, b"data: [DONE]", b""))


def _error(message: str) -> bytes:
    return _encode({"error": {"message": message, "type": "mock_error", "param": None, "code": None}})


def _read_answers(path: Path) -> dict[str, str]:
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {row["question"]: row["answer"] for row in rows}


async def _serve(settings: Settings, host: str, port: int) -> None:
    server = await MockServer(settings).start(host, port)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve until stopped."""
    preset = Settings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--model", default=preset.model, help="the only model that is served")
    parser.add_argument("--latency", type=float, default=preset.latency, metavar="SECONDS")
    parser.add_argument(
        "--rate-429", type=float, default=preset.rate_429, metavar="SHARE", help="requests that get 429"
    )
    parser.add_argument(
        "--rate-drop", type=float, default=preset.rate_drop, metavar="SHARE", help="connections closed unanswered"
    )
    parser.add_argument("--retry-after", type=float, metavar="SECONDS", help="send it with each 429")
    parser.add_argument("--seed", type=int, default=preset.seed, help="of the faults")
    parser.add_argument("--status-for", nargs=2, action="append", default=[], metavar=("TEXT", "STATUS"))
    parser.add_argument("--max-concurrency", type=int, metavar="N", help="429 beyond")
    parser.add_argument("--executions", type=int, default=0, metavar="N", help="blocks of code before an answer ends")
    parser.add_argument("--answers", type=Path, metavar="FILE.jsonl", help='lines {"question": ..., "answer": ...}')
    given = parser.parse_args()
    settings = Settings(
        model=given.model,
        latency=given.latency,
        rate_429=given.rate_429,
        rate_drop=given.rate_drop,
        retry_after=given.retry_after,
        seed=given.seed,
        status_for=tuple((text, int(status)) for text, status in given.status_for),
        max_concurrency=given.max_concurrency,
        answers=_read_answers(given.answers) if given.answers else {},
        executions=given.executions,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(settings, given.host, given.port))


if __name__ == "__main__":
    main()
