"""`skillforge vote`: over stored runs, with what it writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import skillforge

from skillforge.runs.directory import RunDirectory
from skillforge.runs.lock import run_lock

SUMS = ("eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--seed", 1, "--quiet")

pytestmark = pytest.mark.usefixtures("scripted")


@pytest.fixture
def run() -> Path:
    ended = skillforge(*SUMS, "--repeats", 5, "--out", "run")
    assert ended.code == 0, ended.err
    return Path("run")


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def voted(*arguments: object, code: int = 0) -> Any:
    ended = skillforge("vote", "run", "--json", *arguments)
    assert ended.code == code, ended.err
    return json.loads(ended.out)


def majority(path: Path, samples: int = 5) -> dict[str, tuple[str, list[int]]]:
    """Problem -> its most frequent answer and who gives it, of equals the first, counted by hand."""
    answers: dict[str, dict[int, str]] = {}
    for row in rows(path / "verdicts.jsonl"):
        answers.setdefault(row["problem_id"], {})[row["sample_index"]] = row["answer"]
    found = {}
    for problem, given in answers.items():
        listed = [given[index] for index in sorted(given)][:samples]
        winner = max(listed, key=listed.count)
        found[problem] = (winner, [index for index, answer in enumerate(listed) if answer == winner])
    return found


def test_the_majority_of_a_stored_run(run: Path) -> None:
    before = {name: (run / name).read_bytes() for name in ("samples.jsonl", "verdicts.jsonl", "run.json")}
    result = voted()
    found = {row["problem_id"]: (row["answer"], row["supporters"]) for row in rows(run / "votes.jsonl")}
    assert found == majority(run) and len(found) == 12
    right = sum(row["state"] == "correct" for row in rows(run / "votes.jsonl"))
    assert result["vote"]["accuracy"]["value"] == right / 12 and result["vote"]["accuracy"]["method"] == "wilson"
    assert right / 12 > result["accuracy"]["value"]  # three samples of four are right: a vote is right more often
    assert result["vote"]["voter"].startswith("majority ") and result["vote"]["ballots_mean"] == 5
    assert result["run_voter"] is None
    assert {name: (run / name).read_bytes() for name in before} == before
    assert json.loads((run / "summary.json").read_text())["vote"] == result["vote"]


def test_a_vote_over_the_first_samples_replaces_the_one_before(run: Path) -> None:
    voted()
    result = voted("--samples", 3)
    assert result["vote"]["ballots_mean"] == 3
    found = {row["problem_id"]: (row["answer"], row["supporters"]) for row in rows(run / "votes.jsonl")}
    assert found == majority(run, 3)


def test_the_table_sets_the_vote_beside_single_samples(run: Path) -> None:
    ended = skillforge("vote", run, "--voter", "sc-tir", "-o", "voter.require_code=false")
    assert ended.code == 0, ended.err
    assert "Votes over run" in ended.out and "single samples" in ended.out
    assert "vote: sc-tir" in ended.out and "require_code=false" in ended.out


def test_a_voter_for_whom_no_answer_counts_says_so(run: Path) -> None:
    ended = skillforge("vote", run, "--voter", "sc-tir")
    assert ended.code == 0 and "no answer counts for the voter 'sc-tir'" in ended.err
    assert "no answer counts" not in skillforge("vote", run).err


def test_another_voter_over_a_run_that_had_one() -> None:
    voter = ("--voter", "majority", "-o", "voter.early_stop=false")
    assert skillforge(*SUMS, "--repeats", 5, "--out", "run", *voter).code == 0
    online = {row["problem_id"]: (row["answer"], row["supporters"]) for row in rows(Path("run/votes.jsonl"))}
    assert online == majority(Path("run"))
    result = voted("--voter", "sc-tir", "-o", "voter.require_code=false", "-o", "voter.modulo=10")
    assert result["run_voter"].endswith(":majority") and result["vote"]["voter"].startswith("sc-tir")
    found = {row["problem_id"]: row["answer"] for row in rows(Path("run/votes.jsonl"))}
    assert found["test-7"] == "5" and set("".join(found.values())) <= set("0123456789")
    assert "made with the voter skillforge-plurality-voters:majority" in skillforge("vote", "run").out


def test_a_sample_in_error_abstains_and_a_problem_without_any_is_no_vote() -> None:
    refused = ("-o", "backend.refuse=What is 3 + 4?")
    assert skillforge(*SUMS, "--repeats", 3, "--out", "run", *refused).code == 3
    result = voted(code=3)
    assert result["vote"]["error"] == 1 and result["vote"]["accuracy"]["n"] == 11
    (lost,) = (row for row in rows(Path("run/votes.jsonl")) if row["state"] == "error")
    assert (lost["problem_id"], lost["reason"]) == ("test-3", "no sample could be judged")


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("--voter", "majorty"), 2, "unknown voter 'majorty'; did you mean 'majority'?"),
        (("--voter", ""), 2, "--voter names no voter"),
        (("-o", "voter.rsk=1"), 2, "unknown option 'voter.rsk'; did you mean 'risk'?"),
        (("-o", "grader.policy=x"), 2, "'grader' does not vote; set options of the voter"),
        (("-o", "voter.risk=0.05"), 2, "voter.risk says how samples are made"),
        (("--voter", "sc-tir", "-o", "voter.n=4"), 2, "voter.n says how samples are made"),
        (("--samples", "1"), 2, "--samples"),
        (("--voter", "weighted"), 1, "has no log-probabilities; make the samples with --logprobs 0"),
        (("--voter", "genselect"), 2, "no model is named that chooses; name it with -o voter.model=NAME"),
    ],
)
def test_what_cannot_work_is_one_clear_line(run: Path, arguments: tuple[str, ...], code: int, error: str) -> None:
    ended = skillforge("vote", run, *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert error in ended.err and ended.err.count("\n") <= 2
    assert not (run / "votes.jsonl").exists()


def test_one_sample_of_each_problem_is_no_electorate() -> None:
    assert skillforge(*SUMS, "--out", "run").code == 0
    ended = skillforge("vote", "run")
    assert ended.code == 2
    assert "run has one sample of each problem to vote on; make more of them with --repeats" in ended.err


def test_samples_without_verdicts_are_to_be_graded_first(run: Path) -> None:
    verdicts = (run / "verdicts.jsonl").read_text().splitlines(keepends=True)
    for left in (verdicts[:-1], []):
        (run / "verdicts.jsonl").write_text("".join(left))
        ended = skillforge("vote", run)
        assert ended.code == 1
        assert "run has samples without a verdict; judge them: skillforge grade run" in ended.err
    (run / "samples.jsonl").write_text("")
    assert "run has no samples" in skillforge("vote", run).err


def test_samples_that_are_gone_are_missed(run: Path) -> None:
    samples = (run / "samples.jsonl").read_text().splitlines(keepends=True)
    (run / "samples.jsonl").write_text("".join(samples[:-1]))
    assert "samples.jsonl lacks samples that have verdicts" in skillforge("vote", run).err


def test_a_grader_that_names_no_answers_leaves_nothing_to_vote_on(run: Path) -> None:
    path = run / "verdicts.jsonl"
    path.write_text("".join(json.dumps({**row, "answer": None}) + "\n" for row in rows(path)))
    ended = skillforge("vote", run)
    assert ended.code == 2 and "names no answers, so there is nothing to vote on" in ended.err


def test_a_run_that_somebody_writes_is_left_alone(run: Path) -> None:
    with run_lock(run):
        ended = skillforge("vote", run)
    assert ended.code == 1 and "is in use by process" in ended.err
    assert RunDirectory.open(run).manifest.state == "finished"
