"""Classic: the text generation server of NeMo 1 and 2, which takes batches at PUT /generate, one at a time.

The protocol is that of nemo/collections/nlp/modules/common/text_generation_server.py, to nemo_toolkit 2.5.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence

import msgspec

from skillforge import (
    BackendUnusable,
    Client,
    Completion,
    ContextOverflow,
    ReasoningTags,
    Request,
    RequestFailed,
    RequestRefused,
    SkillForgeError,
    UsageError,
)
from skillforge.text import one_line, storable
from skillforge_nemo_backend.answers import cut, echo, generated
from skillforge_nemo_backend.transport import Transport
from skillforge_openai.discreet import discreet_about
from skillforge_openai.faults import Answer, fault, server_message
from skillforge_openai.gathering import Gatherer

PATH = "/generate"
END_OF_TEXT = "<|endoftext|>"
"""Stands for the end token of any model among `end_strings`."""

_DEFAULT_TOKENS = 64
_SEEDS = 2**24
"""Seeds reach the ranks of a model as float32, which holds whole numbers up to this one."""

_REASONING = ReasoningTags("<think>,</think>")


class Settings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What all sentences of a batch share, named as the server names it; what is unset is left to the server."""

    tokens_to_generate: int | None = None
    greedy: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    compute_logprob: bool = False
    end_strings: tuple[str, ...] = ()
    random_seed: int | None = None


class _Sentences(msgspec.Struct):
    sentences: list[str]
    tokens: list[list[str]] | None = None


class Sentence(msgspec.Struct, frozen=True):
    """A prompt with what follows it, as text and in tokens; no tokens where the server does not tell them."""

    text: str
    tokens: list[str]


def settings_of(request: Request) -> Settings:
    """The settings of `request`. Raises UsageError for what the server cannot do."""
    sampling = request.sampling
    if not isinstance(request.prompt, str):
        raise UsageError(
            "the classic NeMo server takes raw text, and this prompt is chat messages", "use a text prompt style"
        )
    penalty = None if sampling.repetition_penalty == 1 else sampling.repetition_penalty
    greedy = sampling.temperature == 0
    if penalty is not None and (penalty < 1 or greedy):
        what = (
            "takes no repetition_penalty below 1" if penalty < 1 else "passes over repetition_penalty at temperature 0"
        )
        raise UsageError(f"the classic NeMo server {what}", "change --repetition-penalty or --temperature")
    return Settings(
        tokens_to_generate=sampling.max_tokens,
        greedy=greedy,
        temperature=None if greedy else sampling.temperature,
        top_k=None if greedy else sampling.top_k,
        top_p=None if greedy else sampling.top_p,
        repetition_penalty=penalty,
        compute_logprob=penalty is not None,  # without, the server does not keep the tokens that are to be penalized
        end_strings=(END_OF_TEXT, *sampling.stop) if sampling.stop else (),
        random_seed=None if request.seed is None else request.seed % _SEEDS,
    )


def body(settings: Settings, prompts: Sequence[str]) -> bytes:
    """The JSON of a PUT."""
    return msgspec.json.encode({"sentences": list(prompts)} | msgspec.to_builtins(settings))


