"""Cache: keys and values of rows that run together, whatever their lengths, in a form that rows can join and leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

_Pair = tuple[torch.Tensor, torch.Tensor]  # keys and values
_BLOCK = 64  # tokens of room to add when there is none left


class _Layer(DynamicLayer):
    """One layer's keys and values, (rows, heads, tokens, size). Grows by blocks; DynamicLayer copies all at each token."""

    keys: torch.Tensor
    values: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self._room: _Pair | None = None

    def hold(self, room: _Pair, length: int) -> None:
        """Take over tensors of which the first `length` tokens are filled."""
        self._room = room
        self.keys, self.values = room[0][:, :, :length], room[1][:, :, :length]
        self.dtype, self.device, self.is_initialized = self.keys.dtype, self.keys.device, True

    def drop(self) -> None:
        """Free the memory."""
        self._room = None
        self.reset()

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> _Pair:
        """Add the newest tokens; all of them, as attention wants them."""
        new, length = (key_states, value_states), self.get_seq_length()
        end, room = length + key_states.shape[-2], self._room
        if room is None or end > room[0].shape[-2]:
            room = _rooms(new, len(key_states), end)
            for larger, old in zip(room, (self.keys, self.values) if length else (), strict=False):
                larger[:, :, :length] = old
        for tensor, states in zip(room, new, strict=True):
            tensor[:, :, length:end] = states
        self.hold(room, end)
        return self.keys, self.values


class Prefix(NamedTuple):
    """The keys and values of one sequence's first tokens: a pair per layer, each (heads, tokens, size)."""

    layers: list[_Pair]

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return sum(tensor.nbytes for layer in self.layers for tensor in layer)


class RowCache(Cache):
    """Keys and values of rows whose newest tokens stand together in the last place: shorter rows are padded on the left.

    What attention does not have to see is the mask's business; padding is only kept finite. Layers with a sliding window
    are kept whole: their mask hides what is too far back.
    """

    layers: list[_Layer]

    def __init__(self) -> None:
        super().__init__(layer_class_to_replicate=_Layer)

    @property
    def length(self) -> int:
        """Tokens, padding included."""
        return int(self.get_seq_length())

    def prefix(self, row: int, length: int) -> Prefix:
        """A copy of the newest `length` tokens of a row."""
        return Prefix(
            [(layer.keys[row, :, -length:].clone(), layer.values[row, :, -length:].clone()) for layer in self.layers]
        )

    @staticmethod
    def of_prefixes(prefixes: Sequence[tuple[Prefix, int] | None]) -> RowCache:
        """A cache with a row for each prefix, of which so many tokens are taken; None is an empty row."""
        longest = max(taken[1] for taken in prefixes if taken)
        some = next(taken[0] for taken in prefixes if taken)
        cache = RowCache()
        for number, example in enumerate(some.layers):
            room = _rooms(example, len(prefixes), longest)
            for at, taken in enumerate(prefixes):
                prefix, length = taken or (some, 0)
                for tensor, states in zip(room, prefix.layers[number], strict=True):
                    tensor[at, :, : longest - length] = 0
                    tensor[at, :, longest - length : longest] = states[:, :length]
            cache._add(room, longest)
        return cache

    @staticmethod
    def merged(parts: Sequence[tuple[RowCache, list[int]]], longest: int) -> RowCache:
        """A cache of some rows of others, which must not be used any more: they are taken apart layer by layer.

        `longest`: tokens of the longest of these rows; padding beyond it is left out.
        """
        rows = sum(len(kept) for _, kept in parts)
        cache = RowCache()
        for number in range(len(parts[0][0].layers)):
            example = parts[0][0].layers[number]
            room = _rooms((example.keys, example.values), rows, longest)
            at = 0
            for part, kept in parts:
                layer = part.layers[number]
                width = min(longest, layer.get_seq_length())
                for tensor, states in zip(room, (layer.keys, layer.values), strict=True):
                    chosen = states if len(kept) == len(states) else states[kept]
                    tensor[at : at + len(kept), :, : longest - width] = 0
                    tensor[at : at + len(kept), :, longest - width : longest] = chosen[:, :, chosen.shape[2] - width :]
                layer.drop()
                at += len(kept)
            cache._add(room, longest)
        return cache

    def _add(self, room: _Pair, length: int) -> None:
        layer = _Layer()
        layer.hold(room, length)
        self.layers.append(layer)


def fits(model: Any) -> bool:
    """Whether a model keeps nothing but keys and values of tokens, so that a RowCache serves it.

    Not so: state-space and hybrid models (Mamba, Qwen3-Next), encoder-decoder models, models with an indexer.
    """
    if model.config.is_encoder_decoder or getattr(model, "_is_stateful", False):
        return False
    return all(
        type(layer) in (DynamicLayer, DynamicSlidingWindowLayer) for layer in DynamicCache(config=model.config).layers
    )


def _rooms(example: _Pair, rows: int, length: int) -> _Pair:
    keys, values = example
    return _empty(keys, rows, length), _empty(values, rows, length)


def _empty(like: torch.Tensor, rows: int, length: int) -> torch.Tensor:
    """Room for `length` tokens and a block more. What is padding must be filled: attention multiplies it by 0, not NaN."""
    heads, _, size = like.shape[-3:]
    return like.new_empty(rows, heads, length + _BLOCK, size)
