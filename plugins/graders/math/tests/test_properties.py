"""What holds for any two answers."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skillforge_math_grader import check, extract
from skillforge_math_grader.policy import POLICIES, PRESETS

_spec = importlib.util.spec_from_file_location("strategies", Path(__file__).with_name("strategies.py"))
assert _spec and _spec.loader
strategies = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(strategies)

ANY = strategies.TEXTS | strategies.FRAGMENTS
OUTCOMES = ("equal", "different", "undecided")
quick = settings(max_examples=150, deadline=None)


@quick
@given(ANY, ANY)
def test_any_pair_has_a_verdict_and_the_same_one_both_ways(one: str, two: str) -> None:
    there, back = check(one, two), check(two, one)
    assert there.outcome in OUTCOMES and there.reason and there.stage != "fault"
    assert there.equal == back.equal or "rounding" in (there.stage, back.stage)
    assert check(one, two) == there


@quick
@given(ANY, st.sampled_from(sorted({*POLICIES, *PRESETS})))
def test_any_text_equals_itself_under_policies_that_compare_values(text: str, policy: str) -> None:
    verdict = check(text, text, policy)
    assert verdict.outcome in OUTCOMES
    if policy in POLICIES:
        assert verdict.equal
        assert check(text, f" {text} ", policy).equal


@quick
@given(st.text(alphabet="0123456789xyz+-=/", min_size=1, max_size=20))
def test_no_answer_equals_the_empty_one(text: str) -> None:
    assert not check(text, "").equal
    assert not check("", text).equal


@quick
@given(st.integers(-(10**12), 10**12), st.data())
def test_an_integer_is_the_same_in_all_spellings(value: int, data: st.DataObject) -> None:
    one, two = (data.draw(st.sampled_from(strategies.integers_spelled(value))) for _ in range(2))
    assert check(one, two).equal


@quick
@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), st.data())
def test_different_integers_are_different_in_all_spellings(a: int, b: int, data: st.DataObject) -> None:
    assume(a != b)
    one = data.draw(st.sampled_from(strategies.integers_spelled(a)))
    two = data.draw(st.sampled_from(strategies.integers_spelled(b)))
    assert check(one, two).outcome == "different"


@quick
@given(st.fractions(max_denominator=999), st.fractions(max_denominator=999), st.data())
def test_fractions_are_equal_where_their_values_are(a: Fraction, b: Fraction, data: st.DataObject) -> None:
    assume(abs(a) < 10**6 and abs(b) < 10**6)
    one = data.draw(st.sampled_from(strategies.fractions_spelled(a)))
    same = data.draw(st.sampled_from(strategies.fractions_spelled(a)))
    other = data.draw(st.sampled_from(strategies.fractions_spelled(b)))
    assert check(one, same).equal
    assert check(one, other).equal == (a == b)


@quick
@given(st.decimals(-(10**9), 10**9, places=6), st.decimals(-(10**9), 10**9, places=6))
def test_decimals_are_exact(a: object, b: object) -> None:
    assert check(f"{a:f}", f"{b:f}").equal == (a == b)


@quick
@given(st.lists(st.integers(-99, 99), min_size=2, max_size=6), st.randoms())
def test_lists_have_no_order_and_tuples_have_one(items: list[int], random: object) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    bare, other = ", ".join(map(str, items)), ", ".join(map(str, shuffled))
    assert check(bare, other).equal
    assert check(f"\\{{{bare}\\}}", other).equal == (len(set(items)) == len(items) or check(bare, other).equal)
    assert check(f"({bare})", f"({other})").equal == (items == shuffled)
    assert not check(bare, other + ", 100").equal


@quick
@given(st.integers(-99, 99), st.integers(1, 99), st.booleans(), st.booleans())
def test_an_interval_is_its_inequality(low: int, width: int, left: bool, right: bool) -> None:
    high = low + width
    interval = f"{'[' if left else '('}{low}, {high}{']' if right else ')'}"
    less = {True: r"\le", False: "<"}
    assert check(interval, f"{low} {less[left]} x {less[right]} {high}").equal
    assert not check(interval, f"{low} {less[not left]} x {less[right]} {high}").equal
    assert not check(interval, f"{low} {less[left]} x {less[right]} {high + 1}").equal


@settings(max_examples=200, deadline=None)
@given(strategies.TREES)
def test_an_expression_is_the_same_in_latex_and_in_python(tree: strategies.Tree) -> None:
    try:
        tree.value(strategies.POINTS[0])
    except ZeroDivisionError:
        assume(False)
    verdict = check(tree.latex(), tree.python())
    assert verdict.equal, (tree.latex(), tree.python(), verdict)


@settings(max_examples=200, deadline=None)
@given(strategies.TREES, st.integers(0, 7), strategies.LEAVES)
def test_an_expression_with_another_leaf_is_different_if_its_value_is(
    tree: strategies.Tree, at: int, leaf: strategies.Tree
) -> None:
    changed, _ = tree.with_leaf(at, leaf)
    try:
        values = [(tree.value(point), changed.value(point)) for point in strategies.POINTS]
    except ZeroDivisionError:
        assume(False)
    equal = all(a == b for a, b in values)
    verdict = check(tree.latex(), changed.python())
    assert verdict.equal == equal, (tree.latex(), changed.python(), verdict)


@quick
@given(ANY)
def test_an_answer_is_found_where_it_is_said_to_stand(text: str) -> None:
    found = extract(text)
    if found is not None:
        start, end = found.span
        assert 0 <= start <= end <= len(text)


def test_verdicts_do_not_depend_on_hash_seeds() -> None:
    pairs = [
        ("{1,2,3}", "{3,2,1}"),
        ("sinx", r"\sin x"),
        ("x+y", "y+x"),
        ("12 cm", "0.12 m"),
        (r"\pm 2", "2, -2"),
        ("a b c", "c b a"),
    ]
    code = (
        "import json, sys; from skillforge_math_grader import check, group\n"
        "pairs = json.loads(sys.argv[1])\n"
        "print(json.dumps([[check(*p).outcome, check(*p).stage, check(*p).reason] for p in pairs] + [group(sum(pairs, []))]))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, json.dumps(pairs)],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    "bad", ["x" * 1_000_000, "(" * 100_000, "7" * 100_000, "\\frac" * 20_000, "1+" * 50_000, "$" * 100_000]
)
def test_size_is_no_fault(bad: str) -> None:
    assert not check("5", bad).equal
    assert not check(bad, "5").equal
    assert check(bad, bad).equal


def test_sympy_contradicts_no_verdict() -> None:
    """The start of the list that `bench/grading_fuzz.py` goes on with for as long as one likes."""
    command = Path(__file__).parents[4] / "bench" / "grading_fuzz.py"
    done = subprocess.run(
        [sys.executable, str(command), "--pairs", "200", "--seed", "1"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    equal, different = (
        int(line.split()[0].replace(",", ""))
        for verdict in ("equal, judged equal", "different, judged different")
        for line in done.stdout.splitlines()
        if line.endswith(verdict)
    )
    assert equal + different > 150