class Classic(Client):
    """A classic server, whose batches go to `url`."""

    def __init__(self, transport: Transport, url: str, batch_size: int) -> None:
        self.url = url
        self._transport = transport
        self._batcher: Gatherer[Settings, str, Sentence] = Gatherer(batch_size, self._serve, in_turn=True)
        self.default_concurrency = 2 * batch_size  # while one batch is served the next one gathers

    async def close(self) -> None:
        """Give up what is under way."""
        await self._batcher.close()

    async def check(self) -> None:
        """Raises BackendUnusable where there is no server, one that wants a key, or one that takes no PUT."""
        answer = await self._transport.look("OPTIONS", self.url)
        if answer.status in (401, 403):
            raise self._fault(answer, [])
        if answer.status == 404 or "PUT" not in answer.headers.get("Allow", "PUT"):
            raise self._wrong_address(answer)

    async def ready(self) -> bool:
        """Whether the server is there; it answers this while it generates."""
        with contextlib.suppress(BackendUnusable):
            return (await self._transport.look("OPTIONS", self.url)).status < 500
        return False

    async def is_spoken(self) -> bool:
        """Whether the server surely is a classic one: Flask tells of PUT. (A GET would be a 404, for a static file.)"""
        with contextlib.suppress(BackendUnusable):
            return "PUT" in (await self._transport.look("OPTIONS", self.url)).headers.get("Allow", "")
        return False

    async def complete(self, request: Request, on_text: Callable[[str], None] | None = None) -> Completion:
        """One completion, out of a batch with others."""
        settings = settings_of(request)
        prompt = str(request.prompt)
        if not _is_unicode(prompt):
            raise RequestRefused("the prompt has half a character in it", "correct the benchmark's data")
        return _completion(request, prompt, await self._batcher.ask(settings, prompt))

    async def _serve(self, settings: Settings, prompts: list[str]) -> list[Sentence | Exception]:
        """What becomes of each prompt. A batch that the server fails on is halved, until the prompts that it fails on are
        alone: it fails as a whole where one is longer than the context, and where memory is short."""
        reply = await self._transport.send("PUT", self.url, body(settings, prompts))
        if reply.status != 500:
            return [*self._sentences(reply, prompts)]
        if len(prompts) > 1:
            half = len(prompts) // 2
            return [*await self._each(settings, prompts[:half]), *await self._each(settings, prompts[half:])]
        raise RequestRefused(
            "the NeMo server failed on this request (HTTP 500)",
            "see its log; a prompt that is longer than the model's context does this",
        )

    async def _each(self, settings: Settings, prompts: list[str]) -> list[Sentence | Exception]:
        try:
            return await self._serve(settings, prompts)
        except SkillForgeError as error:
            return [error for _ in prompts]

    def _sentences(self, reply: Answer, prompts: list[str]) -> list[Sentence]:
        if reply.status != 200:
            raise self._fault(reply, prompts)
        read = _read(reply.body)
        if isinstance(read, str):
            said = one_line(self._transport.address.clean(discreet_about(read, prompts)), 200)
            raise UsageError(f"the NeMo server refuses the settings: {said}", "correct the sampling settings")
        tokens = read.tokens or [[] for _ in prompts]
        if not len(read.sentences) == len(tokens) == len(prompts):
            raise RequestFailed(f"the NeMo server answered {len(read.sentences)} sentences for {len(prompts)}")
        return [Sentence(storable(text), pieces) for text, pieces in zip(read.sentences, tokens, strict=True)]

    def _fault(self, reply: Answer, prompts: list[str]) -> SkillForgeError:
        if reply.status in (404, 405):
            return self._wrong_address(reply)
        said, _ = server_message(reply.body)
        told = msgspec.structs.replace(reply, body=discreet_about(said, prompts).encode())
        return fault(told, self._transport.address, "")

    def _wrong_address(self, answer: Answer) -> BackendUnusable:
        what = f"the server does not take PUT {self.url} (HTTP {answer.status})"
        return BackendUnusable(what, "correct --base-url, or give -o backend.protocol=openai")


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _read(body: bytes) -> _Sentences | str:
    """The reply of a 200: sentences, or the string that says which setting is invalid. Raises RequestFailed."""
    try:
        # Not msgspec's reader: Python servers write NaN and Infinity among log-probabilities.
        return msgspec.convert(json.loads(body), _Sentences | str)
    except msgspec.ValidationError as error:
        raise RequestFailed(f"the server answered JSON of an unknown form ({one_line(str(error))})") from error
    except (ValueError, RecursionError) as error:
        raise RequestFailed(f"the server answered malformed JSON ({one_line(str(error))})") from error


def _completion(request: Request, prompt: str, sentence: Sentence) -> Completion:
    shown = echo(prompt, sentence.text, sentence.tokens)
    if not sentence.text.startswith(shown):
        raise _unlike(shown, sentence.text)
    rest = sentence.text[len(shown) :]
    wrote = generated(prompt, rest, sentence.tokens, request.sampling.max_tokens or _DEFAULT_TOKENS)
    text, stop = cut(wrote.text, (*request.sampling.stop, END_OF_TEXT))
    if (stop is None and wrote.whole) or (stop == END_OF_TEXT and stop not in request.sampling.stop):
        stop = ""
    reason = "stop" if stop is not None else "length" if sentence.tokens else None
    reasoning, answer, closed = None, text, True
    if not request.whole:
        reasoning, answer, closed = _REASONING.split(text, _REASONING.opened_by(prompt))
    return Completion(
        text=answer,
        reasoning=reasoning,
        finish_reason=reason if closed else "length",
        stop=stop,
        completion_tokens=wrote.tokens if sentence.tokens else None,
    )


def _unlike(shown: str, sentence: str) -> RequestFailed | RequestRefused:
    """What a `sentence` means that does not begin with the prompt."""
    if not sentence:
        return RequestFailed("the NeMo server answered an empty sentence, without the prompt")
    if shown.startswith(sentence):
        return ContextOverflow("the prompt is longer than the model's context", "shorten it", room=0)
    return RequestRefused(
        "the NeMo server does not give the prompt back as it was sent, so that the answer cannot be told from it",
        "its tokenizer does not know some of the prompt's characters: use another prompt style",
    )
