"""Tally: takes graded samples one by one, in any order, and sums them up."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from math import fsum, isfinite
from statistics import stdev

from skillforge.metrics.compact import FewNames, Names
from skillforge.metrics.estimators import ks, maj_at_k, pass_at_k
from skillforge.metrics.intervals import estimate
from skillforge.metrics.order import natural
from skillforge.metrics.outcome import Outcome
from skillforge.metrics.summary import AtK, Repeats, SubsetRow, Summary
from skillforge.metrics.tool_tally import ToolTally
from skillforge.metrics.usage import Usage

Ballot = tuple[tuple[tuple[int, bool], ...], int]
"""How one problem's graded samples voted: (votes, correct) of each class of equal answers, and the abstentions."""

Grouping = Callable[[Sequence[str]], Sequence[int]]
"""A grader's equivalence: distinct answers -> class numbers, same length and order."""

Profile = tuple[str | None, ...]
"""A sample's value in each subset field."""

Subset = tuple[int, str]
"""(number of the field, value)."""

_STATES = {"correct": 0, "wrong": 1, "no-answer": 2, "error": 3}
_CORRECT, _WRONG, _NO_ANSWER, _ERROR = range(4)
_SILENT = -1

_NUMBER = re.compile(r"(?<!\d)(?<!HTTP )\d+")


