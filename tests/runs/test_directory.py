"""The run directory: one writer, one configuration, and the last attempt counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillforge import Problem, Sample, SkillForgeError, UsageError, Verdict
from skillforge.parts.transcript import Segment, Transcript
from skillforge.runs.directory import RunDirectory, VerdictRow, list_runs, new_run_path
from skillforge.runs.manifest import Manifest, differences, read_manifest

HOLD = """
import sys
from pathlib import Path
from skillforge.runs.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def manifest(**identity: Any) -> Manifest:
    return Manifest(command="eval", settings={"set": 1}, resolved={}, identity=identity)


def sample(problem: str, index: int = 0, *, text: str = "", state: Any = "done") -> Sample:
    return Sample(
        benchmark="b",
        split="s",
        problem=Problem(id=problem, question="?"),
        sample_index=index,
        state=state,
        transcript=Transcript((Segment("text", text),)),
    )


def make(path: Path, *samples: Sample, **identity: Any) -> RunDirectory:
    with RunDirectory.writing(path, manifest(**identity)) as run:
        run.save_manifest()
        with run.sample_log() as log:
            for each in samples:
                log.append(each)
    return run


def test_a_run_is_read_back_as_written(tmp_path: Path) -> None:
    make(tmp_path / "run", sample("a", text="x"), sample("a", 1, text="y"), top_p=0.5)
    run = RunDirectory.open(tmp_path / "run")
    assert run.manifest.identity == {"top_p": 0.5}
    assert [(each.key, each.transcript.answer_text) for each in run.samples()] == [(("a", 0), "x"), (("a", 1), "y")]


def test_of_a_sample_that_was_tried_again_the_last_attempt_counts(tmp_path: Path) -> None:
    run = make(
        tmp_path / "run",
        sample("a", state="error", text="first"),
        sample("b", text="b"),
        sample("a", state="error", text="second"),
        sample("a", text="third"),
        sample("c", state="error", text="only"),
    )
    found = {each.problem.id: each.transcript.answer_text for each in run.samples()}
    assert found == {"b": "b", "a": "third", "c": "only"}
    assert len(list(run.samples())) == run.count_samples() == 3


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1), st.booleans()), max_size=12))
def test_one_sample_for_each_key_whatever_was_retried(
    tmp_path_factory: pytest.TempPathFactory, attempts: list[tuple[str, int, bool]]
) -> None:
    done: dict[tuple[str, int], int] = {}
    written, last = [], {}
    for number, (problem, index, works) in enumerate(attempts):
        if (problem, index) in done:
            continue  # nobody tries a sample again that has an answer
        written.append(sample(problem, index, text=str(number), state="done" if works else "error"))
        last[problem, index] = str(number)
        if works:
            done[problem, index] = number
    run = make(tmp_path_factory.mktemp("runs") / "run", *written)
    found = [(tuple(each.key), each.transcript.answer_text) for each in run.samples()]
    assert len(found) == len(last) and dict(found) == last


def test_the_last_verdict_counts(tmp_path: Path) -> None:
    run = make(tmp_path / "run", sample("a"))
    with run.verdict_log() as log:
        log.append(VerdictRow.of(sample("a"), Verdict(state="error", reason="no answer")))
        log.append(VerdictRow.of(sample("a"), Verdict(state="correct", answer="1", score=0.5)))
    verdict = run.verdicts()[sample("a").key]
    assert (verdict.state, verdict.answer, verdict.score, verdict.reason) == ("correct", "1", 0.5, None)


def test_the_same_configuration_continues(tmp_path: Path) -> None:
    make(tmp_path / "run", stop=("a", "b"), n=1, sub={"x": (1, 2)})
    created = read_manifest(tmp_path / "run").created_at
    with RunDirectory.writing(tmp_path / "run", manifest(stop=("a", "b"), n=1.0, sub={"x": [1, 2]})) as run:
        assert run.manifest.created_at == created
        assert run.manifest.state == "running"


