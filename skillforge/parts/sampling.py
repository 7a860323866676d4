"""Sampling: how tokens are drawn, the same settings for every backend."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from skillforge.parts.part import PartOptions

NonNegative = Annotated[float, Meta(ge=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]


class Sampling(PartOptions, frozen=True, kw_only=True, omit_defaults=True):
    """Settings of generation; None leaves one out of the request, so that the server's or model's own default holds."""

    temperature: Annotated[
        NonNegative | None,
        Meta(description="Sampling temperature; 0 is greedy. Default: 0, or 0.7 with --repeats above 1."),
    ] = None
    top_p: Annotated[
        Fraction | None, Meta(description="Draw from the smallest set of tokens with this probability mass.")
    ] = None
    top_k: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Draw from this many of the likeliest tokens.")
    ] = None
    min_p: Annotated[
        Fraction | None, Meta(description="Drop tokens below this share of the likeliest token's probability.")
    ] = None
    max_tokens: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(
            description="Most tokens to generate for one sample. Default: the model's own, else 1024, or 4096 with code."
        ),
    ] = None
    stop: Annotated[tuple[str, ...], Meta(description="End the answer before this text; repeatable.")] = ()
    seed: Annotated[
        Annotated[int, Meta(ge=0, lt=2**53)] | None,
        Meta(description="Seed of the run; each sample is sent a seed of its own made from it."),
    ] = None
    repetition_penalty: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Divide the logits of tokens seen before by this; 1 changes nothing."),
    ] = None
    presence_penalty: Annotated[
        Penalty | None, Meta(description="Subtract this from the logits of tokens that occurred already.")
    ] = None
    frequency_penalty: Annotated[
        Penalty | None, Meta(description="Subtract this from a token's logit for each time that it occurred.")
    ] = None
    logprobs: Annotated[
        Annotated[int, Meta(ge=0, le=20)] | None,
        Meta(description="Store the log-probability of each token, and of this many alternatives."),
    ] = None
    prompt_logprobs: Annotated[
        Annotated[int, Meta(ge=0, le=20)] | None,
        Meta(
            description="Store the log-probability of each token of the prompt, and of this many alternatives; where code is "
            "run, of the first turn's prompt."
        ),
    ] = None
    token_ids: Annotated[
        bool | None, Meta(description="Store the ids of the tokens of each prompt and answer, for training.")
    ] = None
    json_schema: Annotated[
        str | None, Meta(description="JSON schema, as JSON, that each answer must follow (structured output).")
    ] = None

    def asked(self) -> frozenset[str]:
        """Names of the settings that are not left to the server: what a backend must be capable of."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return frozenset(name for name, value in values.items() if value not in (None, ()) and value is not False)

    def over(self, default: Sampling) -> Sampling:
        """These settings, with those that are unset taken from `default`."""
        unset = {name: getattr(default, name) for name in self.__struct_fields__ if getattr(self, name) in (None, ())}
        return msgspec.structs.replace(self, **unset)
