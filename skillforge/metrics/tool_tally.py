"""Tool tally: sums up what the samples of a run did with the code that they wrote."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from math import fsum, isfinite

from skillforge.metrics.summary import AnswerPlaces, Spread, ToolUse
from skillforge.metrics.tool_facts import AnswerPlace, ToolFacts
from skillforge.metrics.usage import is_count, percentile


class ToolTally:
    """Sums up tool use in eight bytes an execution, besides a little for each different number."""

    def __init__(self) -> None:
        self._executions: Counter[int] = Counter()
        self._statuses: Counter[str | None] = Counter()
        self._seconds = array("d")
        self._turns: Counter[int] = Counter()
        self._turn_tokens: Counter[int] = Counter()
        self._answers: Counter[AnswerPlace] = Counter()

    def add(self, facts: ToolFacts) -> None:
        """Take one sample in."""
        self._executions[len(facts.statuses)] += 1
        self._statuses.update(facts.statuses)
        self._seconds.extend(seconds for seconds in facts.seconds if isfinite(seconds))
        self._turns[facts.turns] += 1
        self._turn_tokens.update(filter(is_count, facts.turn_tokens))
        if facts.answer is not None:
            self._answers[facts.answer] += 1

    def use(self, samples: int) -> ToolUse | None:
        """The sums, of a run of `samples` samples; None where none of them wrote code."""
        executions = _spread(self._executions.elements())
        if executions is None:
            return None
        statuses = {status: self._statuses[status] for status in sorted(filter(None, self._statuses))}
        known = sum(statuses.values())
        ok, error, timeout = (statuses.get(status, 0) for status in ("ok", "error", "timeout"))
        return ToolUse(
            samples=self._executions.total(),
            share=self._executions.total() / samples,
            executions=self._statuses.total(),
            per_sample=executions,
            statuses=statuses,
            error_rate=error / known if known else None,
            timeout_rate=timeout / known if known else None,
            other_failure_rate=(known - ok - error - timeout) / known if known else None,
            seconds=_spread(self._seconds),
            turns=_spread(self._turns.elements()),
            turn_tokens=_spread(self._turn_tokens.elements()),
            answers=AnswerPlaces(
                text=self._answers["text"], output=self._answers["output"], neither=self._answers["neither"]
            ),
        )


def _spread(numbers: Iterable[float]) -> Spread | None:
    ordered = sorted(numbers)
    p90 = percentile(ordered, 90)
    if p90 is None:
        return None
    return Spread(fsum(number / len(ordered) for number in ordered), p90, ordered[-1])
