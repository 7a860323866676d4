"""A real Llama of random weights and a byte-level tokenizer, made here in a second.

Its random answers are made of readable characters only, unless a test asks for all bytes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skillforge import Completion, Message, ModelRef, Request, Sampling, Target
from skillforge_transformers import TransformersBackend, TransformersOptions

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

TEMPLATE = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system messages') }}{% endif %}<bos>"
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}{% if not loop.last %}<eos>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<eos>[assistant] {% endif %}"
)
CORPUS = ["the cat sat on the mat and the dog ran to the house", "one two three four five six seven", "user assistant"]


def make_tokenizer(folder: Path, template: str | None = TEMPLATE, ascii_only: bool = True) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = (
        [chr(code) for code in range(33, 127)] + ["Ġ", "Ċ"] if ascii_only else pre_tokenizers.ByteLevel.alphabet()
    )
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "<bos>", "<eos>", "<|end|>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    inner.train_from_iterator(CORPUS, trainer)
    inner.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<bos>",
        eos_token="<eos>",
        additional_special_tokens=["<|end|>"],
    )
    if template:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return tokenizer


def make_model(folder: Path, vocabulary: int, context: int = 256, seed: int = 0) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=context,
        bos_token_id=1,
        eos_token_id=2,
        # Strong weights, so that greedy answers differ between prompts and near ties are rare.
        initializer_range=0.3,
    )
    model = LlamaForCausalLM(config).eval()
    model.save_pretrained(folder)
    return model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "llama"
    make_model(folder, len(make_tokenizer(folder)))
    return folder


@pytest.fixture(scope="session")
def target(model_folder: Path) -> Target:
    return target_of(model_folder)


def target_of(folder: Path | str) -> Target:
    return Target(ModelRef("tiny", str(folder)))


def user(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


Use = Callable[[Any], Coroutine[Any, Any, Any]]


def with_client(target: Target, use: Use, **options: Any) -> Any:
    """Open the backend, await `use(client)` and close."""

    async def session() -> Any:
        async with TransformersBackend().open(target, TransformersOptions(**({"threads": 1} | options))) as client:
            return await use(client)

    return asyncio.run(asyncio.wait_for(session(), 60))


def complete_all(target: Target, requests: list[Request], **options: Any) -> list[Completion]:
    """Their completions, without the times, so that they can be compared."""

    async def use(client: Any) -> list[Completion]:
        completions = await asyncio.gather(*map(client.complete, requests))
        return [msgspec.structs.replace(completion, first_token=None) for completion in completions]

    return with_client(target, use, **options)


def complete(target: Target, prompt: Any, seed: int | None = None, **sampling: Any) -> Completion:
    return complete_all(target, [Request(prompt, Sampling(**sampling), seed)])[0]


@pytest.fixture(scope="session")
def tools() -> Any:
    """The helpers above, for test modules that cannot import this file."""

    class Tools:
        pass

    for helper in (make_tokenizer, make_model, target_of, user, with_client, complete_all, complete):
        setattr(Tools, helper.__name__, staticmethod(helper))
    return Tools
