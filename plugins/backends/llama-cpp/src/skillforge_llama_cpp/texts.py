"""Texts: prompts as the text and the token ids that a GGUF model reads, by the template and tokenizer in its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skillforge import Prompt, RequestRefused, UsageError
from skillforge.text import one_line

if TYPE_CHECKING:
    from llama_cpp import Llama

_TEMPLATE = "tokenizer.chat_template"


class Texts:
    """The chat template and the tokenizer of a loaded file called `name`."""

    def __init__(self, llama: Llama, name: str) -> None:
        self._llama = llama
        self._name = name
        self._chat = _formatter(llama)

    def render(self, prompt: Prompt) -> str:
        """The text that the model reads; the content of an assistant's message that ends a chat follows as it is.

        Raises UsageError where the file has no chat template, RequestRefused where the template rejects the messages.
        """
        if isinstance(prompt, str):
            return prompt
        if self._chat is None:
            raise UsageError(
                f"{self._name} has no chat template, so it cannot be sent chat messages",
                "send raw text instead: -o prompt.format=text, or a prompt style that writes it",
            )
        continued = bool(prompt) and prompt[-1].role == "assistant"
        asked = prompt[:-1] if continued else prompt
        messages = [{"role": message.role, "content": message.content} for message in asked]
        try:
            text: str = self._chat(messages=messages).prompt
        except Exception as error:
            raise RequestRefused(
                f"the chat template of {self._name} rejects these messages ({one_line(str(error))})",
                "use a prompt style that fits the model",
            ) from error
        return text + prompt[-1].content if continued else text

    def encode(self, prompt: Prompt) -> list[int]:
        """`prompt` as token ids. A template writes its own special tokens; raw text gets those of the tokenizer."""
        raw = isinstance(prompt, str)
        try:
            text = self.render(prompt).encode()
        except UnicodeEncodeError as error:
            raise RequestRefused(
                f"the prompt has half a character in it (surrogate U+{ord(error.object[error.start]):04X})",
                "correct the benchmark's data",
            ) from None
        bos = _piece(self._llama, self._llama.token_bos())
        return list(self._llama.tokenize(text, add_bos=raw and not (bos and text.startswith(bos)), special=True))

    def decode(self, ids: list[int]) -> str:
        """The text of `ids`, with special tokens."""
        return str(self._llama.detokenize(ids, special=True), "utf-8", "replace")


def _formatter(llama: Llama) -> Any:
    """What writes messages as text; None where the file has no template. (The library would take that of Llama 2.)"""
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    template = llama.metadata.get(_TEMPLATE)
    if not template:
        return None
    bos, eos = (_piece(llama, token).decode("utf-8", "replace") for token in (llama.token_bos(), llama.token_eos()))
    return Jinja2ChatFormatter(template=template, bos_token=bos, eos_token=eos)


def _piece(llama: Llama, token: int) -> bytes:
    """The text of a special token; empty for -1, which stands for none."""
    return b"" if token < 0 else llama.detokenize([token], special=True)
