"""Refusals because of the context, in the words of each server, and the room that is left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import ContextOverflow, RequestRefused
from skillforge.text import one_line

OPENAI = "This model's maximum context length is 4096 tokens. However, "
VLLM = "This model's maximum context length is 8192 tokens. However, you requested 64 output tokens and "
REDUCE = " Please reduce the length of the input prompt or the number of requested output tokens."
TOO_LARGE = "'max_tokens' or 'max_completion_tokens' is too large: 512. "


@pytest.mark.parametrize(
    ("message", "room"),
    [
        # OpenAI, DeepSeek, vLLM to 0.8
        (OPENAI + "you requested 5000 tokens (3976 in the messages, 1024 in the completion). Please reduce …", 120),
        (
            OPENAI
            + "you requested 5100 tokens (3976 in the messages, 100 in the functions, and 1024 in the completion)",
            20,
        ),
        (OPENAI + "you requested 9000 tokens (5000 in the messages, 4000 in the completion).", 0),
        (OPENAI + "your messages resulted in 46055 tokens. Please reduce the length of the messages.", 0),
        (OPENAI + "your messages resulted in 46055 tokens (46000 in the messages, 55 in the functions).", 0),
        (
            "This model's maximum context length is 4097 tokens, however you requested 4226 tokens (3970 in your prompt; 256 "
            "for the completion). Please reduce your prompt; or completion length.",
            127,
        ),
        # vLLM from 0.9
        (OPENAI + "your request has 5000 input tokens. Please reduce the length of the input messages.", 0),
        (
            TOO_LARGE
            + "This model's maximum context length is 2048 tokens and your request has 1551 input tokens (512 > 2048 - "
            "1551). (parameter=max_tokens, value=512)",
            497,
        ),
        # vLLM from 0.15: input tokens are counted to the limit and no further
        (VLLM + "your prompt contains 8150 input tokens, for a total of 8214 tokens." + REDUCE, 42),
        (VLLM + "your prompt contains at least 8129 input tokens, for a total of at least 8193 tokens." + REDUCE, None),
        (VLLM + "your prompt contains at least 8193 input tokens, for a total of at least 8257 tokens." + REDUCE, 0),
        (
            VLLM
            + "your prompt contains 90000 characters (more than 65024 characters, which is the upper bound for 8128 …",
            None,
        ),
        (OPENAI + "your prompt contains at least 4097 input tokens.", 0),
        (
            "You passed 99073 input tokens and requested 32000 output tokens. However, the model's context length is only "
            "131072 tokens, resulting in a maximum input length of 99072 tokens. Please reduce the length of the input prompt.",
            None,
        ),
        (
            "You passed 400 input tokens and requested 2045 output tokens. However, the model's context length is only 2048 "
            "tokens, resulting in a maximum input length of 3 tokens.",
            1648,
        ),
        (
            "You passed 8193 input tokens and requested 0 output tokens. However, the model's context length is only "
            "8192 tokens",
            0,
        ),
        ("max_tokens=2000 cannot be greater than max_model_len=512", None),
        (
            "max_completion_tokens=3000 cannot be greater than max_model_len=max_total_tokens=2048. Please request fewer …",
            None,
        ),
        ("The decoder prompt (length 8357) is longer than the maximum model length of 8192. Make sure that …", 0),
        # SGLang
        ("The input (61709 tokens) is longer than the model's context length (40960 tokens).", 0),
        (
            "Requested token count exceeds the model's maximum context length of 202752 tokens. You requested a total of "
            "202941 tokens: 170941 tokens from the input messages and 32000 tokens for the completion. Please reduce …",
            31811,
        ),
        ("Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens). Use a shorter input or …", 0),
        # TGI
        (
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512. Given: 1000 `inputs` tokens and …",
            512,
        ),
        ("Input validation error: `inputs` must have less than 1024 tokens. Given: 1168", 0),
        # llama.cpp, llama-cpp-python
        ("request (13392 tokens) exceeds the available context size (8192 tokens), try increasing it", 0),
        ("Requested tokens (516) exceed context window of 512", 0),
        # TensorRT-LLM
        (
            "`default_max_tokens` (-40205) should be greater than 0, `default_max_tokens` (-40205) = max_seq_len (40961) - "
            "`splited_prompt_len` (81166) - `query_token_len` (0)",
            0,
        ),
        ("The sum of prompt length (72417.0), query length (0) should not exceed max_num_tokens (69632)", 0),
        ("The sum of prompt length (5000) and max_tokens (600) should not exceed max_seq_len (5120)", 120),
        ("Cannot process new request: Prompt length (5056) exceeds maximum sequence length (2048)", 0),
        # Mistral, Anthropic, xAI
        ("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", 0),
        ("prompt is too long: 215000 tokens > 200000 maximum", 0),
        ("This model's maximum prompt length is 131072 but the request contains 537812 tokens.", 0),
    ],
)
def test_the_words_of_servers(lab: SimpleNamespace, message: str, room: int | None) -> None:
    for status, body in (
        (400, {"error": {"message": message, "type": "BadRequestError", "code": 400}}),
        (400, {"object": "error", "message": f"litellm.BadRequestError:\n  {message}", "code": 400}),
        (422, {"error": message, "error_type": "validation"}),
        (200, {"error": {"message": message, "code": 400}}),
    ):
        found = lab.ask(lab.http(status, body)).error
        assert isinstance(found, ContextOverflow)
        assert found.room == room
        assert ("--max-tokens" if room else "prompt") in found.fix
        ours, what = found.what.split(": ", 1)
        assert ours == f"the prompt {'and --max-tokens are' if room else 'is'} too long for the model's context"
        assert what.startswith("the server refused the request (HTTP 4")


def test_what_to_do_is_told_behind_the_longest_message(lab: SimpleNamespace) -> None:
    message = VLLM + "your prompt contains at least 8193 input tokens, for a total of at least 8257 tokens." + REDUCE
    found = lab.ask(lab.http(400, {"error": {"message": message * 3}})).error
    told = one_line(str(found))  # as where it is stored, or shown
    assert told.startswith("the prompt is too long for the model's context: the server refused the request (HTTP 400: ")
    assert told.endswith("; shorten the prompt (fewer few-shot examples), or serve a longer context")


@pytest.mark.parametrize(
    ("status", "fields", "room"),
    [
        (
            400,
            {"message": "Your input exceeds the context window of this model.", "code": "context_length_exceeded"},
            None,
        ),
        (400, {"message": "Please reduce the length of the messages.", "code": "context_length_exceeded"}, None),
        (400, {"message": "?", "code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 14, "n_ctx": 8}, 0),
        (500, {"message": "?", "code": 500, "type": "exceed_context_size_error", "n_prompt_tokens": 14, "n_ctx": 8}, 0),
    ],
)
def test_error_codes(lab: SimpleNamespace, status: int, fields: dict[str, Any], room: int | None) -> None:
    found = lab.ask(lab.http(status, {"error": fields})).error
    assert isinstance(found, ContextOverflow)
    assert found.room == room


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 5000. This model supports at most 4096 completion tokens, whereas you provided 5000.",
        "max_tokens must be at least 1, got -186.",
        "stop must have at most 4 entries, and the prompt has 4096 tokens",
    ],
)
def test_other_refusals_are_none_of_the_context(lab: SimpleNamespace, message: str) -> None:
    found = lab.ask(lab.http(400, {"error": {"message": message}})).error
    assert type(found) is RequestRefused


def test_a_hostile_message_costs_no_time_and_stays_one_line(lab: SimpleNamespace) -> None:
    message = OPENAI + "you requested 9 tokens (" + "9 in the messages, " * 50_000 + "\x1b[2J"
    found = lab.ask(lab.http(400, {"error": {"message": message}})).error
    assert type(found) is RequestRefused
    assert len(str(found)) < 1000
    assert "\x1b" not in str(found)
    huge = "The input (" + "9" * 3000 + " tokens) is longer than the model's context length (5 tokens)"
    assert lab.ask(lab.http(400, {"error": {"message": huge}})).error.room in (0, None)
