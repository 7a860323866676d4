"""Between text and token ids: chat templates, encoding, exact decoding. Safe to use from several threads."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from skillforge import Message, Prompt, ReasoningTags, RequestRefused, UsageError
from skillforge.text import one_line
from skillforge_transformers.stops import Stops

LEAD = 8
"""Tokens after which new ones are decoded, so that they read as they do there."""

REASONING_TAGS = ("<think>", "</think>")
REASONING = ReasoningTags(",".join(REASONING_TAGS))


class Encoded(NamedTuple):
    """A prompt as token ids. `lead_ids`: the end of it. `goes_on`: whether the answer goes on with its very text."""

    ids: list[int]
    lead_ids: list[int]
    goes_on: bool
    reasoning_opened: bool


class Texts:
    """A tokenizer and its chat template."""

    def __init__(self, tokenizer: Any, name: str) -> None:
        self._tokenizer = tokenizer
        self._name = name
        # Fast tokenizers raise "Already borrowed" when two threads change and read their settings at once.
        self._lock = threading.RLock()
        self._token_texts: dict[int, str] = {}
        self.eos_id: int | None = tokenizer.eos_token_id
        self._anchor: list[int] = self._ids("a", special=False)[-1:]
        self.encode = functools.lru_cache(maxsize=512)(self._encode)
        self.stops = functools.lru_cache(maxsize=512)(self._stops)

    def render(self, prompt: Prompt) -> str:
        """The text that the model reads: raw text as it is, messages through the chat template.

        Where the last message is the assistant's, its content follows the beginning of an answer as it is, so that text
        which the model wrote reads to it as it did before. (`continue_final_message` of transformers lets the template write
        that message, and templates trim it or change it.) Raises UsageError where the tokenizer has no chat template,
        RequestRefused where the template rejects the messages.
        """
        if isinstance(prompt, str):
            return prompt
        if not self._tokenizer.chat_template:
            raise UsageError(
                f"the tokenizer of {self._name} has no chat template, so it cannot be sent chat messages",
                "send raw text instead: -o prompt.format=text, or a prompt style that writes it",
            )
        begun = prompt[-1].content if _continues(prompt) else ""
        asked = prompt[:-1] if _continues(prompt) else prompt
        messages = [{"role": message.role, "content": message.content} for message in asked]
        try:
            with self._lock:
                text = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception as error:
            raise RequestRefused(
                f"the chat template of {self._name} rejects these messages ({one_line(str(error))})",
                "use a prompt style that fits the model",
            ) from error
        return f"{text}{begun}"

    def _encode(self, prompt: Prompt) -> Encoded:
        """`prompt` as token ids. A template writes its own special tokens; raw text gets those of the tokenizer."""
        text = self.render(prompt)
        raw = isinstance(prompt, str)
        bos = self._tokenizer.bos_token
        ids = self._ids(text, special=raw and not (bos and text.startswith(bos)))
        return Encoded(ids, ids[-LEAD:], goes_on(prompt), REASONING.opened_by(text))

    def encoded(self, ids: Sequence[int], prompt: Prompt) -> Encoded:
        """Token ids that stand for `prompt`. Raises RequestRefused for ids that the tokenizer does not know."""
        if ids and not 0 <= min(ids) <= max(ids) < len(self._tokenizer):
            raise RequestRefused(
                f"the prompt has token ids that the tokenizer of {self._name} does not know (it has {len(self._tokenizer)})",
                "send ids of this model's own tokenizer",
            )
        lead = list(ids[-LEAD:])
        return Encoded(list(ids), lead, goes_on(prompt), REASONING.opened_by(self._text(lead, skip=False)))

    def decode(self, ids: list[int], lead_ids: list[int] | None = None) -> str:
        """The text of `ids` without special tokens; with `lead_ids`, as it reads after those."""
        if lead_ids:
            lead, whole = self._text(lead_ids), self._text(lead_ids + ids)
            if whole.startswith(lead):
                return whole[len(lead) :]
        return self._text(ids)

    def token_text(self, token: int) -> str:
        """What one token adds inside a text, special tokens and leading spaces shown."""
        known = self._token_texts.get(token)
        if known is None:
            anchor, both = self._text(self._anchor, skip=False), self._text([*self._anchor, token], skip=False)
            inside = bool(self._anchor) and both.startswith(anchor)
            known = both[len(anchor) :] if inside else self._text([token], skip=False)
            self._token_texts[token] = known
        return known

    def _stops(self, strings: tuple[str, ...]) -> Stops:
        """The stop strings, ready to be looked for."""
        special = set(self._tokenizer.all_special_tokens)
        ids = {text: self._tokenizer.convert_tokens_to_ids(text) for text in strings if text in special}
        return Stops(strings, ids, self.token_text, self.decode)

    def _ids(self, text: str, special: bool) -> list[int]:
        with self._lock:
            return list(self._tokenizer(text, add_special_tokens=special, truncation=False)["input_ids"])

    def _text(self, ids: list[int], skip: bool = True) -> str:
        with self._lock:
            text = self._tokenizer.decode(ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False)
        return str(text)


def goes_on(prompt: Prompt) -> bool:
    """Whether the answer goes on with the very text of `prompt`."""
    return isinstance(prompt, str) or _continues(prompt)


def _continues(prompt: tuple[Message, ...] | str) -> bool:
    return not isinstance(prompt, str) and bool(prompt) and prompt[-1].role == "assistant"
