from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillforge_math_grader.extract import MAX_READ, extract

STEADY = settings(deadline=None)
WORDS = r"\boxed{ \fbox{ { } \ #### answer is Answer: A: <think> </think> ** $ 7 - , . 1,234 3/4 % é x"
PIECES = st.sampled_from([*WORDS.split(), " ", "\n", "\nA: ", "answer is ", "#### 7", "\ud800"])


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        (r"So \boxed{41}. No, wait: \boxed{42}.", "42", "boxed"),
        (r"It is $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}", "boxed"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}", "boxed"),
        (r"\fbox{7} apples, not 8.", "7", "boxed"),
        (r"\boxed{\boxed{7}}", "7", "boxed"),
        (r"I'll put it inside \boxed{}. 3 + 4 = 7", "7", "last number"),
        (r"\boxed{7} is right. My final \boxed{7", "7", "boxed"),
        (r"The result is \boxed{42", "42", "unclosed box"),
        ("3 + 4 = 7\n#### 7", "7", "####"),
        ("#### 1,234", "1,234", "####"),
        ("#### Step 2: add\nThe answer is 7.", "7", "answer phrase"),
        ("#### 1. Read the problem\n3 + 4 = 7", "7", "last number"),
        ("#### Result\n#### 18 dollars\n", "18 dollars", "####"),
        ("##### 9\nThe answer is 7", "7", "answer phrase"),
        ("The answer is 5. No, the final answer is 3.5. Good.", "3.5", "answer phrase"),
        ("**Answer:** 18", "18", "answer phrase"),
        ("**Final answer: 18**", "18", "answer phrase"),
        ("The final answer is:\n\n$$\n18\n$$", "18", "answer phrase"),
        ("9 * 2 = 18\nA: 18", "18", "answer phrase"),
        ("The answer is not 5", "not 5", "answer phrase"),
        ("So she pays $1,234.50 in all.", "$1,234.50", "last number"),
        ("From 16-3 follow 13 eggs.", "13", "last number"),
        ("It falls to -5 degrees", "-5", "last number"),
        ("a share of 3/4", "3/4", "last number"),
        ("about .5", ".5", "last number"),
        ("that is 50% more", "50%", "last number"),
        (r"<think>\boxed{1}</think>It is \boxed{2}", "2", "boxed"),
        (r"It is \boxed{2}<think>or \boxed{3}?", "2", "boxed"),
    ],
)
def test_the_rules(text: str, answer: str, rule: str) -> None:
    found = extract(text)
    assert found is not None
    assert (found.answer, found.rule) == (answer, rule)
    assert text[slice(*found.span)] == answer


@pytest.mark.parametrize(
    "text", ["", "I do not know.", "x2 y_3", "\\boxed{}", "The answer is:", "####", "<think>so 7", "so 7</think>"]
)
def test_there_may_be_no_answer(text: str) -> None:
    assert extract(text) is None


def test_only_the_end_of_a_long_text_is_read() -> None:
    assert extract("#### 7" + "x" * MAX_READ) is None
    text = "x" * 3_000_000 + "\\boxed{7}"
    found = extract(text)
    assert found is not None
    assert text[slice(*found.span)] == "7"


@STEADY
@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_any_text_gives_a_stripped_answer_where_it_stands(text: str) -> None:
    found = extract(text)
    if found is not None:
        assert found.answer
        assert found.answer == found.answer.strip()
        assert text[slice(*found.span)] == found.answer


@STEADY
@given(st.text(), st.integers())
def test_the_last_box_wins(text: str, number: int) -> None:
    before = text.replace("<think>", "").replace("</think>", "")
    if before.count("{") == before.count("\\") == 0:
        found = extract(f"{before} \\boxed{{{number}}}")
        assert found is not None
        assert (found.answer, found.rule) == (str(number), "boxed")


@pytest.mark.parametrize(
    "piece",
    [
        "\\boxed{",
        "\\boxed{9}",
        "{",
        "answer ",
        "answer is ",
        "#### a\n",
        "#",
        "1,",
        "1.",
        "1/",
        "111,",
        "\\",
        "A:\n",
        "-",
    ],
)
def test_time_is_bounded_on_floods(piece: str) -> None:
    text = piece * (2_000_000 // len(piece))
    start = time.process_time()
    extract(text)
    assert time.process_time() - start < 1.0
