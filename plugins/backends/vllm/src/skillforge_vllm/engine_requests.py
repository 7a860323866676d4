"""Between requests and what the worker's engine is asked, and between its answers and completions."""

from __future__ import annotations

from typing import Any

import msgspec

from skillforge import (
    Completion,
    ContextOverflow,
    ReasoningTags,
    Request,
    RequestFailed,
    RequestRefused,
    SkillForgeError,
)
from skillforge.text import one_line

_PARAMS = (
    "temperature", "top_p", "top_k", "min_p", "max_tokens", "repetition_penalty", "presence_penalty",
    "frequency_penalty", "logprobs", "prompt_logprobs",
)  # fmt: skip
"""Settings that vLLM's SamplingParams has by the same name."""


class Done(msgspec.Struct):
    """A finished answer, as the worker tells it."""

    text: str
    finish_reason: str
    stop: str | None
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    logprobs: list[dict[str, object]] | None
    prompt_logprobs: list[dict[str, object]] | None


class Reply(msgspec.Struct):
    """A message about one request, of which one field is set; `room` belongs to `refused`."""

    id: int
    text: str | None = None
    done: Done | None = None
    refused: str | None = None
    room: int | None = None
    failed: str | None = None
    broken: str | None = None


def engine_request(request: Request) -> dict[str, Any]:
    """What the engine is asked."""
    sampling = request.sampling
    params = {name: value for name in _PARAMS if (value := getattr(sampling, name)) is not None}
    if sampling.stop:
        params["stop"] = sampling.stop
    if request.seed is not None:
        params["seed"] = request.seed
    prompt: Any = request.prompt if request.prompt_ids is None else request.prompt_ids
    if request.prompt_ids is None and not isinstance(prompt, str):
        prompt = [{"role": message.role, "content": message.content} for message in prompt]
    return {"prompt": prompt, "params": params, "schema": sampling.json_schema}


def completion_of(done: Done, request: Request, tags: ReasoningTags, first_token: float | None) -> Completion:
    """The completion that the engine's answer is. Raises RequestFailed or RequestRefused for one that broke off."""
    if done.finish_reason not in ("stop", "length"):
        raise broken_off(f"finish_reason '{done.finish_reason}'", request)
    reasoning, text, closed = None, done.text, True
    if not request.whole:
        reasoning, text, closed = tags.split(done.text, tags.opened_by(request.prompt))
    wanted = request.sampling.token_ids
    return Completion(
        text=text,
        reasoning=reasoning,
        finish_reason=done.finish_reason if closed else "length",
        stop=done.stop or "" if done.finish_reason == "stop" else None,
        prompt_tokens=len(done.prompt_ids),
        completion_tokens=len(done.token_ids),
        prompt_ids=done.prompt_ids if wanted else None,
        token_ids=done.token_ids if wanted else None,
        first_token=first_token,
        logprobs=done.logprobs,
        prompt_logprobs=done.prompt_logprobs,
    )


def broken_off(how: str, request: Request) -> SkillForgeError:
    """What it means that vLLM broke off the answer to `request`, which it told as `how`.

    It tells no cause, other than in its log. With a schema the cause is the schema as a rule, and stays: the grammar has come
    to a place from where no token of the vocabulary leads on.
    """
    what = f"vLLM broke the answer off ({how})"
    if request.sampling.json_schema is None:
        return RequestFailed(what)
    return RequestRefused(
        f"{what}, as it does where the model has no tokens for what --json-schema asks for",
        "leave --json-schema out, or use another model",
    )


def error_of(reply: Reply) -> SkillForgeError:
    """What a reply means that is no answer."""
    if reply.room is not None:
        fix = "shorten the prompt (fewer few-shot examples), or serve a longer context"
        return ContextOverflow(str(reply.refused), fix, room=reply.room)
    if reply.refused is not None:
        return RequestRefused(f"vLLM refused the request ({one_line(reply.refused)})")
    return RequestFailed(f"vLLM failed ({one_line(reply.failed or '')})")
