"""A Llama in NumPy that generates for many requests together: what the test server's models run."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

SLOTS = 64
"""Sequences that are generated together; further ones wait."""


class TooLong(ValueError):
    """The prompt leaves no room for an answer."""


class Sequence:
    """One request: what it asks for, and what it was given so far."""

    def __init__(self, prompt: list[int], limit: int, tell: Callable[[Sequence, bool], bool], **sampling: Any) -> None:
        self.prompt = prompt
        self.limit = limit
        self.tell = tell  # called after each token with (self, whether it is the last); True ends the sequence
        self.greedy = sampling.get("top_k") == 1 or sampling.get("temperature") == 0
        self.temperature = sampling.get("temperature") or 1.0
        self.top_k = sampling.get("top_k") or 0
        self.top_p = sampling.get("top_p") or 0.0
        if not self.top_k and not self.top_p:  # what TensorRT-LLM does with neither
            self.greedy = True
        self.random = np.random.default_rng(sampling.get("seed") or 0)
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.length = 0  # positions in the cache

    def draw(self, logits: np.ndarray) -> int:
        """The next token, with its log-probability noted."""
        if self.greedy:
            token = int(logits.argmax())
        else:
            scaled = logits.astype(np.float64) / self.temperature
            order = np.argsort(-scaled)
            chances = np.exp(scaled[order] - scaled[order[0]])
            if self.top_k:
                chances[self.top_k :] = 0
            chances /= chances.sum()
            if 0 < self.top_p < 1:
                chances[np.cumsum(chances) - chances >= self.top_p] = 0
                chances /= chances.sum()
            token = int(order[self.random.choice(len(order), p=chances)])
        self.logprobs.append(float(logits[token] - logits.max() - np.log(np.exp(logits - logits.max()).sum())))
        return token


class Engine:
    """The model of a folder, and a thread that generates for all that `submit` was given."""

    def __init__(self, folder: Path) -> None:
        self.config = json.loads((folder / "config.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.weights = load_file(str(folder / "model.safetensors"))
        self.heads, self.width = self.config["num_attention_heads"], self.config["head_dim"]
        self.context = self.config["max_position_embeddings"]
        self.end = self.config["eos_token_id"]
        frequency = self.config["rope_parameters"]["rope_theta"] ** (-np.arange(0, self.width, 2) / self.width)
        angle = np.outer(np.arange(self.context), frequency)
        self.cos = np.tile(np.cos(angle), 2).astype(np.float32)
        self.sin = np.tile(np.sin(angle), 2).astype(np.float32)
        shape = (self.config["num_hidden_layers"], SLOTS, self.context, self.heads, self.width)
        self.keys, self.values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.waiting: queue.Queue[Sequence] = queue.Queue()
        self.active: dict[int, Sequence] = {}
        threading.Thread(target=self._run, daemon=True).start()

    def submit(self, sequence: Sequence) -> None:
        """Generate for `sequence`, which is told of each token. Raises TooLong, in TensorRT-LLM's words."""
        if len(sequence.prompt) >= self.context:
            raise TooLong(
                f"Prompt length ({len(sequence.prompt)}) exceeds maximum input length ({self.context - 1}). "
                "Set log level to info and check TRTLLM logs for how maximum input length is set"
            )
        sequence.limit = min(sequence.limit, self.context - len(sequence.prompt))
        self.waiting.put(sequence)

    def _run(self) -> None:
        while True:
            while len(self.active) < SLOTS and (not self.active or not self.waiting.empty()):
                sequence = self.waiting.get()
                slot = next(slot for slot in range(SLOTS) if slot not in self.active)
                self.active[slot] = sequence
                logits = self._forward(np.array([slot]), np.array([sequence.prompt]), np.array([0]))
                sequence.length = len(sequence.prompt)
                self._advance(slot, sequence, logits[0])
            if self.active:
                slots = sorted(self.active)
                sequences = [self.active[slot] for slot in slots]
                tokens = np.array([[sequence.tokens[-1]] for sequence in sequences])
                starts = np.array([sequence.length for sequence in sequences])
                logits = self._forward(np.array(slots), tokens, starts)
                for slot, sequence, row in zip(slots, sequences, logits, strict=True):
                    sequence.length += 1
                    self._advance(slot, sequence, row)

    def _advance(self, slot: int, sequence: Sequence, logits: np.ndarray) -> None:
        token = sequence.draw(logits)
        sequence.tokens.append(token)
        last = token == self.end or len(sequence.tokens) >= sequence.limit
        if sequence.tell(sequence, last) or last:
            del self.active[slot]

    def _forward(self, slots: np.ndarray, tokens: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Logits after the last of `tokens` (batch, count), which stand at `starts` in the caches of `slots`."""
        weights, count = self.weights, tokens.shape[1]
        positions = starts[:, None] + np.arange(count)
        end = int(positions.max()) + 1
        cos, sin = self.cos[positions][:, :, None], self.sin[positions][:, :, None]
        hidden_ones = np.arange(end)[None, None] > positions[:, :, None]  # (batch, count, end): what comes later
        x = weights["model.embed_tokens.weight"][tokens]
        for layer in range(self.config["num_hidden_layers"]):
            name = f"model.layers.{layer}."
            y = self._norm(x, weights[name + "input_layernorm.weight"])
            query, key, value = (
                (y @ weights[f"{name}self_attn.{part}_proj.weight"].T).reshape(*tokens.shape, self.heads, self.width)
                for part in "qkv"
            )
            query, key = query * cos + self._turned(query) * sin, key * cos + self._turned(key) * sin
            self.keys[layer, slots[:, None], positions] = key
            self.values[layer, slots[:, None], positions] = value
            keys, values = self.keys[layer, slots, :end], self.values[layer, slots, :end]
            scores = np.einsum("bqhd,bkhd->bhqk", query, keys, optimize=True) / np.sqrt(np.float32(self.width))
            scores = np.where(hidden_ones[:, None], np.float32(-1e30), scores)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            mixed = np.einsum("bhqk,bkhd->bqhd", scores, values, optimize=True).reshape(*tokens.shape, -1)
            x = x + mixed @ weights[name + "self_attn.o_proj.weight"].T
            y = self._norm(x, weights[name + "post_attention_layernorm.weight"])
            gate = y @ weights[name + "mlp.gate_proj.weight"].T
            up = y @ weights[name + "mlp.up_proj.weight"].T
            x = x + (gate / (1 + np.exp(-gate)) * up) @ weights[name + "mlp.down_proj.weight"].T
        x = self._norm(x[:, -1], weights["model.norm.weight"])
        return x @ weights.get("lm_head.weight", weights["model.embed_tokens.weight"]).T

    def _norm(self, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self.config["rms_norm_eps"])) * weight

    @staticmethod
    def _turned(x: np.ndarray) -> np.ndarray:
        half = x.shape[-1] // 2
        return np.concatenate((-x[..., half:], x[..., :half]), -1)
