"""Passed over: what a request asked for and its answer lacks. A server that ignores fields which it does not know shows
itself by that alone."""

from __future__ import annotations

import msgspec

from skillforge import Completion, Request


def passed_over(request: Request, completion: Completion) -> str | None:
    """The setting of sampling that the server took no notice of; None as far as the answer shows."""
    sampling = request.sampling
    if sampling.logprobs is not None and completion.text and completion.logprobs is None:
        return "logprobs"
    if sampling.prompt_logprobs is not None and completion.prompt_logprobs is None:
        return "prompt_logprobs"
    if sampling.token_ids and completion.token_ids is None:
        return "token_ids"
    if sampling.json_schema is not None and completion.text and _ended(completion) and not _is_json(completion.text):
        return "json_schema"
    return None


def _ended(completion: Completion) -> bool:
    """Whether the model ended by itself, and wrote no refusal."""
    return completion.finish_reason == "stop" and not completion.stop and not completion.tool_calls


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
