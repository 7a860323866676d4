from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillforge_math_grader.extract import MAX_READ, RULES, extract

STEADY = settings(deadline=None)
KINDS = ("math", "number", "choice", "text")
BOXES = r"\boxed{ \fbox{ \boxed\frac12 \boxed5 { } \{ \} \text{cm} \% ^\circ"
WORDS = r"#### answer is Answer: A: Ans: B (B) or not option correct <think> </think> ** 7 - , . 1,234 3/4 % é x"
MATHS = r"$ $$ \( \) \[ \] x=5 \frac{1}{2} ^ _"
PIECES = st.sampled_from(
    [
        *BOXES.split(),
        *WORDS.split(),
        *MATHS.split(),
        " ",
        "\n",
        "\n\n",
        "\nA: ",
        "answer is ",
        "#### 7",
        "\ud800",
        "\x00",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join))

BOX_CASES = [
    (r"So \boxed{41}. No, wait: \boxed{42}.", "42", "boxed"),
    (r"It is $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}", "boxed"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}", "boxed"),
    (r"\boxed { x^{2^{3}} }", "x^{2^{3}}", "boxed"),
    (r"\fbox{7} apples, not 8.", "7", "boxed"),
    (r"\framebox{204} and \framebox[3cm]{205}", "204, 205", "boxed list"),
    (r"\boxed{\boxed{7}}", "7", "boxed"),
    (r"I'll put it inside \boxed{}. So $\boxed{5}$, or in \boxed{...} or \boxed{?}", "5", "boxed"),
    (r"I'll put it inside \boxed{}. 3 + 4 = 7", "7", "last number"),
    (r"\\boxed{5}", "5", "boxed"),
    ("\x08oxed{5}", "5", "boxed"),
    (r"$\boxed 5$", "5", "boxed"),
    (r"$\boxed5$", "5", "boxed"),
    (r"$x = \boxed -1{,}5$", "-1", "boxed"),
    (r"$\boxed\frac12$", r"\frac12", "boxed"),
    (r"$\boxed\frac{1}{\sqrt{2}} > 0$", r"\frac{1}{\sqrt{2}}", "boxed"),
    (r"$\boxed\text{(B)}$", r"\text{(B)}", "boxed"),
    (r"$\boxed\pi$", r"\pi", "boxed"),
    (r"$\boxed x$", "x", "boxed"),
    (r"Write it in a \boxed command. It is 7.", "7", "last number"),
    # units that stand directly after the box
    (r"$\boxed{10}\%$", r"10\%", "boxed"),
    (r"\boxed{10}% of them", "10%", "boxed"),
    (r"$\boxed{12}\text{ cm}$ long", r"12\text{ cm}", "boxed"),
    (r"$\boxed{12} \mathrm{~cm}^2$", r"12 \mathrm{~cm}^2", "boxed"),
    (r"$\boxed{45}^\circ$", r"45^\circ", "boxed"),
    (r"$\boxed{45}^{\circ}$", r"45^{\circ}", "boxed"),
    (r"$\boxed{5}\text{ if } x > 0$", "5", "boxed"),
    (r"$\boxed{\frac12}\text{ of a pie}$", r"\frac12", "boxed"),
    (r"$\boxed{5}$ cm", "5", "boxed"),
    # lists
    (r"$\boxed{1}$ and $\boxed{2}$", "1, 2", "boxed list"),
    (r"\boxed{1}, \boxed{2}, and \boxed{3}", "1, 2, 3", "boxed list"),
    (r"\[\boxed{1}\] or \(\boxed{-1}\).", "1, -1", "boxed list"),
    (r"$\boxed{1} \text{ and } \boxed{2}$", "1, 2", "boxed list"),
    (r"\boxed{\boxed{1}, \boxed{2}}", "1, 2", "boxed list"),
    (r"\boxed{3}\text{ cm} and \boxed{4}\text{ cm}", r"3\text{ cm}, 4\text{ cm}", "boxed list"),
    (r"\boxed{7}, \boxed{7}", "7", "boxed"),
    (r"\boxed{1} so that \boxed{2}", "2", "boxed"),
    (r"\boxed{1}. \boxed{2}", "2", "boxed"),
    ("\\boxed{1}\n\\boxed{2}", "2", "boxed"),
    # boxes that the length limit cut off
    (r"The result is \boxed{42", "42", "unclosed box"),
    (r"The result is $\boxed{\frac{1}{2}$.", r"\frac{1}{2}", "unclosed box"),
    (r"\boxed{41}. Wait, that is wrong: \boxed{42", "42", "unclosed box"),
    (r"\boxed{128}. To sum up: \boxed{12", "128", "earlier box"),
    (r"\boxed{x = 128}. To sum up: \boxed{12", "x = 128", "earlier box"),
    (r"\boxed{0.5}. To sum up: \boxed{\frac{1}{2", "0.5", "earlier box"),
    (r"\boxed{7} is right. My final \boxed{", "7", "boxed"),
    (r"3 + 4 = 7 so \boxed{", "7", "last number"),
]

