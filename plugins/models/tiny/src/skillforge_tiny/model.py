"""The network: a Llama of about 0.7 million parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skillforge_tiny.tokenizer import BOS, EOS, PAD

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

CONTEXT = 512
"""Longest conversation in tokens."""


def build_model(vocabulary: int, layers: int, heads: int, intermediate: int, seed: int) -> LlamaForCausalLM:
    """A freshly initialised float32 model; the hidden size is 64 per head, the head size that every server supports."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=64 * heads,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        head_dim=64,
        max_position_embeddings=CONTEXT,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(pad_token_id=PAD, bos_token_id=BOS, eos_token_id=EOS, do_sample=False)
    return model