class Tally:
    """Collects outcomes in about 40 bytes a sample, 8 an execution of code, and 40 for each problem and different answer
    besides their text.

    Give each sample (problem id, index) once. `subset_fields` are the fields of `Outcome.subsets` that accuracy is
    broken down by.
    """

    def __init__(self, subset_fields: Sequence[str] = ()) -> None:
        self._fields = tuple(dict.fromkeys(subset_fields))
        self._problems, self._answers = Names(), Names()
        self._profiles: dict[Profile, int] = {}
        # One entry a sample in each of these: numbers of problem, state, subset values, answer.
        self._problem, self._state, self._profile, self._answer = array("i"), array("b"), array("i"), array("i")
        self._repeats: dict[int, list[int]] = {}
        self._truncated = 0
        self._scores = array("d")
        self._usage = Usage()
        self._tools = ToolTally()
        self._finish_reasons = FewNames()
        self._errors = FewNames(longest=200, kind=_without_numbers)

    def add(self, outcome: Outcome) -> None:
        """Take one graded sample in: a few microseconds, whatever has come before."""
        state = _STATES[outcome.state]
        profile = tuple(outcome.subsets.get(field) for field in self._fields)
        votes = state in (_CORRECT, _WRONG) and outcome.answer is not None
        self._problem.append(self._problems.number(outcome.problem_id))
        self._state.append(state)
        self._profile.append(self._profiles.setdefault(profile, len(self._profiles)))
        self._answer.append(self._answers.number(outcome.answer or "") if votes else _SILENT)
        repeat = self._repeats.setdefault(outcome.index, [0, 0])
        repeat[0] += state == _CORRECT
        repeat[1] += state != _ERROR
        self._truncated += outcome.truncated
        if state != _ERROR and outcome.score is not None and isfinite(outcome.score):
            self._scores.append(outcome.score)
        self._usage.add(outcome)
        if outcome.tools is not None:
            self._tools.add(outcome.tools)
        if outcome.finish_reason is not None:
            self._finish_reasons.add(outcome.finish_reason)
        if outcome.error is not None:
            self._errors.add(outcome.error)

    def summary(
        self, group: Grouping | None = None, wall_seconds: float | None = None, *, stopped: bool = False
    ) -> Summary:
        """The metrics of all outcomes so far; may be called again later.

        `group` tells which distinct answers of one problem are equal, for maj@k; None compares them as strings. It is
        asked only for problems with two or more, the most frequent answer first. A class of equal answers counts as
        correct if more than half of its samples were graded correct. `wall_seconds` is the time that the run took.

        `stopped`: samples may have been left out where a vote was decided. Then those with many samples are the hard problems:
        k goes up to the fewest that any problem has, and repeats are told where all have the same number.
        """
        samples, states = len(self._state), Counter(self._state)
        graded = samples - states[_ERROR]
        grades: Counter[tuple[int, int]] = Counter()
        ballots: Counter[Ballot] = Counter()
        rows: dict[Subset, Counter[tuple[int, int, int]]] = {}
        profiles, most, fewest = list(self._profiles), 0, 0
        for members in self._by_problem():
            grades[self._grade(members)[:2]] += 1
            ballots[self._ballot(members, group)] += 1
            most, fewest = max(most, len(members)), min(fewest or len(members), len(members))
            for subset, chosen in self._by_subset(members, profiles).items():
                rows.setdefault(subset, Counter())[self._grade(chosen)] += 1
        together = ks(fewest if stopped else most)
        nothing_to_vote_on = not len(self._answers) and states[_CORRECT] + states[_WRONG] > 0
        return Summary(
            problems=len(self._problems),
            samples=samples,
            samples_per_problem=most,
            correct=states[_CORRECT],
            wrong=states[_WRONG],
            no_answer=states[_NO_ANSWER],
            error=states[_ERROR],
            truncated=self._truncated,
            accuracy=estimate(grades.elements()),
            no_answer_rate=states[_NO_ANSWER] / graded if graded else None,
            error_rate=states[_ERROR] / samples if samples else None,
            truncation_rate=self._truncated / samples if samples else None,
            mean_score=fsum(self._scores) / len(self._scores) if self._scores else None,
            pass_at={str(k): _pass_at(grades, k) for k in together},
            maj_at={} if nothing_to_vote_on else {str(k): _maj_at(ballots, k) for k in together},
            repeats=Repeats({}, None, None) if stopped and fewest < most else self._repeat_accuracy(),
            subsets=self._subsets(rows),
            tokens=self._usage.tokens(),
            latency=self._usage.latency(),
            throughput=self._usage.throughput(samples, wall_seconds),
            tools=self._tools.use(samples),
            finish_reasons=self._finish_reasons.counts(),
            errors=self._errors.counts(),
        )

    def _by_problem(self) -> Iterator[Sequence[int]]:
        """The numbers of each problem's samples: a counting sort."""
        sizes = array("i", bytes(4 * len(self._problems)))
        for problem in self._problem:
            sizes[problem] += 1
        ends = array("i", accumulate(sizes))
        order = array("i", bytes(4 * len(self._problem)))
        ahead = array("i", ends)
        for sample in range(len(self._problem) - 1, -1, -1):
            problem = self._problem[sample]
            ahead[problem] -= 1
            order[ahead[problem]] = sample
        for start, end in zip(ahead, ends, strict=True):
            yield order[start:end]

    def _by_subset(self, members: Sequence[int], profiles: Sequence[Profile]) -> dict[Subset, list[int]]:
        chosen: dict[Subset, list[int]] = {}
        for sample in members if self._fields else ():
            for field, value in enumerate(profiles[self._profile[sample]]):
                if value is not None:
                    chosen.setdefault((field, value), []).append(sample)
        return chosen

    def _grade(self, members: Sequence[int]) -> tuple[int, int, int]:
        """Of some samples of a problem: how many are correct, graded, there at all."""
        states = [self._state[sample] for sample in members]
        return states.count(_CORRECT), len(states) - states.count(_ERROR), len(states)

    def _ballot(self, members: Sequence[int], group: Grouping | None) -> Ballot:
        votes: dict[int, list[int]] = {}
        abstentions = 0
        for sample in members:
            if (answer := self._answer[sample]) != _SILENT:
                count = votes.setdefault(answer, [0, 0])
                count[0] += 1
                count[1] += self._state[sample] == _CORRECT
            elif self._state[sample] != _ERROR:
                abstentions += 1
        classes: Iterable[list[int]] = votes.values()
        if group is not None and len(votes) > 1:
            classes = self._merged(votes, group)
        return tuple(sorted((number, 2 * right > number) for number, right in classes)), abstentions

    def _merged(self, votes: dict[int, list[int]], group: Grouping) -> Iterable[list[int]]:
        # Sorted, so that a grader whose equality is not transitive gives the same result in any order of arrival.
        listed = sorted((-count[0], self._answers[answer], count) for answer, count in votes.items())
        numbers = group([answer for _, answer, _ in listed])
        if len(numbers) != len(listed):
            raise ValueError(f"the grouping gave {len(numbers)} class numbers for {len(listed)} answers")
        merged: dict[int, list[int]] = {}
        for number, (_, _, count) in zip(numbers, listed, strict=True):
            total = merged.setdefault(number, [0, 0])
            total[0] += count[0]
            total[1] += count[1]
        return merged.values()

    def _repeat_accuracy(self) -> Repeats:
        accuracy = {
            str(index): right / graded if graded else None for index, (right, graded) in sorted(self._repeats.items())
        }
        known = [value for value in accuracy.values() if value is not None]
        return Repeats(accuracy, fsum(known) / len(known) if known else None, stdev(known) if len(known) > 1 else None)

    def _subsets(self, rows: dict[Subset, Counter[tuple[int, int, int]]]) -> dict[str, dict[str, SubsetRow]]:
        found: dict[str, dict[str, SubsetRow]] = {field: {} for field in self._fields}
        for field, value in sorted(rows, key=lambda subset: (subset[0], natural(subset[1]))):
            row = rows[field, value]
            found[self._fields[field]][value] = SubsetRow(
                problems=row.total(),
                samples=sum(size * times for (_, _, size), times in row.items()),
                accuracy=estimate((right, graded) for right, graded, _ in row.elements()),
            )
        return found


def _without_numbers(error: str) -> str:
    return _NUMBER.sub("#", error)


def _pass_at(grades: Counter[tuple[int, int]], k: int) -> AtK:
    values = [(pass_at_k(graded, right, k), times) for (right, graded), times in grades.items() if graded >= k]
    return _at_k(values, grades.total())


def _maj_at(ballots: Counter[Ballot], k: int) -> AtK:
    values = [
        (maj_at_k(classes, k, abstentions), times)
        for (classes, abstentions), times in ballots.items()
        if sum(votes for votes, _ in classes) + abstentions >= k
    ]
    return _at_k(values, ballots.total())


def _at_k(values: Sequence[tuple[float, int]], problems: int) -> AtK:
    found = estimate((value, 1) for value, times in values for _ in range(times))
    return AtK(found.value, found.n, problems - found.n, found.low, found.high)