PHRASE_CASES = [
    ("The answer is 5. No, the final answer is 3.5. Good.", "3.5"),
    ("The answer is 18 dollars.", "18 dollars"),
    ("So the answer is -5", "-5"),
    ("the answer is 1,234.50!", "1,234.50!"),
    ("The answer should be 18.", "18"),
    ("The answer to the question is 18.", "18"),
    ("The answer, in simplest form, is 3/4.", "3/4"),
    ("The answers are 3, 4, and 5.", "3, 4, and 5"),
    ("**Answer:** 18", "18"),
    ("**Answer**: 18", "18"),
    ("__Answer__: 18", "18"),
    ("**Final answer: 18**", "18"),
    ("The answer is **18** dollars.", "18"),
    ("Final Answer: The total is **18 apples**, altogether.", "18 apples"),
    ("ANSWER: 18", "18"),
    ("Ans: 18", "18"),
    ("Answer = 18", "18"),
    ("<answer>\n18\n</answer>", "18"),
    ("9 * 2 = 18\nA: 18", "18"),
    ("A: 18", "18"),
    # maths
    ("The answer is $x$.", "x"),
    ("The answer is therefore $x=5$, as required.", "x=5"),
    ("Final Answer: The final answer is $2+3=5$. I hope it is correct.", "2+3=5"),
    (r"The answer is \(\frac{1}{2}\) of the total.", r"\frac{1}{2}"),
    (r"we get the answer $\text{e.g. } 5$.", r"\text{e.g. } 5"),
    ("The answer is $5$ when $x=2$.", "5"),
    ("The answer is $5$ since $2+3=5$.", "5"),
    ("The answer is the sum of $a$ and $b$, which is $5$.", "5"),
    ("The answer is $x=1$ and $x=2$.", "$x=1$ and $x=2$"),
    ("Answer: $x=1$, $x=2$, or $x=3$", "$x=1$, $x=2$, or $x=3$"),
    ("The answer is $5$ million dollars.", "$5$ million dollars"),
    (r"The answer is 2$\sqrt{3}$.", r"2$\sqrt{3}$"),
    ("The answer is [2,5).", "[2,5)"),
    ("Answer: x = 5 or x = -5", "x = 5 or x = -5"),
    (r"The answer is $\boxed{}$. That is, the answer is $18$", "18"),
    # money
    ("The answer is $18.", "$18"),
    ("The answer is $18 and $5 of tips.", "$18 and $5 of tips"),
    (r"The answer is \$18.", r"\$18"),
    # the next line
    ("The final answer is:\n\n$$\n18\n$$", "18"),
    ("The answer is\n\\[\nx = 5.\n\\]\nDone.", "x = 5"),
    ("## Answer\n\n18 apples\n\nThat was easy.", "18 apples"),
    ("**Final Answer**\n\n$x=5$", "x=5"),
    ("Answer:\n```\n18\n```", "18"),
    ("Answer:\n- 18", "18"),
    # where the sentence ends
    ("The answer is 10 sq. ft. of wood. Next, 5.", "10 sq. ft. of wood"),
    ("The answer is 9 p.m. on Monday. Next, 5.", "9 p.m. on Monday"),
    ("The answer is 5, because 2 + 3 = 5.", "5"),
    ("The answer is 5, not 6.", "5"),
    ("(The answer is 5.)", "5"),
    ('"The answer is 5."', "5"),
    ("The answer is 18 (see above).", "18 (see above)"),
    # a number in prose, and words as the answer
    ("The answer is that she has 5 apples left.", "5"),
    ("Answer: The total cost is $1,800.", "$1,800"),
    ("The answer is approximately 3.7.", "3.7"),
    ("The answer is greater than 5.", "greater than 5"),
    ("The answer is no solution.", "no solution"),
    ("The answer is not defined.", "not defined"),
    ("The answer is Tuesday, because it rains.", "Tuesday"),
    # statements that give none
    ("The answer is 5. Hence the answer is correct.", "5"),
    ("The answer is 5. The answer is not 6.", "5"),
    ("The answer is 5. Now the answer is obtained by adding.", "5"),
    ("The answer is 5 boxes, boxed.", "5 boxes, boxed"),
]

