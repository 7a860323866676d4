"""Tool use: what a summary says of samples that ran code, counted by hand."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillforge.metrics.outcome import Outcome
from skillforge.metrics.summary import AnswerPlaces, Spread, Summary, ToolUse
from skillforge.metrics.tally import Tally
from skillforge.metrics.tool_facts import ToolFacts, answer_place, tool_facts
from skillforge.parts.grader import Verdict
from skillforge.parts.problem import Problem
from skillforge.parts.sample import Sample
from skillforge.parts.transcript import Segment, Transcript
from skillforge.pipeline.judging import outcome_of


def text(content: str, seconds: float | None = None, tokens: int | None = None) -> Segment:
    return Segment("text", content, seconds=seconds, tokens=tokens)


def code(content: str, seconds: float | None = None, tokens: int | None = None) -> Segment:
    return Segment("code", content, begin="```python\n", end="```\n", seconds=seconds, tokens=tokens)


def output(content: str, status: str | None = "ok", seconds: float | None = None) -> Segment:
    return msgspec.convert({"kind": "output", "text": content, "status": status, "seconds": seconds}, Segment)


def transcript(*segments: Segment) -> Transcript:
    return Transcript((Segment("prompt", "What is 6 times 7?", "user"), *segments))


TWO_EXECUTIONS = transcript(
    text("First try."), code("print(x)", 1.5, 20), output("NameError", "error", 0.25),
    text("Now right."), code("print(6*7)", 0.5, 30), output("42", "ok", 0.75), text("It is \\boxed{42}.", 0.5, 10),
)  # fmt: skip
TIMED_OUT = transcript(code("while True: pass", 2.0, 8), output("Timed out.", "timeout", 10.0), text("", 0.25, 1))
ONLY_PRINTED = transcript(code("print(41 + 1)", 1.0, 12), output("42", "ok", 0.5))
NOT_RUN = transcript(text("Code:"), code("print(6*7", 1.0, 40))
PLAIN = transcript(text("42"))


def judged(number: int, found: Transcript, answer: str | None, finish_reason: str = "stop") -> Outcome:
    sample = Sample(
        benchmark="sums",
        split="test",
        problem=Problem(id=f"test/{number}", question="What is 6 times 7?"),
        sample_index=0,
        transcript=found,
        finish_reason=finish_reason,
    )
    return outcome_of(sample, Verdict(state="correct" if answer == "42" else "no-answer", answer=answer), ())


RUN = [
    judged(0, TWO_EXECUTIONS, "42"),
    judged(1, TIMED_OUT, None, "time"),
    judged(2, ONLY_PRINTED, "42", "executions"),
    judged(3, NOT_RUN, "42", "unclosed-code"),
    judged(4, PLAIN, "42"),
]


def summed(outcomes: Sequence[Outcome]) -> Summary:
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome)
    return tally.summary()


def test_a_run_counted_by_hand() -> None:
    summary = summed(RUN)
    assert summary.tools == ToolUse(
        samples=4,
        share=0.8,
        executions=4,
        per_sample=Spread(1.0, pytest.approx(1.7), 2),
        statuses={"error": 1, "ok": 2, "timeout": 1},
        error_rate=0.25,
        timeout_rate=0.25,
        other_failure_rate=0.0,
        seconds=Spread(pytest.approx(2.875), pytest.approx(7.225), 10.0),
        turns=Spread(pytest.approx(1.75), pytest.approx(2.7), 3),
        turn_tokens=Spread(pytest.approx(121 / 7), pytest.approx(34.0), 40),
        answers=AnswerPlaces(text=1, output=1, neither=1),
    )
    assert summary.finish_reasons == {"stop": 2, "executions": 1, "time": 1, "unclosed-code": 1}
    assert next(iter(summary.finish_reasons)) == "stop"


def test_what_went_wrong_in_other_ways_is_told_apart() -> None:
    ways = ("ok", "exit", "died", "oom", "output-limit", "protocol-violation", "sandbox-error", "error")
    tools = summed([judged(0, transcript(*(output("", way) for way in ways)), None)]).tools
    assert tools is not None
    assert (tools.error_rate, tools.timeout_rate, tools.other_failure_rate) == (1 / 8, 0.0, 6 / 8)
    assert tools.statuses == dict.fromkeys(sorted(ways), 1)


@pytest.mark.parametrize("nonsense", [-1, 2**31, pytest.param(10**400, id="10**400")])
def test_a_nonsense_count_of_tokens_is_one_that_is_not_known(nonsense: int) -> None:
    facts = ToolFacts(statuses=("ok",), turns=2, turn_tokens=(30, nonsense))
    tools = summed([Outcome(problem_id="p", index=0, state="correct", tools=facts)]).tools
    assert tools is not None and tools.turn_tokens == Spread(30.0, 30, 30)


def test_a_run_without_code_has_no_tool_use() -> None:
    assert summed([]).tools is None
    assert summed([judged(0, PLAIN, "42"), judged(1, Transcript(), None)]).tools is None


def test_a_transcript_of_another_program_tells_what_it_can() -> None:
    found = transcript(text("a"), code("b"), output("1", None), code("c"), output("2", None), text("d"))
    tools = summed([judged(0, found, "2")]).tools
    assert tools is not None
    assert (tools.executions, tools.statuses, tools.error_rate, tools.seconds) == (2, {}, None, None)
    assert tools.turns == Spread(3.0, 3.0, 3) and tools.turn_tokens is None


def test_two_calls_in_one_turn_are_one_turn() -> None:
    found = transcript(code("a"), code("b", 1.0, 9), output("1"), output("2"), text("c", 1.0, 5))
    facts = tool_facts(found, None)
    assert facts is not None
    assert (facts.turns, facts.turn_tokens, len(facts.statuses)) == (2, (9, 5), 2)


@pytest.mark.parametrize(
    ("answer", "written", "place"),
    [
        ("5", "It is 5.", "text"),
        ("5", "It is 5.0", "text"),
        ("5", "the pair (3, 5)", "text"),
        ("-5", "-5", "text"),
        ("\\frac{1}{2}", "so x=\\frac{1}{2}y", "text"),
        ("5", "15 and then 5", "text"),
        ("5", "15", "neither"),
        ("5", "0.5", "neither"),
        ("5", "5.2", "neither"),
        ("5", "5,000", "neither"),
        ("5", "x5", "neither"),
        ("é", "café", "neither"),
        ("no", "nothing", "neither"),
        ("5", "", "neither"),
    ],
)
def test_an_answer_has_to_stand_by_itself(answer: str, written: str, place: str) -> None:
    assert answer_place(transcript(code("5"), output("7"), text(written)), answer) == place


def test_where_an_answer_stands() -> None:
    earlier = transcript(text("I guess 5."), code("print(5)"), output("7"), text("It is seven."))
    assert answer_place(earlier, "5") == "neither"
    assert answer_place(earlier, "7") == "output"
    assert answer_place(transcript(text("I guess 5."), code("print(")), "5") == "text"
    facts = tool_facts(earlier, "")
    assert facts is not None and facts.answer is None


def test_looking_for_an_answer_takes_linear_time_on_any_text() -> None:
    for answer, written in (("0", "0." + "0" * 300_000), ("aa", "a" * 300_001 + "b"), ("5", "5.0" * 100_000 + "1")):
        assert answer_place(transcript(output(""), text(written)), answer) in ("text", "neither")


statuses = st.sampled_from(["ok", "error", "timeout", "died", None])
facts = st.builds(
    ToolFacts,
    statuses=st.lists(statuses, max_size=4).map(tuple),
    seconds=st.lists(st.floats(0, allow_infinity=False) | st.floats(0, 10), max_size=4).map(tuple),
    turns=st.integers(1, 9),
    turn_tokens=st.lists(st.integers(0, 5000), max_size=4).map(tuple),
    answer=st.sampled_from([None, "text", "output", "neither"]),
)
outcomes = st.lists(st.tuples(st.none() | facts, st.sampled_from([None, "stop", "length", "\ud800"])), max_size=12).map(
    lambda found: [
        Outcome(problem_id="p", index=index, state="wrong", tools=tools, finish_reason=reason)
        for index, (tools, reason) in enumerate(found)
    ]
)


@settings(deadline=None)
@given(outcomes, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(run: list[Outcome], draw: object) -> None:
    shuffled = list(run)
    draw.shuffle(shuffled)  # type: ignore[attr-defined]
    summary = summed(run)
    assert summary == summed(shuffled)
    assert summary.tools is None or summary.tools.samples == sum(outcome.tools is not None for outcome in run)


def test_a_summary_from_before_tool_use_can_be_read() -> None:
    old = msgspec.to_builtins(summed(RUN))
    for new in ("tools", "finish_reasons", "errors"):
        del old[new]
    for at in (*old["pass_at"].values(), *old["maj_at"].values()):
        del at["low"], at["high"]
    read = msgspec.json.decode(msgspec.json.encode(old), type=Summary)
    assert (read.tools, read.finish_reasons, read.pass_at["1"].low) == (None, {}, None)


def test_an_execution_costs_eight_bytes() -> None:
    samples = 20_000
    used = ToolFacts(statuses=("ok",) * 3, seconds=(0.5,) * 3, turns=4, turn_tokens=(100, 200, 300, 400), answer="text")
    tally = Tally()
    tally.add(Outcome(problem_id="p", index=0, state="correct", tools=used))
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(samples):
            tally.add(Outcome(problem_id="p", index=0, state="correct", tools=used))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < (13 + 3 * 8) * samples * 1.3  # besides the entries of the tally; arrays grow ahead