def test_another_configuration_is_refused_with_the_differences(tmp_path: Path) -> None:
    make(tmp_path / "run", sampling={"temperature": 0.0, "seed": 1}, limit=5)
    before = {item.name: item.read_bytes() for item in (tmp_path / "run").iterdir() if item.name != "run.lock"}
    with (
        pytest.raises(UsageError, match=r"limit: 5 -> null; sampling\.temperature: 0\.0 -> 0\.7") as caught,
        RunDirectory.writing(tmp_path / "run", manifest(sampling={"temperature": 0.7, "seed": 1}, limit=None)),
    ):
        pass
    assert "seed" not in str(caught.value)
    assert before == {item.name: item.read_bytes() for item in (tmp_path / "run").iterdir() if item.name != "run.lock"}


def test_differences_of_nested_settings() -> None:
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": "x"}) == ["a.c: 2 -> 3", 'd: null -> "x"']
    assert differences({"a": [1]}, {"a": [1]}) == []


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with (
        pytest.raises(UsageError, match=r"not a run and not empty \(it holds thesis\.tex\)"),
        RunDirectory.writing(tmp_path, manifest()),
    ):
        pass


def test_a_run_killed_before_it_had_a_manifest_starts_anew(tmp_path: Path) -> None:
    (tmp_path / "run.lock").touch()
    (tmp_path / ".run.json.abc123").write_bytes(b'{"for')
    with RunDirectory.writing(tmp_path, manifest()) as run:
        run.save_manifest()
    assert read_manifest(tmp_path).command == "eval"


def test_a_second_process_is_refused_with_the_first_ones_id(tmp_path: Path) -> None:
    make(tmp_path / "run", sample("a"))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(SkillForgeError, match=rf"in use by process {holder.pid}\b"),
            RunDirectory.writing(tmp_path / "run", manifest()),
        ):
            pass
        assert len(list(RunDirectory.open(tmp_path / "run").samples())) == 1  # reading needs no lock
        holder.kill()
        holder.wait()
        with RunDirectory.open(tmp_path / "run").locked():  # the lock died with its holder
            pass


def test_a_new_run_without_samples_is_discarded(tmp_path: Path) -> None:
    with RunDirectory.writing(tmp_path / "run", manifest()) as run:
        run.save_manifest()
        run.verdict_log().close()
        run.sample_log().close()
        assert run.discard_if_empty()
    assert not (tmp_path / "run").exists()


def test_a_run_with_samples_or_with_a_past_is_not_discarded(tmp_path: Path) -> None:
    with RunDirectory.writing(tmp_path / "run", manifest()) as run:
        run.save_manifest()
        with run.sample_log() as log:
            log.append(sample("a"))
        assert not run.discard_if_empty()
    make(tmp_path / "old")
    with RunDirectory.writing(tmp_path / "old", manifest()) as run:
        assert not run.discard_if_empty()
    assert read_manifest(tmp_path / "old").command == "eval"


@pytest.mark.parametrize(
    ("content", "kind", "told"),
    [
        (None, UsageError, "is not a run"),
        (b"{", SkillForgeError, "not a valid manifest"),
        (b"{}", SkillForgeError, "missing required field"),
        (b"\xff", SkillForgeError, "not a valid manifest"),
    ],
)
def test_what_is_no_run_is_told(tmp_path: Path, content: bytes | None, kind: type[SkillForgeError], told: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(kind, match=told):
        RunDirectory.open(tmp_path)


def test_a_file_in_place_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(UsageError, match="is not a folder"):
        RunDirectory.open(tmp_path / "run")


def test_runs_are_listed_by_age_and_the_unreadable_one_is_told_of(tmp_path: Path) -> None:
    for number, name in enumerate(("young", "old", "middle")):
        run = make(tmp_path / name)
        run.manifest.created_at = (300.0, 100.0, 200.0)[number]
        run.save_manifest()
    (tmp_path / "other").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_bytes(b"{")
    told: list[SkillForgeError] = []
    assert [run.path.name for run in list_runs(tmp_path, told.append)] == ["old", "middle", "young"]
    assert [("broken" in fault.what) for fault in told] == [True]
    assert list(list_runs(tmp_path / "none")) == []


def test_names_of_new_runs_are_safe_and_free(tmp_path: Path) -> None:
    first = new_run_path(tmp_path, "a b", "../../org/model:7b")
    assert first.parent == tmp_path and first.name.startswith("a-b-org-model-7b-")
    first.mkdir()
    assert not new_run_path(tmp_path, "a b", "../../org/model:7b").exists()
    assert len(new_run_path(tmp_path, "x" * 300).name) < 130