OTHER_CASES = [
    ("3 + 4 = 7\n#### 7", "7", "####"),
    ("#### 1,234.", "1,234", "####"),
    ("####7", "7", "####"),
    ("#### **7**", "7", "####"),
    ("#### $7", "$7", "####"),
    ("#### x = 7\nDone.", "x = 7", "####"),
    ("#### No solution", "No solution", "####"),
    ("#### Step 2: add\nThe answer is 7.", "7", "answer phrase"),
    ("#### 1. Read the problem\n3 + 4 = 7", "7", "last number"),
    ("#### 2 Solve for the rest\n3 + 4 = 7", "7", "last number"),
    ("#### Result\n#### 18 dollars\n", "18 dollars", "####"),
    ("##### 9\nThe answer is 7", "7", "answer phrase"),
    # maths
    ("Hence $x=5$ and $y=6$.", "y=6", "last maths"),
    (r"\[ 2 + 3 = 5. \]", "2 + 3 = 5", "last maths"),
    (r"Thus \(x = 5\) as $$y$$ says", "x = 5", "last maths"),
    ("So the value of $x$ is 5.", "5", "last number"),
    ("It must be $n$.", "n", "last maths"),
    ("It costs $5 and $x=4$.", "x=4", "last maths"),
    ("She had $18 and $5 of tips, so $x=23$ in all.", "x=23", "last maths"),
    ("It is $5 + $3 = $8 in all.", "$8", "last number"),
    ("She has $18. He has $54.", "$54", "last number"),
    (r"cost \$5 and \$6", r"\$6", "last number"),
    (r"I write $\boxed{}$ at 7", "7", "last number"),
    # numbers
    ("So she pays $1,234.50 in all.", "$1,234.50", "last number"),
    ("From 16-3 follow 13 eggs.", "13", "last number"),
    ("It falls to -5 degrees", "-5", "last number"),
    ("It falls to −5.", "−5", "last number"),
    ("a share of 3/4", "3/4", "last number"),
    ("3 1/2 hours", "3 1/2", "last number"),
    ("3½ hours", "3½", "last number"),
    (r"a share of \frac{3}{4} each", r"\frac{3}{4}", "last number"),
    ("about .5", ".5", "last number"),
    ("that is 50% more", "50%", "last number"),
    (r"that is 50\% more", r"50\%", "last number"),
    ("1{,}234 eggs", "1{,}234", "last number"),
    ("about 3.2 × 10^5 m", "3.2 × 10^5", "last number"),
    ("about 1.5e3 m", "1.5e3", "last number"),
    ("it is 10:30 now", "10:30", "last number"),
    ("the area is 2π", "2π", "last number"),
    ("7 apples on the 5th day, B2, x_2, x_{12}, x^2 and not 6", "7", "last number"),
    ("72 clips, altogether", "72", "last number"),
    # private reasoning
    (r"<think>\boxed{1}</think>It is \boxed{2}", "2", "boxed"),
    (r"It is \boxed{2}<think>or \boxed{3}?", "2", "boxed"),
    (r"\boxed{1}</think>so</think>7", "7", "last number"),
]


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [*BOX_CASES, *((text, answer, "answer phrase") for text, answer in PHRASE_CASES), *OTHER_CASES],
)
def test_the_rules(text: str, answer: str, rule: str) -> None:
    found = extract(text)
    assert found is not None
    assert (found.answer, found.rule) == (answer, rule)
    assert stands_in(text, found.answer, found.span, found.rule)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I do not know.",
        "x2 y_3",
        "\\boxed{}",
        "\\boxed{",
        "The answer is:",
        "The answer is unclear.",
        "The answer is correct.",
        "The answer is not 5.",
        "The answer isn't 5.",
        "The final answer is $\\boxed{",
        "####",
        "<think>so 7",
        "so 7</think>",
        "so 7</think>  \n",
    ],
)
def test_there_may_be_no_answer(text: str) -> None:
    assert extract(text) is None


