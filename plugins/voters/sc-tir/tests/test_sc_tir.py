"""The voter `sc-tir`: what it asks for, which answers count, and that the released behaviour is what was recorded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge import Ballot, Sample, Sampling, Segment, Transcript, UsageError, VotePlan
from skillforge.options import parse
from skillforge.registry import Registry
from skillforge.testing import check_voter
from skillforge.testing.examples import PROBLEM
from skillforge_sc_tir import ScTirOptions, ScTirVoter, released

VOTER = ScTirVoter()
RELEASED = ScTirOptions(released=True)
STRICT = ScTirOptions(modulo=1000)


def sample(ending: str, index: int = 0, *, code: bool = True) -> Sample:
    """A sample that has run a block of code, and then says `ending`."""
    ran = (Segment("code", "print(1)\n", begin="```python\n", end="```\n"), Segment("output", "1\n", end="```\n"))
    segments = (Segment("prompt", "?"), Segment("text", "By a sum.\n"), *(ran if code else ()), Segment("text", ending))
    return Sample(
        benchmark="b", split="s", problem=PROBLEM, sample_index=index, transcript=Transcript(segments)
    )  # fmt: skip


def elected(answers: list[str], options: ScTirOptions) -> tuple[str | None, int]:
    """The winner among samples that box these answers, and how many of them count; "-1" is a sample without an answer."""
    read = []
    for index, answer in enumerate(answers):
        said = sample("Time is up." if answer == "-1" else f"So it is $\\boxed{{{answer}}}$.", index)
        read.append((said, VOTER.read(None if answer == "-1" else answer, said, options)))
    numbers: dict[str, int] = {}
    cast = [
        Ballot(sample=said, answer=counts, group=None if counts is None else numbers.setdefault(counts, len(numbers)))
        for said, counts in read
    ]
    vote = VOTER.vote(cast, options)
    return vote and vote.answer, sum(ballot.answer is not None for ballot in cast)


# What it asks for ----------------------------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_submission() -> None:
    assert VOTER.plan(ScTirOptions()) == VotePlan(
        samples=48,
        sampling=Sampling(temperature=0.8),
        loop={"max_executions": 3, "last_turn": True},
        needs_code=True,
        restart=True,
    )


def test_options_make_the_plan() -> None:
    given = {"n": "8", "depth": "1", "temperature": "1", "broken": "prune", "seconds": "350", "spare_seconds": "210"}
    plan = VOTER.plan(parse(ScTirOptions, {**given, "require_code": "false"}, "voter."))
    assert not plan.needs_code
    assert (plan.samples, plan.loop, plan.sampling.temperature) == (8, {"max_executions": 0, "last_turn": True}, 1.0)
    assert (plan.restart, plan.seconds, plan.spare_seconds) == (False, 350.0, 210.0)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"released": "true", "modulo": "1000"}, "voter.released has filters of its own"),
        ({"released": "true", "minimum": "0"}, "voter.released has filters of its own"),
        ({"spare_seconds": "10"}, "voter.spare_seconds needs a time for one problem"),
        ({"minimum": "10", "maximum": "1"}, "no number is from voter.minimum to voter.maximum"),
        ({"depth": "1"}, "with voter.depth=1 no code runs"),
        ({"n": "1"}, "bad value '1' for option 'voter.n'"),
        ({"modulo": "1"}, "bad value '1' for option 'voter.modulo'"),
    ],
)
def test_options_that_contradict_each_other_are_refused(given: dict[str, str], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        parse(ScTirOptions, given, "voter.")


# Which answers count -------------------------------------------------------------------------------------------------


def test_without_a_filter_answers_count_as_they_are() -> None:
    for answer in ("45.0", "\\frac{3}{4}", "x = 7", "-3", ""):
        assert VOTER.read(answer, sample(""), ScTirOptions()) == answer
    assert VOTER.read(None, sample(""), ScTirOptions()) is None


def test_an_answer_without_code_does_not_count() -> None:
    assert VOTER.read("7", sample("7", code=False), ScTirOptions()) is None
    assert VOTER.read("7", sample("7", code=False), ScTirOptions(require_code=False)) == "7"


@pytest.mark.parametrize(
    ("answer", "integer"),
    [
        ("45", "45"), ("45.0", "45"), ("45.", "45"), ("-45", "-45"), ("+7", "7"), ("007", "7"), (" $45$ ", "45"),
        ("1,234", "1234"), ("1{,}234{,}567", "1234567"), ("-0", "0"), ("\\,12\\!", "12"), ("9" * 100, "9" * 100),
        ("3.5", None), ("45.01", None), ("1/2", None), ("\\frac{3}{4}", None), ("x=7", None), ("4 5", None), ("", None),
        ("1e3", None), ("nan", None), ("inf", None), ("12,34", None), ("17\\pmod{1000}", None), ("9" * 101, None),
        ("٣", None), ("1_000", None),
    ],
)  # fmt: skip
def test_integer_counts_whole_numbers_in_any_form(answer: str, integer: str | None) -> None:
    assert VOTER.read(answer, sample(""), ScTirOptions(integer=True)) == integer


@pytest.mark.parametrize(
    ("options", "counted"),
    [
        ({"minimum": 0}, {"0": "0", "-1": None, "7.0": "7", "3.5": None}),
        ({"minimum": -5, "maximum": 5}, {"-5": "-5", "5": "5", "6": None, "-6": None}),
        ({"modulo": 1000}, {"3159": "159", "1000": "0", "999": "999", "-841": None, "0.128188": None}),
        ({"modulo": 1000, "minimum": -1000}, {"-841": "159", "-1001": None}),
        ({"modulo": 1000, "maximum": 99_999}, {"99999": "999", "100000": None}),
    ],
)  # fmt: skip
def test_bounds_and_modulo(options: dict[str, int], counted: dict[str, str | None]) -> None:
    found = {answer: VOTER.read(answer, sample(""), ScTirOptions(**options)) for answer in counted}
    assert found == counted


def test_answers_that_are_counted_as_one_elect_together() -> None:
    assert elected(["7", "3159", "159.0", "7", "159", "8"], STRICT) == ("159", 6)


# The released behaviour ----------------------------------------------------------------------------------------------

RECORDED = {
    "2": (["45"] * 40 + ["45.0"] * 7 + ["-1"], "45", 47, 47),
    "0": (["27"] * 20 + ["18"] + ["27"] * 27, "27", 48, 48),
    "1": (["0", "2"] + ["36"] * 35 + ["0.128188", "0"] + ["2"] * 3 + ["-1"] * 6, "36", 42, 41),
    "3": (
        ["3831"] * 3 + ["3159"] * 35 + ["-511", "-841", "-3"] + ["12", "500", "77", "981", "64", "205", "118"],
        "159", 45, 45,
    ),
    "4": (["-1"] * 12 + ["3"] * 2 + ["36"] * 8 + ["5", "9", "10", "12", "15", "18", "21"] + ["-1"] * 19, "36", 17, 17),
}  # fmt: skip
"""Lists with the distributions of a recorded run of 48 x 4: (answers, vote, those that count when released, when strict)."""


@pytest.mark.parametrize("answers,vote,released_count,strict_count", RECORDED.values(), ids=RECORDED)
def test_a_recorded_run_is_reproduced(answers: list[str], vote: str, released_count: int, strict_count: int) -> None:
    assert len(answers) == 48
    assert elected(answers, RELEASED) == (vote, released_count)
    assert elected(answers, STRICT) == (vote, strict_count)


@pytest.mark.parametrize(
    ("answer", "integer"),
    [
        ("3.5", 4), ("2.5", 2), ("0.128188", 0), ("1003", 3), ("1e3", 0), ("45.0", 45), ("3159", 159), ("1234", 234),
        ("-511", None), ("nan", None), ("inf", None), ("", None), ("9+3^{2/3}", None), ("\\frac{3}{4}", None),
        ("x=7", None), ("17\\pmod{1000}", None), ("42apples.", None), ("-1", None),
    ],
)  # fmt: skip
def test_the_released_filter_rounds_and_drops(answer: str, integer: int | None) -> None:
    assert released.to_integer(answer) == integer


@pytest.mark.parametrize(
    ("ending", "answer", "counted"),
    [
        ("The answer is 42 apples.", "42apples.", None),
        ("The final answer is $\\frac{1}{2}$.", "\\frac{1}{2}", None),
        ("Therefore the answer is \\boxed{1,234}.", "1234", "234"),
        ("$\\boxed{\\text{and} 12 \\text{ cm}}$", "12", "12"),
        ("\\boxed{4} and then \\boxed{\\frac{3}{4}}", "\\frac{3}{4}", None),
        ("\\boxed{3", None, None),
        ("\\boxed 9", None, None),
        ("It is \\fbox{9}.", None, None),
        ("\\boxed{7}" + "." * 91, "7", "7"),
        ("\\boxed{7}" + "." * 101, None, None),  # too far before the end
        ("\\boxed{rac12}", "\\frac{1}{2}", None),
        ("\\boxed{\\sqrt2}", "\\sqrt{2}", None),
        ("\\boxed{90^\\circ}", "90", "90"),
        ("It is 42.", None, None),
    ],
)
def test_the_released_notebook_reads_the_end_of_the_text(ending: str, answer: str | None, counted: str | None) -> None:
    said = sample(ending)
    assert released.read_answer(said.transcript.answer_text) == answer
    assert VOTER.read("what the grader found", said, RELEASED) == counted


def test_where_no_answer_is_left_the_released_vote_is_zero() -> None:
    assert elected(["-1", "x=7", "-511"], RELEASED) == ("0", 0)
    assert elected(["-1", "x=7", "-511"], STRICT) == (None, 0)


def test_of_equal_counts_the_first_wins() -> None:
    assert elected(["8", "7", "7", "8"], RELEASED) == elected(["8", "7", "7", "8"], STRICT) == ("8", 4)


@given(st.text(alphabet=st.sampled_from("\\boxed{}fb1,.$ answerisProblem:\n"), max_size=120))
def test_any_text_can_be_read(text: str) -> None:
    read = VOTER.read(text, sample(text), RELEASED)
    assert read is None or 0 <= int(read) < 1000


# The contract --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"integer": True}, {"modulo": 1000, "early_stop": False}], ids=str)
def test_contract(options) -> None:
    check_voter(VOTER, options=options)


def test_it_is_found_by_its_entry_point() -> None:
    assert Registry().get("voter", "sc-tir").name == "sc-tir"
