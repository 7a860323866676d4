"""What is done with a run afterwards: grade, report, compare, list, export, import."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, skillforge

pytestmark = pytest.mark.usefixtures("scripted")


def run(*more: object, out: str = "run", code: int = 0) -> Path:
    ended = skillforge(
        "eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--quiet", "--seed", 1, "--out", out, *more
    )
    assert ended.code == code, ended.err
    return Path(out)


def done(*arguments: object) -> Ended:
    ended = skillforge(*arguments)
    assert ended.code == 0, ended.err
    return ended


def load(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


# Grade ------------------------------------------------------------------------------------------------------------


def test_grading_replaces_the_judgement_and_never_touches_the_facts() -> None:
    path = run("--repeats", 2)
    samples, before = (path / "samples.jsonl").read_bytes(), load(path / "summary.json")
    done("grade", "run", "--grader", "scripted-lenient")
    assert load(path / "summary.json")["accuracy"]["value"] == 1.0
    assert load(path / "run.json")["resolved"]["grader"] == "skillforge-scripted:scripted-lenient"
    done("grade", "run", "--grader", "scripted-number")
    after = load(path / "summary.json")
    assert after["accuracy"] == before["accuracy"] and after["maj_at"] == before["maj_at"]
    assert len((path / "verdicts.jsonl").read_text().splitlines()) == 24
    assert (path / "samples.jsonl").read_bytes() == samples


def test_options_of_the_grader_are_used_and_kept() -> None:
    path = run()
    shown = json.loads(done("grade", "run", "-o", "grader.modulus=2", "--json").out)
    assert shown.pop("run") == "run" and shown == load(path / "summary.json")
    assert load(path / "run.json")["resolved"]["options"]["grader"] == {"modulus": 2}
    before = (path / "verdicts.jsonl").read_bytes()
    done("grade", "run")
    assert (path / "verdicts.jsonl").read_bytes() == before
    for wrong, told in (("grader.modulos=2", "did you mean 'modulus'?"), ("backend.latency=1", "not used in grading")):
        refused = skillforge("grade", "run", "-o", wrong)
        assert refused.code == 2 and told in refused.err


def test_a_run_that_was_regraded_halfway_is_continued_with_that_grader() -> None:
    path = run("-o", "backend.gone_after=5", "--retries", 0, "--concurrency", 1, code=1)
    done("grade", "run", "--grader", "scripted-lenient")
    done("eval", "--resume", "run", "-o", "backend.gone_after=null", "--quiet")
    found = load(path / "summary.json")
    assert (found["samples"], found["accuracy"]["value"]) == (12, 1.0)


def test_errors_stay_errors_when_graded_again() -> None:
    path = run("-o", "backend.refuse=What is 3 ", code=3)
    assert skillforge("grade", "run", "--grader", "scripted-lenient").code == 3
    found = load(path / "summary.json")
    assert (found["error"], found["correct"], found["accuracy"]["value"]) == (1, 11, 1.0)


# Report, compare, list ----------------------------------------------------------------------------------------------


def test_a_report_for_people_for_programs_and_for_pages() -> None:
    one, two = run(out="one"), run("-o", "backend.style=new", out="two")
    shown = done("report", one, two).out
    assert re.search(r"level +problems +one +two", shown)
    found = json.loads(done("report", one, two, "--json").out)
    assert [row["run"] for row in found] == ["one", "two"]
    assert found[0]["accuracy"] == load(one / "summary.json")["accuracy"]
    page = done("report", one, two, "--markdown").out
    assert page.startswith("## Results\n\n| run | benchmark |") and "\x1b" not in page
    assert skillforge("report", one, "--json", "--markdown").code == 2


def test_a_run_without_summary_says_how_to_get_one() -> None:
    path = run()
    (path / "summary.json").unlink()
    refused = skillforge("report", "run")
    assert refused.code == 1 and "skillforge grade run" in refused.err
    (path / "summary.json").write_text("{")
    assert "skillforge grade run" in skillforge("report", "run").err
    done("grade", "run")
    done("report", "run")


def test_names_cannot_break_a_table() -> None:
    path = run(out="a|b [x](y) <b>")
    assert "a\\|b \\[x](y) &lt;b>" in done("report", path, "--markdown").out
    hostile = "\x1b[2J\u202e[red]model"
    done(
        "eval", "--benchmark", "scripted-sums", "--backend", "scripted", "--model", hostile, "--limit", 1,
        "--out", "hostile", "--quiet",
    )  # fmt: skip
    for shown in (
        done("report", "hostile").out,
        done("runs", "list", ".").out,
        done("report", "hostile", "--markdown").out,
    ):
        assert "\x1b[2J" not in shown and "\u202e" not in shown
    assert "[red]model" in done("report", "hostile").out


def test_comparing_runs_shows_the_difference_and_the_flips() -> None:
    one, two = run(out="one"), run("--grader", "scripted-lenient", out="two")
    found = json.loads(done("compare", one, two, "--json").out)
    accuracy = load(one / "summary.json")["accuracy"]["value"]
    assert found["difference"] == pytest.approx(1 - accuracy) and found["problems"] == 12
    assert found["test"] == "mcnemar-exact" and len(found["gained"]) == found["better"] > 0 == found["worse"]
    assert any("grader.id" in line for line in found["differs"])
    assert "Problems that flipped" in done("compare", one, two).out
    assert done("compare", one, two, "--markdown").out.startswith("## Comparison")
    same = json.loads(done("compare", one, one, "--json").out)
    assert (same["difference"], same["p_value"], same["differs"]) == (0.0, 1.0, [])


def test_different_problems_are_compared_only_when_asked() -> None:
    one, two = run("--limit", 5, out="one"), run("--ids", "test-3,test-4,test-5", out="two")
    refused = skillforge("compare", one, two)
    assert (
        refused.code == 2
        and "3 (test-0, test-1, test-2) only in the first, 1 (test-5) only in the second" in refused.err
    )
    found = json.loads(done("compare", one, two, "--common", "--json").out)
    assert (found["problems"], found["only_a"], found["only_b"]) == (2, 3, 1)
    train = run("--split", "train", out="train")
    refused = skillforge("compare", one, train)
    assert refused.code == 2 and 'split: "test" -> "train"' in refused.err


def test_runs_are_listed_with_their_state() -> None:
    assert "no runs in runs" in done("runs", "list").out
    run(out="runs/good")
    run("-o", "backend.gone_after=3", "--retries", 0, "--concurrency", 1, out="runs/dead", code=1)
    Path("runs/broken").mkdir()
    Path("runs/broken/run.json").write_text("{")
    listed = done("runs", "list")
    assert "passed over: runs/broken/run.json" in listed.err and "finished" in listed.out
    found = {row["run"]: row for row in json.loads(done("runs", "list", "runs", "--json").out)}
    assert found["runs/good"]["state"] == "finished" and found["runs/good"]["samples"] == 12
    assert found["runs/dead"]["state"] == "failed" and found["runs/dead"]["accuracy"] is None
    assert found["runs/good"]["benchmark"] == "scripted-sums/test"


# Export -------------------------------------------------------------------------------------------------------------


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_all_formats_hold_the_same_table(monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run("--repeats", 2, "-o", "backend.refuse=What is 3 ", "-o", 'prompt.preamble=say "hi",\nthen\tadd é∑', code=3)
    rows = rows_of(done("export", "run").out)
    assert len(rows) == 24
    first = next(row for row in rows if row["problem_id"] == "test-0" and row["sample_index"] == 0)
    assert first["question"] == "What is 0 + 1?" and first["verdict"] in ("correct", "wrong")
    assert json.loads(first["prompt"])[0] == {"role": "system", "content": 'say "hi",\nthen\tadd é∑'}
    assert json.loads(first["metadata"]) == {"level": "0"}
    failed = [row for row in rows if row["state"] == "error"]
    assert [row["error"] for row in failed] == ["HTTP 400: context overflow"] * 2 and failed[0]["verdict"] == "error"

    assert "24 rows -> out.jsonl" in done("export", "run", "--output", "out.jsonl").err
    assert rows_of(Path("out.jsonl").read_text()) == rows
    done("export", "run", "--to", "parquet", "--output", "out.parquet")
    assert parquet.read_table("out.parquet").to_pylist() == rows
    done("export", "run", "--to", "csv", "--output", "out.csv")
    as_text = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    assert list(csv.DictReader(io.StringIO(Path("out.csv").read_bytes().decode()))) == as_text
    assert done("export", "run", "--to", "csv").out == Path("out.csv").read_bytes().decode()


def test_export_faults_are_one_line() -> None:
    run("--limit", 1)
    assert skillforge("export", "run", "--to", "parquet").code == 2
    assert skillforge("export", "run", "--to", "xml").code == 2
    refused = skillforge("export", "run", "--output", "none/out.jsonl")
    assert refused.code == 1 and "cannot write none/out.jsonl" in refused.err


# Import -------------------------------------------------------------------------------------------------------------


def write_rows(*rows: object, name: str = "texts.jsonl") -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def test_import_of_nested_fields_and_several_responses() -> None:
    file = write_rows(
        {"q": {"text": "1+1"}, "gold": 2, "out": {"texts": ["is 2", "is 3"]}, "more.text": "2"},
        {"q": {"text": "2+2"}, "gold": 4, "out": {"texts": []}, "more.text": "none"},
    )
    done(
        "import", file, "--response", "out.texts", "--response", "more.text", "--question-field", "q.text",
        "--expected-field", "gold", "--grader", "scripted-number", "--model", "theirs", "--out", "run",
    )  # fmt: skip
    rows = rows_of(done("export", "run").out)
    assert [(row["problem_id"], row["sample_index"], row["response"], row["verdict"]) for row in rows] == [
        ("0", 0, "is 2", "correct"), ("0", 1, "is 3", "wrong"), ("0", 2, "2", "correct"), ("1", 0, "none", "no-answer"),
    ]  # fmt: skip
    manifest = load(Path("run/run.json"))
    assert (manifest["command"], manifest["state"], manifest["resolved"]["model"]) == ("import", "finished", "theirs")
    assert "an evaluation can be continued" in skillforge("eval", "--resume", "run").err


def test_an_import_of_a_benchmark_is_judged_and_compared_like_a_run() -> None:
    ours = run(out="ours")
    rows = rows_of(done("export", "ours").out)
    write_rows(
        *[{"question": row["question"].replace(" ", "  "), "text": row["response"]} for row in rows], name="a.jsonl"
    )
    write_rows(*[{"id": row["problem_id"], "text": "It is 1"} for row in rows], name="b.jsonl")
    done("import", "a.jsonl", "--response", "text", "--benchmark", "scripted-sums", "--out", "a")
    done("import", "b.jsonl", "--response", "text", "--benchmark", "scripted-sums", "--id-field", "id", "--out", "b")
    assert load(Path("a/summary.json"))["accuracy"] == load(ours / "summary.json")["accuracy"]
    assert load(Path("a/summary.json"))["subsets"] == load(ours / "summary.json")["subsets"]
    assert json.loads(done("compare", "ours", "a", "--json").out)["difference"] == 0.0
    assert json.loads(done("compare", "a", "b", "--json").out)["worse"] > 0
    done("grade", "b", "--grader", "scripted-lenient")
    assert load(Path("b/summary.json"))["accuracy"]["value"] == 1.0


@pytest.mark.parametrize(
    ("rows", "more", "told"),
    [
        ([{"question": "a", "text": "b"}], (), "texts.jsonl:1: field 'expected_answer' is missing"),
        ([{"question": "a", "expected_answer": "b"}], (), "texts.jsonl:1: field 'text' is missing"),
        ([{"question": "a", "expected_answer": "b", "text": 7}], (), "field 'text' holds int, not text"),
        ([{"question": "a", "expected_answer": "b", "text": ["x", None]}], (), "field 'text' holds NoneType, not text"),
        ([{"text": "x", "question": "?", "expected_answer": "b"}, []], (), "texts.jsonl:2: not a JSON object"),
        ([], (), "texts.jsonl holds no generations"),
        ([{"question": "No?", "text": "x"}], ("--benchmark", "scripted-sums"), "no problem with the question 'No?'"),
        ([{"id": 3, "text": "x"}], ("--benchmark", "scripted-sums", "--id-field", "id"), "no problem with the id '3'"),
        ([], ("--benchmark", "scripted-sums", "--split", "tset"), "did you mean 'test'?"),
        ([], ("--benchmark", "scripted-sum"), "did you mean 'scripted-sums'?"),
    ],
)
def test_bad_imports_are_one_line_and_leave_nothing(rows: list[Any], more: tuple[str, ...], told: str) -> None:
    file = write_rows(*rows)
    refused = skillforge("import", file, "--response", "text", "--grader", "scripted-number", "--out", "run", *more)
    assert refused.code in (1, 2) and told in refused.err, refused.err
    assert not Path("run").exists()


def test_an_import_needs_a_grader_and_does_not_overwrite() -> None:
    file = write_rows({"question": "a", "expected_answer": "1", "text": "1"})
    assert "no grader is named; give --grader" in skillforge("import", file, "--response", "text").err
    arguments = ("import", file, "--response", "text", "--grader", "scripted-number", "--out", "run")
    done(*arguments)
    other = write_rows({"question": "a", "expected_answer": "2", "text": "1"}, name="other.jsonl")
    before = Path("run/samples.jsonl").read_bytes()
    for again in (file, other):
        refused = skillforge(arguments[0], again, *arguments[2:])
        assert refused.code == 2 and "run holds a run already" in refused.err
    assert Path("run/samples.jsonl").read_bytes() == before


def test_an_import_that_would_lose_or_mix_up_rows_is_refused() -> None:
    empty = write_rows({"question": "1+1", "expected_answer": "2", "gen": []}, name="empty.jsonl")
    ended = skillforge("import", empty, "--response", "gen", "--grader", "scripted-number")
    assert ended.code == 1 and "empty.jsonl:1: there is no text in gen" in ended.err
    mixed = write_rows(
        {"id": "a", "question": "1+1", "expected_answer": "2", "gen": "2"},
        {"id": "a", "question": "2+2", "expected_answer": "4", "gen": "4"},
        name="mixed.jsonl",
    )
    ended = skillforge("import", mixed, "--response", "gen", "--id-field", "id", "--grader", "scripted-number")
    assert ended.code == 1 and "mixed.jsonl:2: the id 'a' stood with another question" in ended.err


def test_half_a_surrogate_pair_costs_no_import() -> None:
    row = {"question": "?", "expected_answer": "4", "text": "The answer is 4 \ud83d"}
    Path("half.jsonl").write_text(json.dumps(row) + "\n")
    done("import", "half.jsonl", "--response", "text", "--grader", "scripted-number", "--out", "run")
    assert "The answer is 4 \ufffd" in Path("run/samples.jsonl").read_text()


def test_a_file_may_begin_with_a_byte_order_mark() -> None:
    file = write_rows({"question": "1+1", "expected_answer": "2", "gen": "is 2"})
    Path(file).write_bytes(b"\xef\xbb\xbf" + Path(file).read_bytes())
    done("import", file, "--response", "gen", "--grader", "scripted-number", "--out", "run")