@pytest.mark.parametrize(
    ("text", "answer", "rule"),
    [
        ("The answer is 18 dollars per day.", "18", "answer phrase"),
        ("The answer is that 18 are left.", "18", "answer phrase"),
        ("The answer is $3 million.", "$3 million", "answer phrase"),
        ("The answer is $9 \\times 2 = 18$.", "9 \\times 2 = 18", "answer phrase"),
        ("The answer is 9 * 2 = 18.", "9 * 2 = 18", "answer phrase"),
        ("The answer is 5 or 6.", "5 or 6", "answer phrase"),
        ("He had 3 and 4, 7 in all. The answer is clear.", "7", "last number"),
        ("The answer is $x$, so 7.", "7", "last number"),
        ("It is 7 as $x=8$ shows, or $x$.", "8", "last number"),
        ("#### 18", "18", "####"),
        ("#### Done\n", None, None),
    ],
)
def test_a_number_is_asked_for(text: str, answer: str | None, rule: str | None) -> None:
    found = extract(text, "number")
    assert (found and found.answer, found and found.rule) == (answer, rule)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"It is \boxed{\text{Paris}}.", r"\text{Paris}"),
        ("The answer is the city of Paris, which is the capital of France.", "the city of Paris"),
        (
            "Answer: a triangle with three equal sides and three equal angles",
            "a triangle with three equal sides and three equal angles",
        ),
        ("#### Paris", "Paris"),
        ("#### Solution\nIt is Paris.", None),
        ("We count 5 cities, $x=5$.", None),
    ],
)
def test_words_are_asked_for(text: str, answer: str | None) -> None:
    found = extract(text, "text")
    assert (found and found.answer) == answer


CHOICE_CASES = [
    (r"\boxed{B}", "boxed"),
    (r"\boxed{b}", "boxed"),
    (r"$\boxed{\text{(B)}}$", "boxed"),
    (r"$\boxed{\textbf{(B)}\ 5}$", "boxed"),
    (r"\boxed{\text{Option B}}", "boxed"),
    (r"\boxed{B: a cell}", "boxed"),
    (r"\boxed{B", "unclosed box"),
    ("#### B", "####"),
    ("The answer is (B).", "answer phrase"),
    ("The answer is (b).", "answer phrase"),
    ("The answer is B because a car moves.", "answer phrase"),
    ("The answer is B. A train is a common distractor.", "answer phrase"),
    ("The answer is B, A is wrong.", "answer phrase"),
    ("ANSWER IS B.", "answer phrase"),
    ("Answer: B", "answer phrase"),
    ("Answer: $B", "answer phrase"),
    ("Answer: $(B)$", "answer phrase"),
    ("**Answer:** **B**", "answer phrase"),
    ("**Answer: (B)** 12 cm", "answer phrase"),
    ("Answer: B) 12 cm", "answer phrase"),
    ("Answer - B.", "answer phrase"),
    ("ANS:B", "answer phrase"),
    ("answer choice B", "answer phrase"),
    ("ANSWER :(Option B)", "answer phrase"),
    (r"The answer is $\textbf{(B)}\ 5$.", "answer phrase"),
    ("Final Answer:\nB", "answer phrase"),
    ("Answer: B, not C", "answer phrase"),
    ("Answer: It is not C, the answer is B", "answer phrase"),
    ("The answer (C) can never be true. The answer is B", "answer phrase"),
    (r"Here $\boxed{\Delta E}$ is small. **Answer: B**", "answer phrase"),
    ("Answer: C. Let me check. Answer: B", "answer phrase"),
    ("Option B is correct.", "choice statement"),
    ("Hence (B) is correct answer.", "choice statement"),
    ("So B is the correct choice, as A is too small.", "choice statement"),
    ("The correct option is B.", "choice statement"),
    ("Correct Option: B", "choice statement"),
    ("I would pick option B.", "choice statement"),
    ("It is 12.\n\n**B**", "lone letter"),
    ("It is 12.\n(B)", "lone letter"),
    ("It is 12.\nOption B", "lone letter"),
    ("It is 12.\nThus, B.", "lone letter"),
    ("<think>Answer: C</think>\n\nB", "lone letter"),
    ("B. 12 cm", "lone letter"),
]


@pytest.mark.parametrize(("text", "rule"), CHOICE_CASES)
def test_a_letter_is_asked_for(text: str, rule: str) -> None:
    found = extract(text, "choice")
    assert found is not None
    assert (found.answer, found.rule) == ("B", rule)
    assert text[slice(*found.span)].upper() == "B"


@pytest.mark.parametrize(
    "text",
    [
        "A train leaves at 5.",
        "As an AI, I think it is clear.",
        "Answer: A train leaves.",
        "Answer: I think so.",
        r"The energy is $\Delta E$",
        r"\boxed{\Delta E}",
        r"\boxed{E = mc^2}",
        r"\boxed{AB}",
        r"\boxed{12}",
        "The answer is E = mc^2.",
        "The answer is F(x).",
        "The answer is A-level maths.",
        "The answer is b",
        "The answer is A or B.",
        "The answer is either A or B.",
        "The answer is A, B, and C.",
        "The answer is (A) and (C)",
        "Answer: A/B",
        r"\boxed{A} or \boxed{B}",
        r"\boxed{\text{A or B}}",
        r"\boxed{A, C}",
        "The answer is B? In the end the answer is either B or C.",
        "The correct option is not A.",
        "If option B is correct, so is C.",
        "We choose A to be the origin.",
        "The right triangle is B C D.",
        "A) 1\nB) 2\nC) 3",
        "The answer is 12.",
        "a",
    ],
)
def test_letters_come_from_statements_only(text: str) -> None:
    assert extract(text, "choice") is None


