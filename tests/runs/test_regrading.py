"""Verdicts of a grading under way."""

from __future__ import annotations

from pathlib import Path

import pytest

from skillforge import Problem, Sample, SkillForgeError, Verdict
from skillforge.runs.directory import RunDirectory, VerdictRow
from skillforge.runs.manifest import Manifest
from skillforge.runs.regrading import Regrading


def sample(problem: str) -> Sample:
    return Sample(benchmark="b", split="s", problem=Problem(id=problem, question="?"), sample_index=0)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    with RunDirectory.writing(tmp_path / "run", Manifest(command="eval", settings={}, resolved={}, identity={})) as run:
        with run.sample_log() as log:
            for problem in "abc":
                log.append(sample(problem))
        return run


def judge(regrading: Regrading, *problems: str) -> None:
    with regrading.log() as log:
        for problem in problems:
            log.append(VerdictRow.of(sample(problem), Verdict(state="correct")))


def test_what_is_there_comes_with_its_samples_and_takes_the_place_of_the_old_when_done(run: RunDirectory) -> None:
    judge(Regrading(run, ["grader", 1]), "a", "b")
    regrading, samples = Regrading(run, ["grader", 1]), run.samples()
    assert [(each.problem.id, verdict.state) for each, verdict in regrading.verdicts(samples)] == [
        ("a", "correct"),
        ("b", "correct"),
    ]
    assert [each.problem.id for each in samples] == ["c"]
    judge(regrading, "c")
    assert run.verdicts() == {}
    regrading.finish()
    assert [key.problem_id for key in run.verdicts()] == ["a", "b", "c"]
    assert not list(run.path.glob("verdicts.partial-*"))


def test_another_grader_and_other_samples_start_anew(run: RunDirectory) -> None:
    judge(Regrading(run, ["grader", 1]), "a")
    assert not list(Regrading(run, ["grader", 2]).verdicts(run.samples()))
    changed = run.samples_path.read_bytes().replace(b'"a"', b'"z"')
    run.samples_path.write_bytes(changed)  # of the same size
    assert not list(Regrading(run, ["grader", 1]).verdicts(run.samples()))
    other = Regrading(run, ["grader", 2])
    judge(other, "z", "b", "c")
    other.finish()
    assert not list(run.path.glob("verdicts.partial-*"))


def test_without_a_verdict_nothing_is_left(run: RunDirectory) -> None:
    regrading = Regrading(run, [])
    with pytest.raises(SkillForgeError, match="no server"), regrading.log():
        raise SkillForgeError("no server")
    assert not regrading.path.exists()


@pytest.mark.parametrize("problems", ["b", "acb", "abcd"])
def test_verdicts_on_other_samples_are_refused_by_line(run: RunDirectory, problems: str) -> None:
    regrading = Regrading(run, [])
    judge(regrading, *problems)
    with pytest.raises(SkillForgeError, match=r"jsonl:\d: not the verdict on sample \d; remove the file"):
        list(regrading.verdicts(run.samples()))
