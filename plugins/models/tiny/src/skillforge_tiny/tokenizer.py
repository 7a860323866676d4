"""The tokenizer: whole words, numbers digit by digit, and the fences of code blocks.

A token carries the space before it (" apples", " 3"), so decoding is plain joining and gives the text back exactly.
What the vocabulary does not hold becomes <unk>, one per word or character: any text can be encoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>", "<system>", "<user>", "<assistant>")
PAD, BOS, EOS = 0, 1, 2

_PIECE = r"`+\p{L}*| ?\p{L}+| ?\p{N}| ?#+| ?[^\s\p{L}\p{N}#]|\s"
_SIGNS = (".", ",", "?", "!", "+", "-", "*", "/", "=", "####", ":")

CHAT_TEMPLATE = (
    "<bos>{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}<assistant>{{ message['content'] }}<eos>"
    "{% else %}<{{ message['role'] }}>{{ message['content'] | trim }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
"""`<bos><user>question<assistant>answer<eos>`; further turns follow without a second <bos>.

An answer is not trimmed: one that is to be continued may end in a line break.
"""


def build_tokenizer(texts: Iterable[str], max_length: int) -> PreTrainedTokenizerFast:
    """A tokenizer whose vocabulary is the words of `texts`, digits and signs; `max_length` in tokens."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    splitter = pre_tokenizers.Split(Regex(_PIECE), "isolated")
    words = {piece for text in texts for piece, _ in splitter.pre_tokenize_str(text)}
    signs = chain.from_iterable((sign, " " + sign) for sign in (*_SIGNS, *"0123456789"))
    ordered = [*SPECIAL, *sorted({*words, *signs, " ", "\n"})]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(ordered)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        additional_special_tokens=["<system>", "<user>", "<assistant>"],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=max_length,
        padding_side="left",
    )
