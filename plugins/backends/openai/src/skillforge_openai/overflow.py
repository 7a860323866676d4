"""Overflow: a server's word that a prompt, or a prompt with the answer asked for, does not fit into the model's context."""

from __future__ import annotations

import re

from skillforge import ContextOverflow
from skillforge.text import one_line

_CODES = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_PROMPT_ALONE = frozenset({"exceed_context_size_error"})
"""llama.cpp cuts the answer to what fits, and refuses only a prompt that leaves nothing."""

_READ = 4000  # characters of a message that are looked at
_TOLD = 150  # characters of it that are told

# What each server says, with the numbers in it: `context` (the most tokens that there can be), `prompt` (tokens of the
# prompt), or `total` and `answer` (tokens asked for together, and for the answer). The first that matches counts.
_WORDINGS = tuple(
    re.compile(wording, re.IGNORECASE)
    for wording in (
        # OpenAI, DeepSeek, vLLM to 0.8, llama-cpp-python
        r"maximum context length is (?P<context>\d+) tokens\W+however,? you requested (?P<total>\d+) tokens "
        r"\([^)]*?(?P<answer>\d+) (?:in|for) the completion",
        r"maximum context length is (?P<context>\d+) tokens\W+however,? your messages resulted in (?P<prompt>\d+) tokens",
        # vLLM from 0.9, also after "'max_tokens' or 'max_completion_tokens' is too large: 512."
        r"maximum context length is (?P<context>\d+) tokens\W+(?:however, |and )your request has (?P<prompt>\d+) input tokens",
        # vLLM from 0.15: it counts no further than it has to
        r"you passed (?P<prompt>\d+) input tokens and requested \d+ output tokens\. however, the model's context length "
        r"is only (?P<context>\d+) tokens(?:, resulting in a maximum input length of (?P<most>\d+))?",
        r"maximum context length is (?P<context>\d+) tokens\W+however, (?:you requested \d+ output tokens and )?"
        r"your prompt contains (?P<at_least>at least )?(?P<prompt>\d+)\b(?! char)",
        r"maximum context length is \d+ tokens\W+however, you requested \d+ output tokens and your prompt contains \d+ char",
        # A prompt of more characters than the context can hold leaves no room, so that they may count as tokens.
        r"maximum context length is (?P<context>\d+) tokens\W+however, your prompt contains (?P<prompt>\d+) char",
        r"max_(?:completion_)?tokens=\d+ cannot be greater than max_model_len=",
        r"prompt \(length (?P<prompt>\d+)\) is longer than the maximum model length of (?P<context>\d+)",
        # SGLang, and services that run it
        r"the input \((?P<prompt>\d+) tokens\) is longer than the model's context length \((?P<context>\d+) tokens\)",
        r"maximum context length of (?P<context>\d+) tokens\W+you requested a total of \d+ tokens: (?P<prompt>\d+) tokens",
        r"input length \((?P<prompt>\d+) tokens\) exceeds the maximum allowed length \((?P<context>\d+) tokens\)",
        # TGI
        r"`inputs` tokens \+ `max_new_tokens` must be <= (?P<context>\d+)\. given: (?P<prompt>\d+) `inputs` tokens",
        r"`inputs` must have less than (?P<context>\d+) tokens\. given: (?P<prompt>\d+)",
        # llama.cpp, llama-cpp-python
        r"request \((?P<prompt>\d+) tokens\) exceeds the available context size \((?P<context>\d+) tokens\)",
        r"requested tokens \((?P<prompt>\d+)\) exceed context window of (?P<context>\d+)",
        # TensorRT-LLM
        r"`default_max_tokens` \(-?\d+\) = max_seq_len \((?P<context>\d+)\) - `splited_prompt_len` \((?P<prompt>\d+)\)",
        r"sum of prompt length \((?P<prompt>\d+)(?:\.\d+)?\),? .{0,60}?should not exceed \w+ \((?P<context>\d+)\)",
        r"prompt length \((?P<prompt>\d+)\) exceeds maximum (?:input|sequence) length \((?P<context>\d+)\)",
        # Mistral, Anthropic, xAI
        r"prompt contains (?P<prompt>\d+) tokens.{0,40}? too large for model with (?P<context>\d+) maximum context length",
        r"prompt is too long: (?P<prompt>\d+) tokens > (?P<context>\d+) maximum",
        r"maximum prompt length is (?P<context>\d+) but the request contains (?P<prompt>\d+) tokens",
    )
)


def context_overflow(what: str, message: str, code: str | None) -> ContextOverflow | None:
    """The error for a refusal with the server's `message` and error `code`; None where it is another one.

    It leads with words of ours and ends with what to do; between them `what`, which tells the refusal, is cut short.
    """
    text = " ".join(message[:_READ].split())
    found = next((match for wording in _WORDINGS if (match := wording.search(text))), None)
    if found is None and code not in _CODES:
        return None
    room = 0 if code in _PROMPT_ALONE else _room(found.groupdict()) if found else None
    ours = "the prompt is too long for the model's context"
    fix = "shorten the prompt (fewer few-shot examples), or serve a longer context"
    if room:
        ours, fix = "the prompt and --max-tokens are too long for the model's context", "lower --max-tokens"
    return ContextOverflow(f"{ours}: {one_line(what, _TOLD)}", fix, room=room)


def _room(said: dict[str, str | None]) -> int | None:
    """Tokens that are left for the answer; None where the server's numbers do not tell."""
    told = {name: int(number) for name, number in said.items() if number and name != "at_least"}
    if "context" not in told:
        return None
    prompt = told["prompt"] if "prompt" in told else told["total"] - told["answer"]
    room = max(0, told["context"] - prompt)
    counted_to_the_end = not said.get("at_least") and prompt != told.get("most", prompt) + 1
    return room if counted_to_the_end or not room else None
