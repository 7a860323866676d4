"""Dialect: what a server can do beyond OpenAI's own protocol, said once, by who knows the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from skillforge_openai import OpenAIOptions

SAMPLING_OF_VLLM = {name: name for name in ("top_k", "min_p", "repetition_penalty")}
"""What vLLM, SGLang and TensorRT-LLM take more than OpenAI, by the names that SkillForge gives it."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """A server's extensions. The default has none.

    A backend that builds on this one declares its server's: `OpenAIBackend(Dialect(...))`. To that the user's options add.
    """

    sampling: dict[str, str] = {}
    """Settings of Sampling that OpenAI lacks, each with the name that the server has for it."""

    continues: bool = False
    """It goes on with a chat that ends with an assistant's message: `continue_final_message`, `add_generation_prompt`."""

    token_ids: bool = False
    """It takes `prompt` as a list of ids, and answers `return_token_ids` with those of the prompt and of the answer."""

    prompt_logprobs: bool = False
    """It answers `prompt_logprobs` with log-probabilities of the prompt's tokens, in an answer that is not streamed."""

    text_schema: Literal["response_format", "structured_outputs", "json_schema"] | None = None
    """The field of a text request that holds a JSON schema: as in chats (SGLang, TensorRT-LLM), vLLM's, llama.cpp's."""

    health: str | None = None
    """Path on the server, above the `/v1` of its base URL, that answers 200 while requests are taken."""

    version: tuple[str, str] | None = None
    """Name of the server's software, and the path, as that of `health`, that answers `{"version": ...}`."""

    def capabilities(self) -> frozenset[str]:
        """What these extensions are called in the contract."""
        extra = {"continue": self.continues, "token_ids": self.token_ids, "prompt_logprobs": self.prompt_logprobs}
        return frozenset({name for name, there in extra.items() if there} | self.sampling.keys())

    def with_options(self, options: OpenAIOptions) -> Dialect:
        """This dialect, with what the user says of the server."""
        return msgspec.structs.replace(
            self,
            sampling=({**SAMPLING_OF_VLLM, **self.sampling} if options.extra_sampling else self.sampling),
            continues=self.continues or options.continue_final_message,
            token_ids=self.token_ids or options.token_ids,
        )


PLAIN = Dialect()
