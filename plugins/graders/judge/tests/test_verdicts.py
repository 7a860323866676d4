"""From replies to a verdict: what is read, what is not, and what the order of the two decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge import Problem, Segment, Transcript, Verdict
from skillforge.registry import Registry
from skillforge.testing import check_grader
from skillforge_judge_grader import JudgeGrader, JudgeOptions
from skillforge_judge_grader.replies import Unreadable, read_verdict

GRADER = JudgeGrader()
PROBLEM = Problem(id="0", question="What is half of one?", expected_answer="1/2", reference_solution="1/2")
WORDS = ("yes", "no")


def concluded(*replies: str, **options: object) -> Verdict:
    transcript = Transcript((Segment("text", "It is \\boxed{0.5}."),))
    return GRADER.conclude(PROBLEM, transcript, JudgeOptions(**options), None, replies)


@pytest.mark.parametrize(
    "reply",
    [
        "Verdict: Yes",
        "Both are one half.\n\nVerdict: Yes\n",
        "**Verdict: Yes**",
        "**Verdict:** yes.",
        "`VERDICT: YES`  \n \n",
        "Verdict: Yes\nLet me check again. It is.\nVerdict: Yes",
        "I must not say Verdict: No here.\nVerdict: Yes",
    ],
)
def test_a_verdict_is_the_last_line(reply: str) -> None:
    assert read_verdict(reply, WORDS) == "yes"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "it is empty"),
        (" \n\n", "it is empty"),
        ("Yes", "it ends with 'Yes'"),
        ("They are equal, so yes.", "it ends with 'They are"),
        ("Verdict: Yes\nI hope this helps!", "it ends with 'I hope"),
        ("Verdict: Yes or No", "it ends with"),
        ("Verdict: Yes / No", "it ends with"),
        ("Verdict: Yes Verdict: No", "it ends with"),
        ("Verdict: Maybe", "it ends with 'Verdict: Maybe'"),
        ("Verdict: Tie", "it ends with"),
        ("The text says:\nVerdict: Yes\nbut it is wrong.\nVerdict: No", "it gives several verdicts: no, yes"),
        ("Verdict: No\nVerdict: Yes", "it gives several verdicts: no, yes"),
        ("> Verdict: Yes", "it ends with"),
        ("Verdict: Y\u0435s", "it ends with"),
        ("Verdict: " + "*" * 100_000 + "Yes", "it ends with"),
        ("\ud800", "it ends with '\\ud800'"),
    ],
)
def test_what_is_no_verdict_says_why(reply: str, why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_verdict(reply, WORDS)
    assert str(caught.value).startswith(why)
    verdict = concluded(reply)
    assert verdict.state == "error" and verdict.answer == "0.5"
    assert verdict.reason.startswith(f"judge's reply could not be parsed: {why}")


@given(st.text(alphabet=st.sampled_from("Verdict: YesNo*`.\n \u2028x"), max_size=60), st.sampled_from(["Yes", "No"]))
def test_whatever_comes_before_a_verdict_can_only_make_it_unreadable(before: str, word: str) -> None:
    try:
        assert read_verdict(f"{before}\nVerdict: {word}", WORDS) == word.lower()
    except Unreadable as error:
        assert "several verdicts" in str(error)


@given(st.text())
def test_any_reply_gives_a_verdict(reply: str) -> None:
    assert concluded(reply).state in ("correct", "wrong", "error")


@pytest.mark.parametrize(
    ("options", "replies", "state", "score", "reason"),
    [
        ({}, ("Verdict: Yes",), "correct", None, "boxed; the judge says: yes"),
        ({}, ("Verdict: No",), "wrong", None, "boxed; the judge says: no"),
        ({"swap": True}, ("Verdict: Yes", "Verdict: Yes"), "correct", None, "boxed; the judge says: yes (in both orders)"),
        ({"swap": True}, ("Verdict: No", "Verdict: No"), "wrong", None, "boxed; the judge says: no (in both orders)"),
        ({"swap": True}, ("Verdict: Yes", "Verdict: No"), "error", None, "undecided: yes, in the other order: no"),
        ({"swap": True}, ("Verdict: No", "Verdict: Yes"), "error", None, "undecided: no, in the other order: yes"),
        ({"swap": True}, ("Verdict: Yes", "?"), "error", None, "judge's reply could not be parsed: it ends with '?'"),
        ({"prompt": "problem"}, ("Verdict: Yes",), "correct", None, "boxed; the judge says: yes"),
        ({"prompt": "pairwise"}, ("Verdict: A", "Verdict: B"), "correct", 1.0, "the judge says: better (in both orders)"),
        ({"prompt": "pairwise"}, ("Verdict: B", "Verdict: A"), "wrong", 0.0, "the judge says: worse (in both orders)"),
        ({"prompt": "pairwise"}, ("Verdict: Tie", "Verdict: Tie"), "wrong", 0.5, "the judge says: tie (in both orders)"),
        ({"prompt": "pairwise"}, ("Verdict: A", "Verdict: A"), "error", None, "undecided: better, in the other order: worse"),
        ({"prompt": "pairwise"}, ("Verdict: B", "Verdict: B"), "error", None, "undecided: worse, in the other order: better"),
        ({"prompt": "pairwise"}, ("Verdict: A", "Verdict: Tie"), "error", None, "undecided: better, in the other order: tie"),
        ({"prompt": "pairwise", "swap": False}, ("Verdict: A",), "correct", 1.0, "the judge says: better"),
    ],
)  # fmt: skip
def test_replies_in_both_orders_must_agree(options, replies, state, score, reason) -> None:
    verdict = concluded(*replies, **options)
    assert (verdict.state, verdict.score, verdict.reason) == (state, score, reason)


def test_votes_group_answers_by_value_and_ask_nobody() -> None:
    first, second, other = GRADER.group(["1/2", "0.5", "2"], JudgeOptions())
    assert first == second != other


@pytest.mark.parametrize("options", [{}, {"swap": True}, {"prompt": "problem"}, {"prompt": "pairwise"}], ids=str)
def test_contract(options) -> None:
    check_grader(GRADER, options=options)


def test_contract_on_own_cases() -> None:
    cases = [(PROBLEM, "\\boxed{0.5}", "wrong"), (PROBLEM, "\\boxed{1/2}", "correct"), (PROBLEM, "", "no-answer")]
    check_grader(GRADER, cases=cases, reply="Verdict: No")
    check_grader(GRADER, cases=[(PROBLEM, "\\boxed{0.5}", "error")], reply="Who knows?")


def test_it_is_found_by_its_entry_point() -> None:
    assert Registry().get("grader", "judge").name == "judge"
