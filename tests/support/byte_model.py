"""A Llama of random weights with a token for each character: the model tiny knows a few words only.

The words of the longest prompt that the contract of backends sends are tokens too: what attention costs grows with the
square of their number, and `transformers serve` answers a prompt of any length.
"""

from __future__ import annotations

from pathlib import Path

_TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}<|assistant|>"


def make_byte_model(folder: Path) -> None:
    """Write weights and tokenizer into `folder`, in a second."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    readable = [*map(chr, range(33, 127)), "Ġ", "Ċ"]
    special = ["<pad>", "<bos>", "<eos>"]
    trainer = trainers.BpeTrainer(special_tokens=special, initial_alphabet=readable, show_progress=False)
    inner.train_from_iterator(["one two three four one"], trainer)
    names = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **names)
    tokenizer.chat_template = _TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    size = inner.get_vocab_size()
    config = LlamaConfig(**shape, **ends, vocab_size=size, max_position_embeddings=512, initializer_range=0.3)
    LlamaForCausalLM(config).save_pretrained(folder)
