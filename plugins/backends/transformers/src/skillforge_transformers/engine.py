"""Engine: runs a batch of rows through the model with one call of `generate`."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from skillforge import Completion, RequestFailed, RequestRefused, SkillForgeError
from skillforge.text import one_line
from skillforge_transformers.loading import Loaded
from skillforge_transformers.row import Row
from skillforge_transformers.sampling import RowSampler
from skillforge_transformers.texts import REASONING


class Engine:
    """A loaded model that completes rows. For one thread."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded

    def run(self, rows: Sequence[Row], enough: Callable[[int], bool]) -> None:
        """Generate until every row is done, until `enough(rows still open)`, or until a row fills the context.

        A row's outcome is handed over as soon as it is done; rows that are still open can go on in another batch.
        """
        input_ids, mask = self._pad([row.prompt_ids + row.tokens for row in rows])
        sampler = RowSampler(rows, self._loaded.device)
        watch = _Watch(self, rows, sampler, enough)
        config = GenerationConfig(do_sample=False, use_cache=True, max_new_tokens=self._steps(rows))
        with torch.inference_mode():
            self._loaded.model.generate(
                input_ids=input_ids,
                attention_mask=mask,
                generation_config=config,
                logits_processor=LogitsProcessorList([sampler]),
                stopping_criteria=StoppingCriteriaList([watch]),
            )

    def _steps(self, rows: Sequence[Row]) -> int:
        """Tokens to generate. Rows that are done run on idly, and must not run past the positions that there are."""
        wanted = max(row.max_tokens - len(row.tokens) for row in rows)
        if self._loaded.context is None:
            return wanted
        return min(wanted, self._loaded.context - max(row.length for row in rows))

    def advance(self, row: Row, token: int) -> None:
        """Add the newest token to `row`, and find out whether it ends there."""
        row.tokens.append(token)
        if token in self._loaded.eos_ids or token in row.stops.tokens:
            row.finish_reason, row.ended_by_token = "stop", True
        elif row.stops.may_end_with(row.tokens) and row.stops.cut(self._text(row)) is not None:
            row.finish_reason = "stop"
        elif len(row.tokens) >= row.max_tokens:
            row.finish_reason = "length"

    def outcome(self, row: Row, broken: bool) -> Completion | SkillForgeError:
        """What came of a finished row."""
        if broken:
            return RequestRefused(
                f"the model {self._loaded.name} computed NaN for this request",
                "use -o backend.dtype=float32 (or bfloat16)",
            )
        try:
            return self._completion(row)
        except Exception as error:
            return RequestFailed(f"the answer cannot be decoded ({type(error).__name__}: {one_line(str(error))})")

    def _completion(self, row: Row) -> Completion:
        text, finish_reason = self._text(row), row.finish_reason
        stop = row.stops.tokens.get(row.tokens[-1], "") if row.ended_by_token else None
        if cut := row.stops.cut(text):
            text, stop, finish_reason = cut.text, cut.stop, "stop"
        if row.whole:
            reasoning, answer, closed = None, text, True
        else:
            reasoning, answer, closed = REASONING.split(text, row.reasoning_opened)
        return Completion(
            text=answer,
            reasoning=reasoning,
            finish_reason=finish_reason if closed else "length",
            stop=stop,
            prompt_tokens=len(row.prompt_ids),
            completion_tokens=len(row.tokens),
            logprobs=None if row.sampling.logprobs is None else self._logprobs(row),
        )

    def _text(self, row: Row) -> str:
        tokens = row.tokens[:-1] if row.ended_by_token else row.tokens
        return self._loaded.texts.decode(tokens, row.lead_ids)

    def _logprobs(self, row: Row) -> list[dict[str, object]]:
        name = self._loaded.texts.token_text
        told: list[dict[str, object]] = []
        for token, logprob, best in row.logprobs[: len(row.tokens)]:
            top: dict[str, float] = {}
            for other, value in best:
                top.setdefault(name(other), value)  # two ids can have one text: the likelier one stands
            told.append({"token": name(token), "logprob": logprob, "top": top})
        return told

    def _pad(self, sequences: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and attention mask, (rows, longest) each, padded on the left. Which id pads does not matter."""
        longest = max(map(len, sequences))
        ids = torch.tensor([[0] * (longest - len(sequence)) + sequence for sequence in sequences])
        mask = torch.tensor([[0] * (longest - len(sequence)) + [1] * len(sequence) for sequence in sequences])
        return ids.to(self._loaded.device), mask.to(self._loaded.device)


class _Watch(StoppingCriteria):
    """Follows every row token by token: what `generate` asks after each step."""

    def __init__(self, engine: Engine, rows: Sequence[Row], sampler: RowSampler, enough: Callable[[int], bool]) -> None:
        self._engine = engine
        self._rows = rows
        self._sampler = sampler
        self._enough = enough

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        broken: list[bool] | None = None
        for at, (row, token) in enumerate(zip(self._rows, input_ids[:, -1].tolist(), strict=True)):
            if not row.open:
                continue
            self._engine.advance(row, token)
            if row.finish_reason is not None:
                broken = broken or self._sampler.broken.tolist()
                row.resolve(self._engine.outcome(row, broken[at]))
        still = [row.open for row in self._rows]
        done = [True] * len(still) if self._enough(sum(still)) else [not is_open for is_open in still]
        return torch.tensor(done, device=input_ids.device)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may get through where this error came up."""
    text = str(error).lower()
    known = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or any(phrase in text for phrase in known)


def is_fatal(error: BaseException) -> bool:
    """Whether the device is of no more use to this process, as after an assertion inside a CUDA kernel."""
    return "CUDA error" in str(error) and not is_out_of_memory(error)


def free_memory() -> None:
    """Give back what failed or unloaded work has left behind."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
