"""Answers: a row's tokens followed one by one to their end, and made into a completion."""

from __future__ import annotations

import time

from skillforge import Completion, RequestFailed, RequestRefused, SkillForgeError
from skillforge.text import one_line
from skillforge_transformers.row import Row
from skillforge_transformers.texts import REASONING, Texts


class Answers:
    """Knows where answers end, and how they read."""

    def __init__(self, texts: Texts, eos_ids: frozenset[int], name: str) -> None:
        self._texts = texts
        self._eos_ids = eos_ids
        self._name = name

    def advance(self, row: Row, token: int) -> None:
        """Add the newest token to `row` (-1: the model computed NaN), and hand its outcome over where it ends there."""
        if token < 0:
            row.resolve(
                RequestRefused(
                    f"the model {self._name} computed NaN for this request",
                    "use -o backend.dtype=float32 (or bfloat16)",
                )
            )
            return
        if not row.tokens:
            row.first_token = time.monotonic() - row.submitted
        row.tokens.append(token)
        if token in self._eos_ids or token in row.stops.tokens:
            row.finish_reason, row.ended_by_token = "stop", True
        elif row.stops.may_end_with(row.tokens) and row.stops.cut(self._text(row)) is not None:
            row.finish_reason = "stop"
        elif len(row.tokens) >= row.max_tokens:
            row.finish_reason = "length"
        if row.finish_reason is not None:
            row.resolve(self._outcome(row))
        elif row.stream is not None:
            row.stream.advance(row.tokens)

    def _outcome(self, row: Row) -> Completion | SkillForgeError:
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
        ids = bool(row.sampling.token_ids)
        return Completion(
            text=answer,
            reasoning=reasoning,
            finish_reason=finish_reason if closed else "length",
            stop=stop,
            prompt_tokens=len(row.prompt_ids),
            completion_tokens=len(row.tokens),
            prompt_ids=tuple(row.prompt_ids) if ids else None,
            token_ids=tuple(row.tokens) if ids else None,
            first_token=row.first_token,
            logprobs=None if row.sampling.logprobs is None else self._logprobs(row),
        )

    def _text(self, row: Row) -> str:
        tokens = row.tokens[:-1] if row.ended_by_token else row.tokens
        return self._texts.decode(tokens, row.lead_ids)

    def _logprobs(self, row: Row) -> list[dict[str, object]]:
        name = self._texts.token_text
        told: list[dict[str, object]] = []
        for token, logprob, best in row.logprobs[: len(row.tokens)]:
            top: dict[str, float] = {}
            for other, value in best:
                top.setdefault(name(other), value)  # two ids can have one text: the likelier one stands
            told.append({"token": name(token), "logprob": logprob, "top": top})
        return told
