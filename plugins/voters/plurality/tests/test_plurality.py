"""The voters that count: who wins, with which weight, and when nothing can change it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge import Ballot, Sampling, SkillForgeError
from skillforge.registry import Registry
from skillforge.testing import check_voter
from skillforge.testing.voting import ballots
from skillforge_plurality_voters import BestOfNVoter, MajorityVoter, StoppingOptions, WeightedVoter, elect, is_decided
from skillforge_plurality_voters.stopping import chance_to_overtake
from skillforge_plurality_voters.weights import WeightOptions

MAJORITY, WEIGHTED, BEST = MajorityVoter(), WeightedVoter(), BestOfNVoter()


def weighed(*cast: tuple[str | None, list[dict[str, object]] | None]) -> list[Ballot]:
    """Ballots of samples with these log-probabilities."""
    return [
        msgspec.structs.replace(ballot, sample=msgspec.structs.replace(ballot.sample, logprobs=logprobs))
        for ballot, (_, logprobs) in zip(ballots(*(answer for answer, _ in cast)), cast, strict=True)
    ]


def scored(*cast: tuple[str | None, float | None]) -> list[Ballot]:
    found = ballots(*(answer for answer, _ in cast))
    return [msgspec.structs.replace(ballot, score=score) for ballot, (_, score) in zip(found, cast, strict=True)]


def tokens(*logprobs: float) -> list[dict[str, object]]:
    return [{"token": "x", "logprob": value, "top": {}} for value in logprobs]


def choices(*shares: Sequence[float]) -> list[dict[str, object]]:
    """One token a step, with the probabilities of its alternatives."""
    return [
        {"token": "a", "logprob": -1.0, "top": {str(at): math.log(p) for at, p in enumerate(step)}} for step in shares
    ]


# Who wins ----------------------------------------------------------------------------------------------------------


def test_the_most_frequent_answer_wins_and_says_by_how_much() -> None:
    vote = MAJORITY.vote(ballots("8", "7", None, "7", "9", "7"), StoppingOptions())
    assert vote is not None and (vote.answer, vote.supporters, vote.share) == ("7", (1, 3, 5), 0.6)


def test_equal_answers_are_one_and_are_written_as_the_first_of_them() -> None:
    vote = MAJORITY.vote(ballots("8", "8", "0.5", "1/2", "50%", groups=(0, 0, 1, 1, 1)), StoppingOptions())
    assert vote is not None and (vote.answer, vote.supporters) == ("0.5", (2, 3, 4))


@pytest.mark.parametrize(
    ("answers", "winner"),
    [(("7", "8"), "7"), (("8", "7", "7", "8"), "8"), ((None, "9", "8", "8", "9"), "9"), (("7", "8", "9"), "7")],
)
def test_of_equal_counts_the_answer_that_came_first_wins(answers: tuple[str | None, ...], winner: str) -> None:
    vote = MAJORITY.vote(ballots(*answers), StoppingOptions())
    assert vote is not None and vote.answer == winner


def test_confident_samples_outvote_a_majority() -> None:
    cast = weighed(("8", tokens(-2.0, -2.0)), ("8", tokens(-2.0)), ("7", tokens(-0.1, -0.3)), (None, None))
    vote = WEIGHTED.vote(cast, WeightOptions())
    assert vote is not None and (vote.answer, vote.supporters) == ("7", (2,))
    assert vote.share == pytest.approx(math.exp(-0.2) / (math.exp(-0.2) + 2 * math.exp(-2.0)))
    assert MAJORITY.vote(cast, StoppingOptions()).answer == "8"


def test_the_mean_of_a_sample_counts_so_that_long_ones_weigh_no_less() -> None:
    cast = weighed(("8", tokens(*[-0.5] * 100)), ("7", tokens(-0.6)))
    assert WEIGHTED.vote(cast, WeightOptions()).answer == "8"


def test_samples_that_waver_weigh_less() -> None:
    options = WeightOptions(weight="entropy")
    cast = weighed(("8", choices((0.5, 0.5), (0.5, 0.5))), ("7", choices((0.5, 0.5), (0.999, 0.001))))
    vote = WEIGHTED.vote(cast, options)
    # Two even choices have the entropy ln 2 at each step, so the weight 1/2.
    sure = math.exp(-(math.log(2) - 0.999 * math.log(0.999) - 0.001 * math.log(0.001)) / 2)
    assert vote.answer == "7" and vote.share == pytest.approx(sure / (sure + 0.5))
    unscaled = weighed(("8", choices((0.3, 0.3))), ("7", choices((0.5, 0.5))))
    assert WEIGHTED.vote(unscaled, options).share == pytest.approx(0.5)


def test_the_best_sample_decides_alone() -> None:
    cast = scored(("8", 0.6), ("8", 0.7), ("7", 0.9), (None, 1.0), ("9", 0.9))
    vote = BEST.vote(cast, WeightOptions(weight="score"))
    assert vote is not None and (vote.answer, vote.supporters, vote.share) == ("7", (2,), None)
    assert WEIGHTED.vote(cast, WeightOptions(weight="score")).answer == "8"


def test_weights_of_nothing_elect_the_first() -> None:
    vote = WEIGHTED.vote(scored(("8", 0.0), ("7", 0.0)), WeightOptions(weight="score"))
    assert (vote.answer, vote.share) == ("8", None)


@pytest.mark.parametrize("voter", [WEIGHTED, BEST])
@pytest.mark.parametrize(
    ("weight", "logprobs", "error"),
    [
        ("logprob", None, "sample 1 of the problem '1' has no log-probabilities; make the samples with --logprobs 0"),
        ("logprob", [], "has no log-probabilities"),
        ("logprob", [{"token": "x"}], "has no log-probabilities"),
        ("logprob", [{"token": "x", "logprob": float("nan")}], "has no log-probabilities"),
        ("logprob", [{"token": "x", "logprob": 3.0}], "has no log-probabilities"),
        ("entropy", tokens(-0.1), "no log-probabilities of alternative tokens; make the samples with --logprobs 5"),
        ("entropy", [{"token": "x", "top": {"x": -0.1}}], "no log-probabilities of alternative tokens"),
        ("entropy", [{"token": "x", "top": {"x": -0.1, "y": "z"}}], "no log-probabilities of alternative tokens"),
    ],
)
def test_a_missing_weight_is_an_error_that_names_the_sample(voter, weight, logprobs, error) -> None:
    good = choices((0.5, 0.5))
    with pytest.raises(SkillForgeError) as caught:
        voter.vote(weighed(("8", good), ("7", logprobs)), WeightOptions(weight=weight))
    assert error in str(caught.value)
    assert voter.vote(weighed(("8", good), (None, logprobs)), WeightOptions(weight=weight)).answer == "8"


@pytest.mark.parametrize("score", [None, float("nan"), float("inf"), -1.0])
def test_a_score_that_is_none_is_an_error(score: float | None) -> None:
    with pytest.raises(SkillForgeError, match="sample 0 of the problem '1' has no score"):
        BEST.vote(scored(("7", score)), WeightOptions(weight="score"))


def test_each_weight_asks_for_what_it_needs() -> None:
    asked = {weight: WEIGHTED.plan(WeightOptions(weight=weight)).sampling for weight in ("logprob", "entropy", "score")}
    assert asked == {"logprob": Sampling(logprobs=0), "entropy": Sampling(logprobs=5), "score": Sampling()}


# When it is decided ------------------------------------------------------------------------------------------------


def arrived(answers: Sequence[str | None], indices: Sequence[int]) -> list[Ballot]:
    """The ballots of the samples with these indices."""
    everything = ballots(*answers)
    return [everything[index] for index in sorted(indices)]


@pytest.mark.parametrize(
    ("answers", "there", "decided"),
    [
        ("77777", (0, 1, 2), True),
        ("77777", (0, 1), False),  # three others could follow
        ("7777", (0, 1), True),  # two others would be equal, and came later
        ("7777", (2, 3), False),  # two others would be equal, and came first
        ("7778", (0, 1, 3), True),  # 8 can be equal, and came later
        ("7778", (1, 2, 3), False),  # 8 can be equal, and first
        ("8777", (0, 1, 2), False),  # 8 came first, and can be equal
        ("8777", (0, 1, 2, 3), True),
        ("----", (0, 1, 2), False),
        ("----", (0, 1, 2, 3), True),
        ("7---", (0, 1, 2), True),  # one other would be equal, and came later
        ("-7--", (1, 2, 3), False),  # one other would be equal, and came first
    ],
)  # fmt: skip
def test_it_is_decided_when_no_other_answer_can_win(answers: str, there: tuple[int, ...], decided: bool) -> None:
    cast = arrived([None if answer == "-" else answer for answer in answers], there)
    assert is_decided(cast, len(answers) - len(there), StoppingOptions()) is decided


@pytest.mark.parametrize("indices", [(0, 1, 2), (1, 3), (2, 0), (3,), (1, 2, 3)])
def test_decided_is_exact(indices: tuple[int, ...]) -> None:
    """Of four samples of up to three answers, every one: decided if and only if all that may follow elect the same."""
    letters = ("7", "8", "9", None)
    for cast in product(letters, repeat=len(indices)):
        there = dict(zip(indices, cast, strict=True))
        missing = [index for index in range(4) if index not in there]
        winners = set()
        for rest in product(("7", "8", "9", "new", None), repeat=len(missing)):
            full = there | dict(zip(missing, rest, strict=True))
            vote = elect(ballots(*(full[index] for index in range(4))))
            winners.add(vote and vote.answer)
        answers = [there.get(index) for index in range(4)]
        decided = is_decided(arrived(answers, indices), len(missing), StoppingOptions())
        assert decided == (len(winners) == 1), (there, winners)


@given(
    st.lists(st.sampled_from(["7", "8", "9", "10", None]), min_size=1, max_size=24),
    st.randoms(use_true_random=False),
)
def test_without_risk_the_winner_is_that_of_the_full_vote_whatever_comes_first(
    answers: list[str | None], rng: random.Random
) -> None:
    full = elect(ballots(*answers))
    order = list(range(len(answers)))
    rng.shuffle(order)
    for made in range(1, len(order) + 1):
        cast = arrived(answers, order[:made])
        if is_decided(cast, len(order) - made, StoppingOptions()):
            early = elect(cast)
            assert (early and early.answer) == (full and full.answer)
            return
    raise AssertionError("a full vote is decided")


def test_the_switch_makes_all_samples() -> None:
    cast = ballots("7", "7", "7")
    assert is_decided(cast, 1, StoppingOptions())
    assert not is_decided(cast, 1, StoppingOptions(early_stop=False))
    assert not is_decided(cast, 1, StoppingOptions(early_stop=False, risk=0.5))
    assert is_decided(cast, 0, StoppingOptions(early_stop=False))


def test_the_chance_is_that_of_an_even_split_of_what_is_missing() -> None:
    rng = random.Random(0)
    lead, missing, draws = 2, 9, 200_000
    ties = more = 0
    for _ in range(draws):
        got = sum(rng.random() < 0.5 for _ in range(missing))
        more += got > lead + missing - got
        ties += got == lead + missing - got
    assert chance_to_overtake(lead, False, missing) == pytest.approx(more / draws, abs=0.005)
    assert chance_to_overtake(lead, True, missing) == pytest.approx((more + ties) / draws, abs=0.005)
    assert chance_to_overtake(5, True, 4) == 0.0
    assert chance_to_overtake(3, True, 3) == 1 / 8


@pytest.mark.parametrize("share", [0.5, 0.55, 0.6])
def test_a_stated_risk_is_kept_where_two_answers_are_close(share: float) -> None:
    rng, risk, votes = random.Random(1), 0.05, 1_500
    changed = 0
    for _ in range(votes):
        answers = ["a" if rng.random() < share else "b" for _ in range(24)]
        made = next(n for n in range(1, 25) if is_decided(ballots(*answers[:n]), 24 - n, StoppingOptions(risk=risk)))
        early, full = elect(ballots(*answers[:made])), elect(ballots(*answers))
        assert early and full
        changed += early.answer != full.answer
    assert changed / votes < risk


def test_risk_stops_sooner_and_the_more_the_sooner() -> None:
    def samples_made(risk: float) -> int:
        options = StoppingOptions(risk=risk)
        return next(made for made in range(1, 49) if is_decided(ballots(*["7"] * made), 48 - made, options))

    made = [samples_made(risk) for risk in (0.0, 0.001, 0.01, 0.05, 0.2)]
    assert made[0] == 24 and made == sorted(made, reverse=True) and made[-1] < 10


# The contract ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("voter", "options"),
    [
        (MAJORITY, {}), (MAJORITY, {"early_stop": False}), (WEIGHTED, {}), (WEIGHTED, {"weight": "score"}),
        (BEST, {}), (BEST, {"weight": "score"}),
    ],
    ids=str,
)  # fmt: skip
def test_contract(voter, options) -> None:
    results = check_voter(voter, options=options)
    assert all(result.state == "ok" for result in results)


def test_a_risk_that_is_too_high_is_found_by_the_contract_test() -> None:
    with pytest.raises(AssertionError, match="decide otherwise"):
        check_voter(MAJORITY, options={"risk": 0.9})


@pytest.mark.parametrize("name", ["majority", "weighted", "best-of-n"])
def test_they_are_found_by_their_entry_points(name: str) -> None:
    assert Registry().get("voter", name).name == name
