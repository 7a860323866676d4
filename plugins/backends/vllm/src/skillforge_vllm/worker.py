"""The process that holds vLLM's engine: `python worker.py SOCKET NAME ARGUMENTS...`, run by the Python that has vLLM.

It needs vLLM and the standard library, and knows nothing of SkillForge. Messages are JSON with its length in four bytes
before it, over the Unix socket at SOCKET. First comes one of ours, `{"context": ..., "at_once": ..., "versions": {...}}`, once
the engine takes requests; then theirs:

    {"id": 7, "prompt": TEXT or MESSAGES or [ids], "params": {...}, "schema": TEXT or null, "stream": true}
    {"abort": 7}

and our answers, with the `id` and one of: `text` (a further piece of a streamed answer), `done` (the whole), `refused` (with
`room` where the context is too short), `failed` (can pass), `broken` (the engine is lost). ARGUMENTS are those of `vllm serve`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import signal
import sys
from typing import Any

HEAD = 4
IMPOSSIBLE = -9999.0
"""Stands for minus infinity, which JSON cannot hold."""


class Refused(Exception):
    """The request itself cannot be done. `room`: tokens that the context has left for an answer, where that is why."""

    def __init__(self, why: str, room: int | None = None) -> None:
        super().__init__(why)
        self.room = room


class Worker:
    """Answers the requests that come over one connection, many at once."""

    def __init__(self, engine: Any, defaults: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self._engine = engine
        self._defaults = defaults
        self._writer = writer
        self._tokenizer = engine.get_tokenizer()
        self._context: int = engine.model_config.max_model_len
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Take requests until the connection ends."""
        import torch
        import vllm

        self._send(
            {
                "context": self._context,
                "at_once": self._engine.vllm_config.scheduler_config.max_num_seqs,
                "versions": {"vllm": vllm.__version__, "torch": torch.__version__},
            }
        )
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int.from_bytes(await reader.readexactly(HEAD), "big")
                message = json.loads(await reader.readexactly(size))
                if "abort" in message:
                    if task := self._tasks.get(message["abort"]):
                        task.cancel()
                else:
                    self._tasks[message["id"]] = asyncio.create_task(self._answer(message))

    async def _answer(self, message: dict[str, Any]) -> None:
        from vllm.exceptions import VLLMClientError

        number = message["id"]
        try:
            self._send({"id": number, "done": await self._generate(message)})
        except Refused as refused:
            self._send({"id": number, "refused": str(refused), "room": refused.room})
        except (ValueError, VLLMClientError) as error:  # so vLLM says that a request's settings make no sense
            self._send({"id": number, "refused": str(error), "room": None})
        except Exception as error:
            fault = f"{type(error).__name__}: {error}".removesuffix(": ")
            self._send({"id": number, "broken" if self._engine.errored else "failed": fault})
        finally:
            del self._tasks[number]

    async def _generate(self, message: dict[str, Any]) -> dict[str, Any]:
        ids = self._ids(message["prompt"])
        if len(ids) >= self._context:
            what = (
                f"the prompt has {len(ids)} tokens and the model's context {self._context}: there is no room to answer"
            )
            raise Refused(what, room=0)
        params = self._params(message)
        pieces = []
        async for piece in self._engine.generate({"prompt_token_ids": ids}, params, str(message["id"])):
            pieces.append(piece)
            if message["stream"] and (text := piece.outputs[0].text):
                self._send({"id": message["id"], "text": text})
        return told(ids, pieces, params)

    def _params(self, message: dict[str, Any]) -> Any:
        from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

        schema = message["schema"]
        return SamplingParams(
            **{"max_tokens": None, **self._defaults, **message["params"]},
            structured_outputs=StructuredOutputsParams(json=schema) if schema is not None else None,
            output_kind=RequestOutputKind.DELTA if message["stream"] else RequestOutputKind.FINAL_ONLY,
        )

    def _ids(self, prompt: Any) -> list[int]:
        """The tokens of a prompt: a list of ids, raw text, or messages for the chat template."""
        if isinstance(prompt, str):
            # Raw text gets the tokenizer's special tokens, but not a second BOS.
            bos = self._tokenizer.bos_token
            return list(self._tokenizer.encode(prompt, add_special_tokens=not (bos and prompt.startswith(bos))))
        if not prompt or isinstance(prompt[0], int):
            return list(prompt)
        return list(self._tokenizer.encode(self._render(prompt), add_special_tokens=False))

    def _render(self, messages: list[dict[str, str]]) -> str:
        """What the model reads of a chat. An assistant's message at its end follows the beginning of an answer as it is,
        since templates trim such a message, or change it."""
        if not self._tokenizer.chat_template:
            raise Refused("the model's tokenizer has no chat template, so it cannot be sent chat messages")
        begun = messages[-1]["content"] if messages[-1]["role"] == "assistant" else None
        asked = messages if begun is None else messages[:-1]
        try:
            text = self._tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        except Exception as error:
            raise Refused(f"the model's chat template rejects these messages ({error})") from error
        return f"{text}{begun or ''}"

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        self._writer.write(len(data).to_bytes(HEAD, "big") + data)


def told(prompt: list[int], pieces: list[Any], params: Any) -> dict[str, Any]:
    """A finished answer as it is sent. A streamed one came in several pieces, any other in one."""
    outputs = [piece.outputs[0] for piece in pieces]
    last = outputs[-1]
    tokens = [token for output in outputs for token in output.token_ids]
    logprobs = [likely for output in outputs for likely in output.logprobs or ()]
    of_prompt = [likely for piece in pieces for likely in piece.prompt_logprobs or ()]
    return {
        "text": "".join(output.text for output in outputs),
        "finish_reason": last.finish_reason,
        "stop": last.stop_reason if isinstance(last.stop_reason, str) else None,
        "prompt_ids": prompt,
        "token_ids": tokens,
        "logprobs": of_tokens(tokens, logprobs, params.logprobs),
        "prompt_logprobs": of_tokens(prompt[1:], of_prompt[1:], params.prompt_logprobs),
    }


def of_tokens(tokens: list[int], likely: list[Any], alternatives: int | None) -> list[dict[str, Any]] | None:
    """The log-probabilities of `tokens`; None where they were not asked for."""
    if alternatives is None:
        return None
    return [of_token(token, each, alternatives) for token, each in zip(tokens, likely, strict=True)]


def of_token(token: int, likely: Any, alternatives: int) -> dict[str, Any]:
    """The log-probability of one token, and of the likeliest instead of it."""
    top: dict[str, float] = {}
    for each in sorted(likely.values(), key=lambda each: each.rank)[:alternatives]:
        top.setdefault(each.decoded_token, real(each.logprob))
    return {"token": likely[token].decoded_token, "logprob": real(likely[token].logprob), "top": top}


def real(logprob: float) -> float:
    return logprob if math.isfinite(logprob) else IMPOSSIBLE


async def main(socket: str, arguments: list[str]) -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.utils.argparse_utils import FlexibleArgumentParser
    from vllm.v1.engine.async_llm import AsyncLLM

    parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())
    engine = AsyncLLM.from_engine_args(AsyncEngineArgs.from_cli_args(parser.parse_args(arguments)))
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
        # What generation_config.json says, as `vllm serve` takes it.
        worker = Worker(engine, engine.model_config.get_diff_sampling_param(), writer)
        serving = asyncio.create_task(worker.serve(reader))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    finally:
        await asyncio.to_thread(engine.shutdown)  # it waits for what this loop has to take in


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads of vLLM's hold up any other end for seconds