def test_a_benchmark_says_which_rules_apply() -> None:
    text = "The answer is 5.\n#### 6\n\\boxed{7} and \\boxed{8"
    assert [(found.answer, found.rule) for name in RULES if (found := extract(text, rules=[name]))] == [
        ("7", "boxed"),
        ("8", "unclosed box"),
        ("6", "####"),
        ("5", "answer phrase"),
        ("8", "last number"),
    ]
    assert extract("The answer is 5", "choice", rules=["answer phrase", "last number"]) is None
    assert extract("The answer is $\\boxed{5}$", rules=["answer phrase"]) == ("5", "answer phrase", (22, 23))
    assert extract(text, rules=[]) is None


def test_an_unknown_rule_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown rule 'box'; known are boxed list, boxed, .*, last number"):
        extract("\\boxed{7}", rules=["boxed", "box"])


def test_only_the_end_of_a_long_text_is_read() -> None:
    assert extract("#### 7" + "x" * MAX_READ) is None
    text = "x" * 3_000_000 + "\\boxed{7}"
    found = extract(text)
    assert found is not None
    assert text[slice(*found.span)] == "7"


def stands_in(text: str, answer: str, span: tuple[int, int], rule: str) -> bool:
    """Whether the span holds the answer: between braces and joints where it comes from several places."""
    place = text[slice(*span)]
    if "box" not in rule:
        return place.upper() == answer.upper()
    characters = iter(place)
    return all(character in characters for character in answer.replace(", ", ""))


@STEADY
@given(TEXTS, st.sampled_from(KINDS), st.none() | st.sets(st.sampled_from(RULES)))
def test_any_text_gives_a_stripped_answer_where_it_stands(text: str, kind: str, rules: set[str] | None) -> None:
    found = extract(text, kind, None if rules is None else sorted(rules))  # type: ignore[arg-type]
    if found is not None:
        assert found.answer
        assert found.answer == found.answer.strip()
        assert found.rule in (RULES if rules is None else rules)
        assert stands_in(text, found.answer, found.span, found.rule)
        if kind == "choice":
            assert found.answer in set("ABCDEFGHIJ")


@STEADY
@given(TEXTS, st.integers())
def test_the_last_box_wins(text: str, number: int) -> None:
    before = text.replace("<think>", "").replace("</think>", "")
    if before.count("{") == before.count("\\") == before.count("\x08") == 0:
        found = extract(f"{before} \\boxed{{{number}}}")
        assert found is not None
        assert (found.answer, found.rule) == (str(number), "boxed")


@STEADY
@given(TEXTS, st.text())
def test_what_is_thought_does_not_count(text: str, thought: str) -> None:
    found, after = extract(text), extract(f"{thought}</think>{text}")
    if "</think>" not in text:
        assert (found and found[:2]) == (after and after[:2])


FLOODS = [
    *r"\boxed{ \boxed{9} \boxed\frac{ \boxed[ { } {1} \ \\ $ $$ $x$ $5 $1,$ \( \[ \text{ <think> </think>".split(),
    *r"# #### #1, 1, 1. 1/ 111, 1: 1^ - √ ½ * ** \frac{1}{ ` ) ] answer answer, answer: Ans: p.m.".split(),
    *("\x00", "\ud800", " ", "\n", "\t\n", "( ", "Answer\n", "A:\n", "\nA: ", "#### ", "#### a\n", "#### Step one"),
    *(
        "\\boxed{9}, ",
        "answer is ",
        "answer is\n",
        "answer is $",
        "answer is not ",
        "answer is 5, and ",
        "answer is 5,     ",
    ),
    *("answer to ", "answer (", "(A) ", "A is ", "A or ", "option is ", "correct option "),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("piece", FLOODS)
def test_time_is_bounded_on_floods(piece: str, kind: str) -> None:
    text = "The answer is 5," + piece * (1_000_000 // len(piece))
    start = time.process_time()
    extract(text, kind)  # type: ignore[arg-type]
    assert time.process_time() - start < 5.0  # with time that grows as the square, a minute
