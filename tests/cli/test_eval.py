"""`skillforge eval`, with the true registry and scripted parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, skillforge

from skillforge.errors import BackendUnusable
from skillforge.options import parse
from skillforge.pipeline.evaluate import evaluate
from skillforge.pipeline.observer import Silent
from skillforge.pipeline.plan import Plan
from skillforge.pipeline.settings import EvalSettings
from skillforge.registry import default_registry
from skillforge.rollout.job import sample_seed

pytestmark = pytest.mark.usefixtures("scripted")

SUMS = ("eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--quiet")


def lines(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def summary(run: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(run) / "summary.json").read_text())
    return found


def facts(run: str | Path) -> set[tuple[str, int, str, int | None]]:
    """What makes two runs the same: id, index, answer and seed of each sample."""
    return {
        (row["problem"]["id"], row["sample_index"], row["transcript"]["segments"][-1]["text"], row.get("seed"))
        for row in lines(Path(run) / "samples.jsonl")
    }


def ids(run: str | Path) -> list[str]:
    return [row["problem"]["id"] for row in lines(Path(run) / "samples.jsonl")]


def state(run: str | Path) -> str:
    return str(json.loads((Path(run) / "run.json").read_text())["state"])


def run(*more: object, out: str = "run", code: int = 0) -> Ended:
    ended = skillforge(*SUMS, "--out", out, *more)
    assert ended.code == code, ended.err
    return ended


def test_a_run_holds_all_and_shows_a_table() -> None:
    ended = run()
    assert {item.name for item in Path("run").iterdir()} == {
        "run.json", "run.lock", "samples.jsonl", "verdicts.jsonl", "summary.json", "report.md",
    }  # fmt: skip
    assert state("run") == "finished"
    verdicts = [row["state"] for row in lines("run/verdicts.jsonl")]
    assert len(verdicts) == 12
    found = summary("run")
    assert found["correct"] == verdicts.count("correct") and found["accuracy"]["value"] == found["correct"] / 12
    assert f"{100 * found['correct'] / 12:.1f} %" in ended.out and "By level" in ended.out
    assert "## Results" in Path("run/report.md").read_text()


def test_the_default_folder_is_named_after_the_work() -> None:
    assert skillforge(*SUMS).code == 0
    (found,) = Path("runs").iterdir()
    assert found.name.startswith("scripted-sums-scripted-model-")


def test_json_on_standard_output_is_all_that_is_there() -> None:
    ended = run("--json")
    printed = json.loads(ended.out)
    assert printed.pop("run") == "run" and printed == summary("run")


def test_a_dry_run_sends_nothing_and_shows_what_it_would_send() -> None:
    arguments = (*SUMS, "-o", "backend.journal=journal", "--repeats", 2, "--seed", 3, "-o", "prompt.preamble=Do it!")
    ended = skillforge(*arguments, "--dry-run")
    assert ended.code == 0, ended.err
    assert "24 requests (12 problems x 2)" in ended.out and "Nothing was sent" in ended.out
    assert '["system", "Do it!"], ["user", "What is 0 + 1?"]' in ended.out
    assert "max_tokens: 77" in ended.out and "temperature: 0.7" in ended.out
    assert list(Path().iterdir()) == []
    shown = json.loads(skillforge(*arguments, "--dry-run", "--json").out)
    assert (shown["requests"], shown["problems"], shown["completion_tokens_at_most"]) == (24, 12, 24 * 77)
    request = json.loads(shown["first_request"])
    skillforge(*arguments, "--concurrency", 1)
    assert lines("journal")[0] == {"question": request["prompt"][-1][1], "seed": request["seed"]}


def test_limit_ids_and_shuffle() -> None:
    run("--limit", 3, "--concurrency", 1, out="limit")
    assert ids("limit") == ["test-0", "test-1", "test-2"]
    run("--ids", "test-7,test-2", "--ids", "test-5", "--concurrency", 1, out="ids")
    assert ids("ids") == ["test-7", "test-2", "test-5"]
    run("--shuffle", 1, "--limit", 5, out="one")
    run("--shuffle", 1, "--limit", 5, out="same")
    run("--shuffle", 2, "--limit", 5, out="two")
    assert set(ids("one")) == set(ids("same")) != set(ids("two"))
    assert set(ids("one")) != {f"test-{number}" for number in range(5)}
    run("--split", "train", "--limit", 1, out="train")
    assert ids("train") == ["train-1000"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("eval", "--benchmark", "scripted-sum"), "unknown benchmark 'scripted-sum'; did you mean 'scripted-sums'?"),
        ((*SUMS, "--split", "tset"), "has no split 'tset'; did you mean 'test'?"),
        ((*SUMS, "--ids", "test-3,tst-4"), "has no problem 'tst-4'; did you mean 'test-4'"),
        ((*SUMS, "--ids", "zzz"), "has no problem 'zzz'; known: test-0, "),
        ((*SUMS, "-o", "backend.latncy=1"), "unknown option 'backend.latncy'; did you mean 'latency'?"),
        ((*SUMS, "-o", "bakend.latency=1"), "unknown part 'bakend'"),
        ((*SUMS, "-o", "latency=1"), "is not KIND.NAME=VALUE"),
        ((*SUMS, "-o", "backend.latency=-1"), "'backend.latency'; it must be a number, ≥ 0"),
        ((*SUMS, "--tempreature", "1"), "--temperature"),
        ((*SUMS, "--temperature", "warm"), "bad value 'warm' for option '--temperature'"),
        ((*SUMS, "--prompt", "scripted-chatt"), "did you mean 'scripted-chat'"),
        ((*SUMS, "--grader", "scripted-numbr"), "did you mean 'scripted-number'"),
        ((*SUMS, "--backend", "scriptd"), "did you mean 'scripted'"),
        ((*SUMS, "--few-shots", "2"), "has 1 examples, not 2"),
        ((*SUMS, "--repeats", "2", "--temperature", "0"), "raise --temperature"),
        ((*SUMS, "-o", "benchmark.count=0"), "has no problems"),
        ((*SUMS, "--data-dir", "nowhere"), "the data folder nowhere does not exist"),
        ((*SUMS, "-o", "benchmark.file=f.jsonl"), "give --data-dir DIR or set SKILLFORGE_DATA"),
        ((*SUMS, "--data-dir", ".", "-o", "benchmark.file=f.jsonl"), "f.jsonl; put the upstream file there"),
        ((*SUMS, "--backend", "scripted-narrow", "--seed", "1"), "cannot do --seed"),
        ((*SUMS, "--backend", "scripted-narrow", "--top-k", "5"), "cannot do --top-k"),
        ((*SUMS, "--backend", "scripted-narrow", "--prompt", "scripted-raw"), "takes no text prompts"),
        ((*SUMS, "--base-url", "http://[bad"), "--base-url is not an address"),
        ((*SUMS, "--stop", "\udcff"), "bad value"),
        (
            (*SUMS, "-o", "backend.latency=1", "-o", "backend.latency=2"),
            "bad value \"['1', '2']\" for option 'backend.latency'",
        ),
        (("eval",), "'--benchmark' is required"),
        (("eval", "--resume", "nowhere"), "nowhere is not a run"),
        (("eval", "--resume", "a", "--out", "b"), "exclude each other"),
        (("eval", "--recipe", "nowhere.yaml"), "cannot read the recipe nowhere.yaml: No such file"),
        (("evla",), "did you mean 'eval'?"),
        (("report", "nowhere"), "nowhere is not a run"),
        (("grade", "nowhere"), "nowhere is not a run"),
        (("export", "nowhere"), "nowhere is not a run"),
        (("compare", "nowhere", "nowhere"), "nowhere is not a run"),
        (("import", "nowhere.jsonl", "--response", "x", "--grader", "scripted-number"), "cannot read nowhere.jsonl"),
    ],
)
def test_wrong_usage_is_one_clear_line_and_starts_nothing(arguments: tuple[str, ...], told: str) -> None:
    ended = skillforge(*arguments)
    assert ended.code == 2, ended.err
    assert told in ended.err
    assert ended.out == "" and ended.err.count("\n") == 1 and "Traceback" not in ended.err
    assert list(Path().iterdir()) == []


def test_names_that_no_file_can_have_are_one_clear_line() -> None:
    ended = skillforge(*SUMS, "--data-dir", "x" * 300)
    assert ended.code == 1 and "File name too long" in ended.err and "internal" not in ended.err


@pytest.mark.parametrize(
    ("row", "told"),
    [("{", "rows.jsonl:3: not a JSON object"), ('{"id": "c", "question": 3}', "rows.jsonl:3: field 'question' is int")],
)
def test_a_malformed_row_is_found_before_anything_is_sent(row: str, told: str) -> None:
    good = [json.dumps({"id": name, "question": "What is 1 + 2?", "answer": "3"}) for name in "ab"]
    Path("rows.jsonl").write_text("\n".join([*good, row]))
    ended = run("--data-dir", ".", "-o", "benchmark.file=rows.jsonl", "-o", "backend.journal=journal", code=1)
    assert told in ended.err and not Path("journal").exists() and not Path("run").exists()


def test_data_come_from_the_environment_too_and_leave_their_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("data").mkdir()
    Path("data/rows.jsonl").write_text('{"id": "a", "question": "What is 1 + 2?", "answer": "3"}\n')
    monkeypatch.setenv("SKILLFORGE_DATA", "data")
    run("-o", "benchmark.file=rows.jsonl")
    (read,) = json.loads(Path("run/run.json").read_text())["data"]
    assert read["name"] == "rows.jsonl" and len(read["sha256"]) == 64
    Path("data/rows.jsonl").write_text('{"id": "a", "question": "What is 1 + 3?", "answer": "4"}\n')
    assert "data.rows.jsonl: " in run("-o", "benchmark.file=rows.jsonl", code=2).err


def test_two_problems_with_one_id_are_refused() -> None:
    row = '{"id": "a", "question": "What is 1 + 2?", "answer": "3"}\n'
    Path("rows.jsonl").write_text(2 * row)
    assert "two problems with the id 'a'" in run("--data-dir", ".", "-o", "benchmark.file=rows.jsonl", code=1).err


def test_recipe_command_line_and_python_give_the_same_run() -> None:
    run(
        "--repeats",
        2,
        "--seed",
        5,
        "--limit",
        4,
        "--stop",
        "Q",
        "-o",
        "backend.style=odd",
        "--few-shots",
        1,
        out="line",
    )
    settings = {
        "benchmark": "scripted-sums", "model": "scripted-model", "repeats": 2, "seed": 5, "limit": 4, "stop": ["Q"],
        "few_shots": 1, "options": {"backend": {"style": "odd"}},
    }  # fmt: skip
    Path("recipe.yaml").write_text(json.dumps(settings))
    assert skillforge("eval", "--recipe", "recipe.yaml", "--out", "recipe", "--quiet").code == 0
    registry = default_registry()
    evaluate(Plan(parse(EvalSettings, settings, "--"), registry), Path("python"), registry, Silent())
    assert facts("line") == facts("recipe") == facts("python")
    manifests = [json.loads(Path(name, "run.json").read_text()) for name in ("line", "recipe", "python")]
    for what in ("identity", "resolved", "settings"):
        assert manifests[0][what] == manifests[1][what] == manifests[2][what]


def test_the_command_line_wins_over_the_recipe_option_by_option() -> None:
    Path("recipe.yaml").write_text(
        "benchmark: scripted-sums\nmodel: scripted-model\nlimit: 2\noptions: {backend: {style: odd, padding: 3}}\n"
    )
    ended = skillforge(
        "eval", "--recipe", "recipe.yaml", "--limit", 3, "-o", "backend.style=new", "--out", "run", "--quiet"
    )
    assert ended.code == 0
    resolved = json.loads(Path("run/run.json").read_text())["resolved"]
    assert resolved["limit"] == 3
    assert (resolved["options"]["backend"]["style"], resolved["options"]["backend"]["padding"]) == ("new", 3)


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("benchmark: [x", 2, "recipe.yaml:1: not valid YAML"),
        ("benchmark: x\n\tmodel: y", 2, "recipe.yaml:2: not valid YAML"),
        ("- benchmark", 2, "holds no settings"),
        ("", 2, "holds no settings"),
        ("7: 8", 2, "holds no settings"),
        ("benchmark: scripted-sums\noptions: [backend]", 2, "'options' is not a mapping of parts"),
        ("benchmark: scripted-sums\nmodle: x", 2, "unknown option '--modle'; did you mean 'model'?"),
        ("benchmark: scripted-sums\nlimit: many", 2, "bad value 'many' for option '--limit'"),
        ("benchmark: scripted-sums\ntemperature: .inf", 2, "bad value 'inf' for option '--temperature'"),
        ("benchmark: !!python/object/apply:os.system ['touch hacked']", 2, "not valid YAML"),
    ],
)
def test_bad_recipes(text: str, code: int, told: str) -> None:
    Path("recipe.yaml").write_text(text)
    ended = skillforge("eval", "--recipe", "recipe.yaml")
    assert (ended.code, told in ended.err) == (code, True), ended.err
    assert [item.name for item in Path().iterdir()] == ["recipe.yaml"]


def test_repeats_have_seeds_of_their_own_and_give_pass_and_majority() -> None:
    run("--repeats", 8, "--seed", 1)
    rows = lines("run/samples.jsonl")
    assert len({row["seed"] for row in rows}) == len(rows) == 96
    assert all(row["seed"] == sample_seed(1, row["problem"]["id"], row["sample_index"]) for row in rows)
    found = summary("run")
    assert list(found["pass_at"]) == list(found["maj_at"]) == ["1", "2", "4", "8"]
    assert found["pass_at"]["1"]["value"] == pytest.approx(found["accuracy"]["value"])
    values = [found["pass_at"][k]["value"] for k in ("1", "2", "4", "8")]
    assert values == sorted(values) and values[-1] == 1.0
    assert found["samples_per_problem"] == 8 and len(found["repeats"]["accuracy"]) == 8
    run("--repeats", 8, "--seed", 1, out="again")
    assert facts("run") == facts("again")
    run("--repeats", 8, "--seed", 2, out="other")
    assert facts("run") != facts("other")


def test_a_refused_request_costs_one_sample_and_is_no_wrong_answer() -> None:
    ended = run("-o", "backend.refuse=What is 3 ", "-o", "backend.journal=journal", code=3)
    assert "1 of 12 samples are in error" in ended.err and "eval --resume run --retry-errors" in ended.err
    found = summary("run")
    assert (found["error"], found["samples"], found["correct"] + found["wrong"] + found["no_answer"]) == (1, 12, 11)
    assert found["accuracy"]["value"] == pytest.approx(found["correct"] / 11)
    (row,) = [row for row in lines("run/samples.jsonl") if row.get("state") == "error"]
    assert (row["problem"]["id"], row["error"]) == ("test-3", "HTTP 400: context overflow")
    assert sum(request["question"].startswith("What is 3 ") for request in lines("journal")) == 1
    assert state("run") == "finished"


def test_errors_are_tried_again_when_asked_for_and_only_then() -> None:
    run("--seed", 1, out="whole")
    run("--seed", 1, "-o", "backend.refuse=What is 3 ", "-o", "backend.refuse=What is 5 ", code=3)
    assert summary("run")["error"] == 2
    assert skillforge("eval", "--resume", "run", "-o", "backend.refuse=nothing", "-o", "backend.journal=j").code == 3
    assert not Path("j").exists()
    ended = skillforge(
        "eval", "--resume", "run", "--retry-errors", "-o", "backend.refuse=nothing", "-o", "backend.journal=j"
    )
    assert ended.code == 0, ended.err
    assert sorted(request["question"][:10] for request in lines("j")) == ["What is 3 ", "What is 5 "]
    assert summary("run")["error"] == 0 and summary("run")["accuracy"] == summary("whole")["accuracy"]
    exported = skillforge("export", "run").out.splitlines()
    assert len(exported) == 12 and all(json.loads(row)["state"] == "done" for row in exported)


def test_faults_that_can_pass_are_not_seen() -> None:
    run("--seed", 1, out="plain")
    run("--seed", 1, "-o", "backend.stumble=2", "--concurrency", 4)
    assert facts("run") == facts("plain")
    assert {row["attempts"] for row in lines("run/samples.jsonl")} == {3}


def test_a_server_that_dies_leaves_a_run_to_continue() -> None:
    run("--seed", 1, out="whole")
    ended = run("--seed", 1, "-o", "backend.gone_after=5", "--retries", 1, "--concurrency", 1, code=1)
    assert "connection refused, 2 times in a row" in ended.err and "skillforge eval --resume run" in ended.err
    assert state("run") == "failed" and 0 < len(ids("run")) < 12
    for command in ("report", "compare"):
        refused = skillforge(command, *["run"] * (1 + (command == "compare")))
        assert refused.code in (0, 1) and "Traceback" not in refused.err
    assert skillforge("eval", "--resume", "run", "-o", "backend.gone_after=null", "--quiet").code == 0
    assert facts("run") == facts("whole") and summary("run")["accuracy"] == summary("whole")["accuracy"]
    assert state("run") == "finished"


def test_an_unusable_server_leaves_nothing_new_and_destroys_nothing_old() -> None:
    ended = run("-o", "backend.unusable=wrong key", code=1)
    assert ended.err.endswith("Error: wrong key; start it\n") and not Path("run").exists()
    run()
    for name in ("samples.jsonl", "verdicts.jsonl"):  # a run without samples, which was there before
        Path("run", name).write_bytes(b"")
    before = Path("run/run.json").read_text()
    assert skillforge("eval", "--resume", "run", "-o", "backend.unusable=wrong key").code == 1
    assert json.loads(Path("run/run.json").read_text())["identity"] == json.loads(before)["identity"]
    assert skillforge("eval", "--resume", "run", "-o", "backend.unusable=", "--quiet").code == 0


def test_a_bug_in_a_backend_is_told_without_traceback() -> None:
    ended = run("-o", "backend.crash=true", code=1)
    assert "the backend raised KeyError: 'a bug in the backend'; tell the author of its plugin" in ended.err
    assert "Traceback" not in ended.err and not Path("run").exists()
    with pytest.raises(BackendUnusable):
        skillforge(*SUMS, "--out", "run", "-o", "backend.crash=true", "--debug")


def test_a_bug_in_a_grader_is_an_error_never_a_wrong_answer() -> None:
    ended = run("--grader", "scripted-faulty", code=3)
    assert "12 of 12 answers could not be judged" in ended.err and "skillforge grade run" in ended.err
    assert summary("run")["wrong"] == 0
    assert "raised ValueError: a bug in the grader" in lines("run/verdicts.jsonl")[0]["reason"]
    assert skillforge("grade", "run").code == 3
    assert skillforge("grade", "run", "--grader", "scripted-number").code == 0


def test_text_that_no_file_can_hold_costs_nothing() -> None:
    run("-o", "backend.odd_text=true")
    assert all(text.startswith("\ufffd ") for _, _, text, _ in facts("run"))


def test_another_configuration_is_refused_with_what_differs() -> None:
    run("--seed", 1)
    before = Path("run/samples.jsonl").read_bytes()
    ended = run("--seed", 2, "--limit", 3, code=2)
    assert "another configuration (limit: null -> 3; sampling.seed: 1 -> 2)" in ended.err
    assert Path("run/samples.jsonl").read_bytes() == before and state("run") == "finished"
    assert "options.backend.style" in run("--seed", 1, "-o", "backend.style=new", code=2).err
    run("--seed", 1, "-o", "backend.latency=0.001", "--concurrency", 2)  # how, not what: the same run


def test_a_finished_run_is_continued_to_itself_without_asking() -> None:
    run("--seed", 1, "-o", "backend.journal=journal")
    before, asked = Path("run/samples.jsonl").read_bytes(), Path("journal").read_bytes()
    found = summary("run")
    run("--seed", 1, "-o", "backend.journal=journal")
    assert skillforge("eval", "--resume", "run").code == 0
    assert (Path("run/samples.jsonl").read_bytes(), Path("journal").read_bytes()) == (before, asked)
    assert summary("run")["accuracy"] == found["accuracy"]


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.77, 0.999])
def test_torn_files_are_continued_to_the_same_run(keep: float) -> None:
    run("--seed", 1, "--repeats", 2, out="whole")
    run("--seed", 1, "--repeats", 2)
    for name in ("samples.jsonl", "verdicts.jsonl"):
        path = Path("run", name)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])
    Path("run/summary.json").unlink()
    assert skillforge("eval", "--resume", "run", "--quiet").code == 0
    assert facts("run") == facts("whole") and len(ids("run")) == 24
    assert summary("run")["accuracy"] == summary("whole")["accuracy"]
    assert summary("run")["pass_at"] == summary("whole")["pass_at"]


def test_a_verdict_on_a_failed_attempt_is_not_taken_for_the_answer_that_came_later() -> None:
    run("--seed", 1, out="whole")
    run("--seed", 1, "-o", "backend.refuse=What is 3 ", code=3)
    verdicts = Path("run/verdicts.jsonl").read_bytes()
    skillforge("eval", "--resume", "run", "--retry-errors", "-o", "backend.refuse=nothing", "--quiet")
    Path("run/verdicts.jsonl").write_bytes(verdicts)  # killed before the new verdict was written
    assert skillforge("eval", "--resume", "run", "--quiet").code == 0
    assert summary("run")["accuracy"] == summary("whole")["accuracy"] and summary("run")["error"] == 0


def test_secrets_in_an_address_reach_no_file() -> None:
    ended = run("--base-url", "http://user:hunter2@localhost:1/v1?key=hunter3", "--backend", "scripted")
    shown = skillforge(*SUMS, "--base-url", "http://user:hunter2@localhost:1/v1", "--backend", "scripted", "--dry-run")
    everything = ended.out + ended.err + shown.out + shown.err
    everything += "".join(item.read_text() for item in Path("run").iterdir())
    assert "localhost:1/v1" in everything
    assert "hunter" not in everything


@pytest.mark.parametrize("address", ["user:hunter2@localhost/v1", "http:user:hunter2@h", "http://user:hunter2/x@h/v1"])
def test_an_odd_address_with_a_secret_is_refused_unseen(address: str) -> None:
    ended = run("--base-url", address, "--backend", "scripted", code=2)
    assert "hunter" not in ended.err and not Path("run").exists()


def test_what_is_not_on_the_line_is_not_needed_to_resume() -> None:
    run("--seed", 4, "--repeats", 2, "-o", "prompt.preamble=Go.", "--prompt", "scripted-chat", "--limit", 2)
    Path("run/samples.jsonl").write_bytes(b"")
    assert skillforge("eval", "--resume", "run", "--quiet").code == 0
    assert len(ids("run")) == 4


def test_the_causes_of_errors_are_shown() -> None:
    ended = run("-o", "backend.refuse=What is 3 ", code=3)
    assert "1 of 12 samples are in error:" in ended.err
    assert "  1 x " in ended.err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--retry-errors",), "--retry-errors is for a run that exists"),
        (("--resume", "x", "--recipe", "y"), "--resume and --recipe exclude each other"),
        (("--out", "a-file"), "a-file is a file, not a folder"),
    ],
)
def test_options_that_would_be_ignored_are_refused(more: tuple[str, ...], told: str) -> None:
    Path("a-file").write_text("")
    ended = skillforge(*SUMS, *more)
    assert ended.code == 2 and told in ended.err
