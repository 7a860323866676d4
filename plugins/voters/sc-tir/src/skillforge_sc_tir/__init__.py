"""The voter `sc-tir`: self-consistency over tool-integrated reasoning, after Numina's submission to AIMO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from skillforge import MAKING, Ballot, Sample, Sampling, UsageError, Vote, VotePlan, Voter, hookimpl
from skillforge_plurality_voters import StoppingOptions, elect, is_decided
from skillforge_sc_tir import released
from skillforge_sc_tir.filters import whole_number, within

SKILLFORGE_CONTRACT = 1


class ScTirOptions(StoppingOptions, frozen=True, kw_only=True):
    """Options of the voter `sc-tir`."""

    n: Annotated[int, Meta(ge=2, le=4096, description="Samples of each problem: the width.", extra=MAKING)] = 48
    depth: Annotated[
        int,
        Meta(
            ge=1,
            description="Turns of the model in one sample: one more than it may run blocks of code.",
            extra=MAKING,
        ),
    ] = 4
    temperature: Annotated[float, Meta(ge=0, description="Sampling temperature.", extra=MAKING)] = 0.8
    broken: Annotated[
        Literal["restart", "prune"],
        Meta(
            description="A sample whose answer must not count: restart it with the turns that it has left, or drop it.",
            extra=MAKING,
        ),
    ] = "restart"
    require_code: Annotated[
        bool, Meta(description="Count an answer only where the sample has run a block of code.")
    ] = True
    integer: Annotated[bool, Meta(description="Count whole numbers only, in whatever form (45.0 is one).")] = False
    minimum: Annotated[
        int | None, Meta(description="Count whole numbers from this on only. Default: 0 with modulo.")
    ] = None
    maximum: Annotated[int | None, Meta(description="Count whole numbers up to this only.")] = None
    modulo: Annotated[
        Annotated[int, Meta(ge=2)] | None,
        Meta(description="Count whole numbers only, modulo this; AIMO's answers are from 0 on, modulo 1000."),
    ] = None
    released: Annotated[
        bool,
        Meta(
            description="Read, filter and count answers exactly as Numina's released notebook does: in the last 100"
            " characters, rounded, from 0 on, modulo 1000, and 0 where no answer is left."
        ),
    ] = False
    seconds: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(
            description="Time for one problem; at its end the samples under way end with what is written.", extra=MAKING
        ),
    ] = None
    spare_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="Most seconds that a problem may take more, out of what others have left over.",
            extra=MAKING,
        ),
    ] = 0.0

    def __post_init__(self) -> None:
        if self.released and self.filters:
            raise UsageError(
                "voter.released has filters of its own", "leave out voter.integer, minimum, maximum and modulo"
            )
        if self.spare_seconds and self.seconds is None:
            raise UsageError("voter.spare_seconds needs a time for one problem", "set -o voter.seconds=NUMBER too")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise UsageError("no number is from voter.minimum to voter.maximum", "raise the one or lower the other")
        if self.depth == 1 and self.require_code:
            raise UsageError(
                "with voter.depth=1 no code runs, and only samples that have run code count",
                "raise voter.depth, or set -o voter.require_code=false",
            )

    @property
    def filters(self) -> bool:
        """Whether only whole numbers count."""
        return self.integer or any(bound is not None for bound in (self.minimum, self.maximum, self.modulo))


class ScTirVoter(Voter):
    """Majority over the samples that have run code and whose answers pass the filters."""

    name = "sc-tir"
    summary = "Majority of samples that run code, with filters, restarts and a time bank."
    source = "Numina, AIMO progress prize 1 (2024): github.com/project-numina/aimo-progress-prize"
    Options = ScTirOptions

    def plan(self, options: ScTirOptions) -> VotePlan:
        return VotePlan(
            samples=options.n,
            sampling=Sampling(temperature=options.temperature),
            loop={"max_executions": options.depth - 1, "last_turn": True},
            needs_code=options.require_code,
            restart=options.broken == "restart",
            seconds=options.seconds,
            spare_seconds=options.spare_seconds,
        )

    def read(self, answer: str | None, sample: Sample, options: ScTirOptions) -> str | None:
        """The answer as it is counted: a whole number in its plain form where only these count."""
        if options.require_code and all(segment.kind != "output" for segment in sample.transcript.segments):
            return None
        if options.released:
            answer = released.read_answer(sample.transcript.answer_text)
        if answer is None or not (options.released or options.filters):
            return answer
        number = released.to_integer(answer) if options.released else _counted(answer, options)
        return None if number is None else str(number)

    def vote(self, ballots: Sequence[Ballot], options: ScTirOptions) -> Vote | None:
        if options.released and ballots:
            return elect(ballots) or Vote(answer="0", supporters=(), reason="no answer is left", fallback=True)
        return elect(ballots)

    def decided(self, ballots: Sequence[Ballot], missing: int, options: ScTirOptions) -> bool:
        return is_decided(ballots, missing, options)


def _counted(answer: str, options: ScTirOptions) -> int | None:
    """The number that `answer` counts as, by the filters."""
    number = whole_number(answer)
    minimum = 0 if options.minimum is None and options.modulo is not None else options.minimum
    if number is None or not within(number, minimum, options.maximum):
        return None
    return number if options.modulo is None else number % options.modulo


@hookimpl
def skillforge_voter() -> Voter:
    return ScTirVoter()
