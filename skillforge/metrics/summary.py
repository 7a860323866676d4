"""Summary: the metrics of one run, as summary.json holds them. None means not measurable; there is no NaN."""

from __future__ import annotations

import msgspec

from skillforge.metrics.intervals import Estimate
from skillforge.metrics.votes import VoteSummary


class AtK(msgspec.Struct, frozen=True):
    """pass@k or maj@k (0 to 1): the mean over the problems with at least k graded samples, and its 95 % interval."""

    value: float | None
    problems: int
    left_out: int
    """Problems with fewer than k graded samples: no part of `value`."""

    low: float | None = None
    high: float | None = None


class Repeats(msgspec.Struct, frozen=True):
    """Accuracy of each repeat: repeat i is the i-th sample of every problem."""

    accuracy: dict[str, float | None]
    """Sample index -> share of correct among the graded samples of that index."""

    mean: float | None
    std: float | None
    """Sample standard deviation between repeats (n - 1); None for fewer than two."""


class SubsetRow(msgspec.Struct, frozen=True):
    """The samples of one subset, such as level 5. `problems` and `samples` count errors too."""

    problems: int
    samples: int
    accuracy: Estimate


class Tokens(msgspec.Struct, frozen=True):
    """Tokens of all samples that report them (errors too). Percentiles interpolate between neighbours."""

    prompt_total: int | None
    prompt_mean: float | None
    completion_total: int | None
    completion_mean: float | None
    completion_p50: float | None
    completion_p90: float | None
    completion_max: int | None


class Latency(msgspec.Struct, frozen=True):
    """Seconds a request took, over the samples that report it."""

    p50: float
    p90: float
    p99: float
    max: float


class Throughput(msgspec.Struct, frozen=True):
    """What the whole run did a second of wall time."""

    samples_per_second: float
    completion_tokens_per_second: float | None


class Spread(msgspec.Struct, frozen=True):
    """How some numbers lie."""

    mean: float
    p90: float
    max: float


class AnswerPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Samples with code and an answer, by where the answer stands."""

    text: int
    """In what the model wrote after the last output."""

    output: int
    """Not there, but in an output."""

    neither: int
    """Elsewhere, or rewritten by the grader."""


class ToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """What the samples that wrote code did with it."""

    samples: int
    """Samples that wrote code; the other numbers are about them."""

    share: float
    """Of all samples of the run."""

    executions: int
    per_sample: Spread
    """Executions of a sample."""

    statuses: dict[str, int]
    """How an execution ended -> executions. Those of which that is not known are left out, of the rates too."""

    error_rate: float | None
    """Share of executions whose code raised an error."""

    timeout_rate: float | None
    other_failure_rate: float | None
    """Share of executions that ended in neither way and not well: out of memory, exit, crash and so on."""

    seconds: Spread | None
    """Seconds that an execution ran."""

    turns: Spread | None
    """Turns of the model in a sample."""

    turn_tokens: Spread | None
    """Completion tokens of a turn."""

    answers: AnswerPlaces


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics of one run. Depends only on which outcomes came, not on their order."""

    problems: int
    samples: int
    samples_per_problem: int
    """k: the most samples that any problem has."""

    correct: int
    wrong: int
    no_answer: int
    error: int
    truncated: int
    accuracy: Estimate
    """Share of correct among a problem's graded samples, averaged over problems: `no-answer` is not correct, `error` is
    left out."""

    no_answer_rate: float | None
    """Of graded samples (those without `error`)."""

    error_rate: float | None
    """Of all samples."""

    truncation_rate: float | None
    """Of all samples."""

    mean_score: float | None
    """Mean of the grader's scores (0 to 1), over the graded samples that have one."""

    pass_at: dict[str, AtK]
    """By k, up to `samples_per_problem`; in a run with a voter up to the fewest samples that a problem has: votes that are
    decided early leave the hard problems with more."""

    maj_at: dict[str, AtK]
    """Empty where the grader judges samples without naming an answer: then there is nothing to vote on."""

    repeats: Repeats
    subsets: dict[str, dict[str, SubsetRow]]
    """Field -> value -> row. A sample without the field is in no row of it."""

    tokens: Tokens | None
    latency: Latency | None
    throughput: Throughput | None
    tools: ToolUse | None = None
    """None where no sample wrote code."""

    finish_reasons: dict[str, int] = {}
    """Why samples ended -> samples, the most frequent first; `other` sums up what is beyond a hundred reasons."""

    errors: dict[str, int] = {}
    """Why samples are in error -> samples, bounded and sorted in the same way. Reasons that differ only in their numbers
    (but for the status of an HTTP answer) are one."""

    vote: VoteSummary | None = None
    """None where the run has no voter."""

    confidence: float = 0.95
    """Of every interval."""
