"""Worked examples, written for this package: none is from a benchmark."""

from __future__ import annotations

from skillforge import Problem

_WORKED = (
    (
        "Nora plants 4 rows of tulips with 7 bulbs in each row. Mice eat 5 of the bulbs. How many bulbs are left?",
        "Nora plants 4 * 7 = 28 bulbs. After the mice have eaten 5, there are 28 - 5 = 23 bulbs left.",
        "23",
    ),
    (
        "A ferry ticket costs $6 for an adult and half as much for a child. What do 2 adults and 3 children pay "
        "together?",
        "A child's ticket costs 6 / 2 = 3 dollars. The adults pay 2 * 6 = 12 dollars and the children pay 3 * 3 ="
        " 9 dollars. Together they pay 12 + 9 = 21 dollars.",
        "21",
    ),
    (
        "Omar reads 18 pages on Monday and twice as many on Tuesday. His book has 120 pages. How many are still "
        "unread?",
        "On Tuesday Omar reads 2 * 18 = 36 pages. In two days he reads 18 + 36 = 54 pages. There are 120 - 54 = "
        "66 pages still unread.",
        "66",
    ),
    (
        "A water tank holds 400 litres and is three quarters full. A garden takes 60 litres a day from it. After "
        "how many days is the tank empty?",
        "The tank starts with 400 * 3 / 4 = 300 litres. At 60 litres a day this lasts for 300 / 60 = 5 days.",
        "5",
    ),
    (
        "The angles of a triangle are in the ratio 2 : 3 : 4. How many degrees does the largest angle have?",
        "The ratio has 2 + 3 + 4 = 9 parts, and the angles of a triangle sum to 180 degrees, so one part is 180 /"
        " 9 = 20 degrees. The largest angle has 4 * 20 = 80 degrees.",
        "80",
    ),
    (
        "A coat costs $80. Its price rises by 25% and is then lowered by $15. What does the coat cost now, in dollars?",
        "A rise of 25% adds 80 * 25 / 100 = 20 dollars, so the price is 80 + 20 = 100 dollars. Lowered by 15, it "
        "is 100 - 15 = 85 dollars.",
        "85",
    ),
    (
        "What is the probability that two rolls of a fair die have the sum 4? Give a common fraction in lowest terms.",
        "Two rolls can end in 6 * 6 = 36 equally likely ways. The sum is 4 for (1, 3), (2, 2) and (3, 1), which "
        "are 3 ways. The probability is 3/36, which is 1/12 in lowest terms.",
        r"\frac{1}{12}",
    ),
    (
        "Find the positive number x for which x^2 - 5x = 24.",
        "The equation is x^2 - 5x - 24 = 0. The factors of -24 whose sum is -5 are -8 and 3, so (x - 8)(x + 3) = "
        "0, and x is 8 or -3. The positive one is 8.",
        "8",
    ),
)

EXAMPLES = tuple(
    Problem(id=f"chat-{number}", question=question, expected_answer=answer, reference_solution=solution)
    for number, (question, solution, answer) in enumerate(_WORKED, 1)
)
"""Eight examples, the plainest first."""
