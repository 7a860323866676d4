"""The contracts of a voter and of a filter."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from skillforge.parts.filter import Dropped, Filter
from skillforge.parts.grader import Verdict, VerdictState
from skillforge.parts.sample import Sample
from skillforge.parts.voter import Voter
from skillforge.testing.declaration import begin
from skillforge.testing.examples import HOSTILE_TEXTS, sample, samples
from skillforge.testing.report import CheckResult, GivenOptions, expect

_VOTES: tuple[tuple[str | None, ...], ...] = (
    ("7",),
    ("7", "7", "8"),
    ("7", "8", "9"),
    (None, "7", None),
    ("7", "8", "8", None, "7", "8"),
    tuple(HOSTILE_TEXTS.values()),
)


def check_voter(part: Voter, *, options: GivenOptions = None) -> list[CheckResult]:
    """Check a voter. Raises ContractBroken."""
    checks, usable = begin(part, options)
    if usable is None:
        return checks.finish()

    def vote(answers: Sequence[str | None]) -> str | None:
        return part.vote(samples(answers), answers, _group, usable)

    with checks.check("no answers", "return None where no sample has an answer", may_refuse=True):
        for none in ((), (None,), (None, None, None)):
            expect(vote(none) is None, f"{none!r} gives {vote(none)!r}")
    with checks.check("one answer", "return the answer that all samples agree on", may_refuse=True):
        expect(vote(("7", "7", "7")) == "7", f"three times '7' gives {vote(('7', '7', '7'))!r}")
    with checks.check(
        "an answer that was given", "return one of the answers, as it was given, or None", may_refuse=True
    ):
        for answers in _VOTES:
            winner = vote(answers)
            expect(winner is None or winner in answers, f"the winner {winner!r} is not among the answers")
    with checks.check("votes the same again", "let the winner depend on the arguments only", may_refuse=True):
        for answers in _VOTES:
            expect(vote(answers) == vote(answers), f"{answers!r} gives two winners")
    return checks.finish()


def _group(answers: Sequence[str]) -> list[int]:
    numbers: dict[str, int] = {}
    return [numbers.setdefault(answer.strip(), len(numbers)) for answer in answers]


def check_filter(
    part: Filter,
    *,
    options: GivenOptions = None,
    kept: Sequence[Sample] = (),
    dropped: Sequence[Sample] = (),
) -> list[CheckResult]:
    """Check a filter; `kept` and `dropped` are samples, judged correct, that it must keep or drop.

    Raises ContractBroken.
    """
    checks, usable = begin(part, options)
    if usable is None:
        return checks.finish()
    plain = [(f"a {state} sample", sample("The answer is \\boxed{7}."), _verdict(state)) for state in _STATES]
    hostile = [(bad, sample(text), _verdict("wrong")) for bad, text in HOSTILE_TEXTS.items()]
    for name, cases in (("keeps or drops", plain), ("hostile texts", hostile)):
        with checks.check(name, "return the Sample, a rewritten one, or Dropped('why'); never raise on its text"):
            for what, given, verdict in cases:
                _expect_kept_or_dropped(given, part.apply(given, verdict, usable), what)
    with checks.check("filters the same again", "let the result depend on the arguments only"):
        for what, given, verdict in plain:
            expect(
                part.apply(given, verdict, usable) == part.apply(given, verdict, usable),
                f"{what} is treated in two ways",
            )
    for number, given in enumerate(kept, 1):
        with checks.check(f"keeps {number}", "this is the author's own case"):
            result = part.apply(given, _verdict("correct"), usable)
            expect(isinstance(result, Sample), f"it was dropped: {getattr(result, 'reason', result)}")
    for number, given in enumerate(dropped, 1):
        with checks.check(f"drops {number}", "this is the author's own case"):
            expect(isinstance(part.apply(given, _verdict("correct"), usable), Dropped), "it was kept")
    return checks.finish()


_STATES: tuple[VerdictState, ...] = ("correct", "wrong", "no-answer", "error")


def _verdict(state: VerdictState) -> Verdict:
    return Verdict(state=state, answer="7" if state in ("correct", "wrong") else None, reason="contract test")


def _expect_kept_or_dropped(given: Sample, result: object, what: str) -> None:
    if isinstance(result, Dropped):
        expect(isinstance(result.reason, str) and result.reason.strip(), f"{what}: dropped without a reason")
        expect("\n" not in result.reason and len(result.reason) <= 200, f"{what}: the reason is not a few words")
        return
    expect(isinstance(result, Sample), f"{what}: it returned {type(result).__name__}, not Sample or Dropped")
    assert isinstance(result, Sample)
    for field in ("benchmark", "split", "key"):
        expect(getattr(result, field) == getattr(given, field), f"{what}: it changed the sample's {field}")
    if result != given:  # a sample that came with half a character in it may stay as it is
        msgspec.json.encode(result)
