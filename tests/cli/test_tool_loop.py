"""`skillforge eval` with a prompt style that runs code, against a scripted server: whole runs, interrupted ones, and votes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from command_line import Ended, skillforge, started
from scripted_server import Reply, ScriptedServer, scripted_server

from skillforge.rollout.job import later_seed, sample_seed

for package in ("openai", "local_sandbox", "tora", "numina", "chat", "plurality_voters", "sc_tir"):
    pytest.importorskip(f"skillforge_{package}")
pytestmark = pytest.mark.usefixtures("scripted")

LIGHT = ("-o", "sandbox.preload=math", "-o", "sandbox.ready=1")
NUMINA = ("--prompt", "numina-tir", "-o", "rollout.prelude=")
"""Without its imports, which take their time in a sandbox that has them not preloaded."""


class Asked(NamedTuple):
    """Which turn a request asks for. Seeds tell samples of one problem apart."""

    problem: int
    sample: int
    turn: int
    attempt: int


def asked(body: dict[str, Any], problems: int = 4, samples: int = 8, attempts: int = 4) -> Asked:
    """Of a run with `--seed 1`, whose seeds these are."""
    number = int(re.findall(r"What is (\d+) \+", json.dumps(body))[0])
    for sample in range(samples):
        first = sample_seed(1, f"test-{number}", sample)
        for attempt in range(attempts):
            begun = later_seed(first, -attempt)
            for turn in range(6):
                if later_seed(begun, turn) == body["seed"]:
                    return Asked(number, sample, turn, attempt)
    raise AssertionError(f"an unknown seed: {body}")


def fenced(code: str, **more: Any) -> Reply:
    return Reply(f"```python\n{code}\n```\n", stop_reason="```output", usage=(10, 5), **more)


def said(number: int, **more: Any) -> Reply:
    return Reply(f"It is {number}.", stop_reason=None, usage=(20, 3), **more)


def solve(turn: Asked) -> Reply:
    """Adds in the first turn, and says so in the second."""
    return fenced(f"print({turn.problem} + {turn.problem + 1})") if turn.turn == 0 else said(2 * turn.problem + 1)


def answering(reply: Callable[[Asked], Reply]) -> Callable[[dict[str, Any], int], Reply]:
    return lambda body, number: reply(asked(body))


def evaluate(server: ScriptedServer, *more: object, problems: int = 2, code: int = 0) -> Ended:
    ended = skillforge(
        "eval", "--benchmark", "scripted-sums", "--base-url", server.base_url, "--model", "mock", "--prompt", "tora",
        "-o", f"benchmark.count={problems}", "--seed", 1, "--out", "run", "--quiet", *LIGHT, *more,
    )  # fmt: skip
    assert ended.code == code, ended.err
    return ended


def resume(server: ScriptedServer, *more: object, code: int = 0) -> Ended:
    ended = skillforge("eval", "--resume", "run", "--base-url", server.base_url, "--quiet", *more)
    assert ended.code == code, ended.err
    return ended


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("run", f"{name}.jsonl").read_text().splitlines()]


def samples() -> dict[tuple[str, int], dict[str, Any]]:
    """The stored samples; each is there once."""
    found = {(row["problem"]["id"], row["sample_index"]): row for row in rows("samples")}
    assert len(found) == len(rows("samples"))
    return found


def turns(server: ScriptedServer) -> list[tuple[int, int]]:
    """(problem, turn) of all requests."""
    return [asked(body)[::2] for body in server.requests]


def summary() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("run/summary.json").read_text())
    return found


def until(met: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.01)


# Whole runs ----------------------------------------------------------------------------------------------------------


def test_a_run_with_code() -> None:
    with scripted_server(answering(solve)) as server:
        evaluate(server, "--concurrency", 1)
    first = "<|user|>\nWhat is 0 + 1?\n<|assistant|>\n"
    second = "<|user|>\nWhat is 1 + 2?\n<|assistant|>\n"
    assert [(body["prompt"], body["max_tokens"]) for body in server.requests] == [
        (first, 1024),
        (first + "```python\nprint(0 + 1)\n```\n```output\n1\n```\n", 1024),
        (second, 1024),
        (second + "```python\nprint(1 + 2)\n```\n```output\n3\n```\n", 1024),
    ]
    assert [body["stop"] for body in server.requests] == [["</s>", "```output"]] * 4
    assert summary()["accuracy"]["value"] == 1.0
    stored = samples()["test-1", 0]
    assert [segment["kind"] for segment in stored["transcript"]["segments"]] == ["prompt", "code", "output", "text"]
    assert (stored["prompt_tokens"], stored["completion_tokens"], stored["finish_reason"]) == (30, 8, "stop")
    resolved = json.loads(Path("run/run.json").read_text())["resolved"]
    assert resolved["sandbox"].endswith(":local") and resolved["options"]["rollout"]["max_executions"] == 4


@pytest.mark.parametrize("python", ["tools", "text"])
def test_a_run_on_a_chat_server(python: str) -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        if number == 0:
            call = {"id": "c1", "type": "function", "function": {"name": "python", "arguments": '{"code": "0 + 1"}'}}
            return Reply(None, "tool_calls", tool_calls=[call]) if python == "tools" else fenced("0 + 1")
        return said(1)

    more = ("--prompt", "chat", "-o", f"prompt.python={python}")
    with scripted_server(script) as server:
        if python == "text":
            refused = evaluate(server, *more, code=2)
            assert "the backend 'openai' does not continue an assistant's message" in refused.err
            assert "set -o backend.continue_final_message=true" in refused.err
            more += ("-o", "backend.continue_final_message=true")
        evaluate(server, *more, problems=1)
    assert server.paths == ["/v1/chat/completions"] * 2
    assert server.requests[1].get("continue_final_message") is (True if python == "text" else None)
    assert summary()["accuracy"]["value"] == 1.0


@pytest.mark.parametrize("prompt", [("tora",), ("chat", "-o", "prompt.python=tools")], ids=["text", "tools"])
def test_the_request_that_a_dry_run_shows_is_the_one_that_is_sent(prompt: tuple[str, ...]) -> None:
    with scripted_server(answering(lambda turn: said(1))) as server:
        shown = evaluate(server, "--prompt", *prompt, "--dry-run", problems=1).out
        evaluate(server, "--prompt", *prompt, problems=1)
    first, _ = json.JSONDecoder().raw_decode(shown[shown.index("\n{") + 1 :])
    assert first == server.requests[0]


def test_budgets_and_rules_are_options_of_the_run() -> None:
    replies = [fenced("1/0"), fenced("print('ab' * 9)"), fenced("print(1)")]
    loop = ("-o", "rollout.max_executions=2", "-o", "rollout.max_output=5", "-o", "rollout.output_cut=head")
    with scripted_server(replies) as server:
        evaluate(server, *loop, "-o", "rollout.last_turn=true", problems=1)
    assert server.requests[2]["prompt"].partition("<|assistant|>\n")[2] == (
        "```python\n1/0\n```\n```output\n... zero\n```\n"
        "```python\nprint('ab' * 9)\n```\n```output\n...babab\n```\n\nReach max function call limit."
    )
    assert samples()["test-0", 0]["finish_reason"] == "executions"


def test_a_prelude_that_fails_ends_the_run_with_what_to_do() -> None:
    with scripted_server(answering(solve)) as server:
        ended = evaluate(server, "-o", "rollout.prelude=import no_such_module", code=1)
    assert "(rollout.prelude) fails: ModuleNotFoundError: No module named 'no_such_module'" in ended.err
    assert "change -o rollout.prelude" in ended.err and "Traceback" not in ended.err and ended.err.count("\n") <= 2
    assert not Path("run").exists()


# Interrupted runs ------------------------------------------------------------------------------------------------------


def test_a_server_that_dies_in_mid_loop_leaves_a_run_to_continue() -> None:
    def dying(turn: Asked) -> Reply:
        return Reply(drop=True) if turn.problem > 1 or (turn.problem, turn.turn) == (1, 1) else solve(turn)

    with scripted_server(answering(dying)) as server:
        ended = evaluate(server, "--concurrency", 1, "--retries", 1, problems=3, code=1)
    assert turns(server) == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 1)]
    assert server.requests[3] == server.requests[4]
    assert "2 times in a row; start the server again" in ended.err and "eval --resume run" in ended.err
    assert list(samples()) == [("test-0", 0)]
    assert json.loads(Path("run/run.json").read_text())["state"] == "failed"

    with scripted_server(answering(solve)) as again:
        resume(again)
    assert turns(again) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert again.requests[0] == server.requests[2]  # from its beginning, in the same words and with the same seed
    assert list(samples()) == [("test-0", 0), ("test-1", 0), ("test-2", 0)]
    assert (summary()["samples"], summary()["accuracy"]["value"]) == (3, 1.0)


def test_a_run_killed_in_mid_loop_is_continued(scripted: dict[str, str], tmp_path: Path) -> None:
    def hanging(turn: Asked) -> Reply:
        return solve(turn)._replace(delay=60.0 if (turn.problem, turn.turn) == (2, 1) else 0.0)

    with scripted_server(answering(hanging)) as server:
        arguments = (
            "eval", "--benchmark", "scripted-sums", "--base-url", server.base_url, "--model", "mock", "--prompt", "tora",
            "-o", "benchmark.count=4", "--seed", 1, "--out", "run", "--quiet", "--concurrency", 1, *LIGHT,
        )  # fmt: skip
        with started(*arguments, cwd=tmp_path, env=scripted) as process:
            until(lambda: process.poll() is not None or ((2, 1) in turns(server) and len(stored_lines()) == 2))
            process.kill()
            _, errors = process.communicate(timeout=30)
        assert process.returncode == -9, errors
    kept = Path("run/samples.jsonl").read_bytes()

    with scripted_server(answering(solve)) as again:
        resume(again)
    assert turns(again) == [(2, 0), (2, 1), (3, 0), (3, 1)]
    assert again.requests[0] == server.requests[4]
    assert Path("run/samples.jsonl").read_bytes().startswith(kept)
    assert [key for key, _ in samples()] == ["test-0", "test-1", "test-2", "test-3"]
    assert (summary()["samples"], summary()["accuracy"]["value"]) == (4, 1.0)


def stored_lines() -> list[bytes]:
    path = Path("run/samples.jsonl")
    return path.read_bytes().splitlines() if path.exists() else []


def test_a_refusal_in_mid_loop_is_an_error_that_can_be_tried_again() -> None:
    def refusing(turn: Asked) -> Reply:
        return Reply("no", status=422) if (turn.problem, turn.turn) == (1, 1) else solve(turn)

    with scripted_server(answering(refusing)) as server:
        evaluate(server, code=3)
    failed = samples()["test-1", 0]
    assert failed["state"] == "error" and "HTTP 422: no" in failed["error"]
    assert [segment["kind"] for segment in failed["transcript"]["segments"]] == ["prompt", "code", "output"]
    assert (summary()["samples"], summary()["error"]) == (2, 1)
    with scripted_server(answering(solve)) as again:
        resume(again, "--retry-errors")
    assert turns(again) == [(1, 0), (1, 1)]
    assert summary()["accuracy"]["value"] == 1.0


# Votes while the samples are made --------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["the model", "its code"])
def test_stragglers_are_cancelled_once_the_vote_is_decided(where: str) -> None:
    def script(turn: Asked) -> Reply:
        if turn.sample < 4:
            return solve(turn)
        if where == "its code":
            return fenced("while True: pass")
        return solve(turn)._replace(delay=60.0 if turn.turn == 1 else 0.0)

    work = ("--voter", "majority", "--repeats", 7, "--concurrency", 7, "-o", "rollout.timeout=60")
    with scripted_server(answering(script)) as server:
        evaluate(server, *work, problems=1)
        until(lambda: server.in_flight == 0)
    assert server.cancelled == (3 if where == "the model" else 0)
    (vote,) = rows("votes")
    assert (vote["answer"], vote["state"], vote["early"], vote["cancelled"]) == ("1", "correct", True, 3)
    assert (vote["ballots"], sorted(vote["supporters"])) == (4, [0, 1, 2, 3])
    assert sorted(index for _, index in samples()) == [0, 1, 2, 3]
    assert (summary()["samples"], summary()["vote"]["accuracy"]["value"]) == (4, 1.0)


def test_samples_that_cannot_change_a_vote_are_not_begun() -> None:
    with scripted_server(answering(solve)) as server:
        evaluate(server, "--voter", "majority", "--repeats", 5, "--concurrency", 1)
    assert turns(server) == [(0, 0), (0, 1)] * 3 + [(1, 0), (1, 1)] * 3
    assert [(vote["ballots"], vote["cancelled"], vote["early"]) for vote in rows("votes")] == [(3, 2, True)] * 2


SC_TIR = ("--voter", "sc-tir", "-o", "voter.n=3", "-o", "voter.depth=3", *NUMINA, "--concurrency", 1)


def test_a_broken_candidate_starts_anew_with_the_turns_that_are_left() -> None:
    def script(turn: Asked) -> Reply:
        if turn.sample == 0 and turn.attempt == 0:
            return said(7)  # without code, which does not count
        return solve(turn)

    with scripted_server(answering(script)) as server:
        evaluate(server, *SC_TIR, problems=1)
    assert [asked(body)[1:] for body in server.requests] == [(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 0, 0), (1, 1, 0)]
    bare = "### Problem: What is 0 + 1?\n### Solution: "
    assert [body["prompt"] == bare for body in server.requests] == [True, True, False, True, False]
    (vote,) = rows("votes")
    assert (vote["answer"], vote["ballots"], vote["supporters"], vote["restarts"]) == ("1", 2, [0, 1], 1)
    assert vote["tokens"] == 3 + 8 + 8
    assert samples()["test-0", 0]["restarts"] == 1


@pytest.mark.parametrize("reply", [said(7), Reply("", stop_reason=None), Reply("Cut", "length"), fenced("pass")])
def test_a_candidate_that_stays_broken_ends_with_its_turns(reply: Reply) -> None:
    """Whatever it does, it writes no more often than `depth` says."""
    with scripted_server(answering(lambda turn: reply if turn.sample == 0 else solve(turn))) as server:
        evaluate(server, *SC_TIR, problems=1)
    assert [asked(body).sample for body in server.requests] == [0, 0, 0, 1, 1]


def test_pruned_candidates_are_not_begun_again() -> None:
    with scripted_server(answering(lambda turn: said(7) if turn.sample == 0 else solve(turn))) as server:
        evaluate(server, *SC_TIR, "-o", "voter.broken=prune", problems=1)
    assert [asked(body)[1:3] for body in server.requests] == [(0, 0), (1, 0), (1, 1)]
    (vote,) = rows("votes")
    assert (vote["answer"], vote["ballots"], vote["supporters"], vote.get("restarts", 0)) == ("1", 2, [1], 0)


def test_at_the_end_of_its_time_a_problem_is_voted_on_with_what_is_written() -> None:
    def script(turn: Asked) -> Reply:
        if turn.sample == 0:
            return solve(turn)
        return fenced(f"print({10 + turn.sample})") if turn.turn == 0 else said(1, delay=60.0)

    limits = ("-o", "voter.n=4", "-o", "voter.seconds=3", "--concurrency", 4)
    with scripted_server(answering(script)) as server:
        evaluate(server, "--voter", "sc-tir", *NUMINA, *limits, problems=1)
        until(lambda: server.in_flight == 0)
    assert server.cancelled == 3
    finished = samples()
    assert [finished["test-0", index]["finish_reason"] for index in range(4)] == ["stop", "time", "time", "time"]
    kinds = [segment["kind"] for segment in finished["test-0", 1]["transcript"]["segments"]]
    assert kinds == ["prompt", "code", "output"]
    (vote,) = rows("votes")
    assert (vote["answer"], vote["state"], vote["ballots"], vote["supporters"]) == ("1", "correct", 4, [0])
    assert not vote.get("early")


def test_time_ends_samples_without_code_as_well() -> None:
    def script(body: dict[str, Any], number: int) -> Reply:
        return said(1, delay=0.0 if asked(body).sample == 0 else 6.0)

    work = ("--voter", "sc-tir", "-o", "voter.n=3", "-o", "voter.seconds=1", "-o", "voter.require_code=false")
    with scripted_server(script) as server:
        ended = skillforge(
            "eval", "--benchmark", "scripted-sums", "--base-url", server.base_url, "--model", "mock", "--prompt", "chat",
            "-o", "benchmark.count=1", "--seed", 1, "--out", "run", "--quiet", "--concurrency", 3, *work,
        )  # fmt: skip
        assert ended.code == 0, ended.err
        until(lambda: server.in_flight == 0)
    assert server.cancelled == 2
    reasons = [row["finish_reason"] for row in samples().values()]
    assert reasons[0] == "stop" and set(reasons[1:]) == {"time"}
    (vote,) = rows("votes")
    assert (vote["answer"], vote["supporters"]) == ("1", [0])


def test_time_that_one_problem_leaves_another_may_use() -> None:
    def script(turn: Asked) -> Reply:
        return solve(turn)._replace(delay=3.4 if (turn.problem, turn.turn) == (1, 1) else 0.0)

    time_bank = ("-o", "voter.n=2", "-o", "voter.seconds=3", "-o", "voter.spare_seconds=3")
    with scripted_server(answering(script)) as server:
        evaluate(server, "--voter", "sc-tir", *time_bank, *NUMINA, "--concurrency", 1)
    assert [row["finish_reason"] for row in samples().values()] == ["stop", "stop"]
    assert [vote["answer"] for vote in rows("votes")] == ["1", "3"]


def test_a_run_with_votes_is_continued_where_it_was() -> None:
    def dying(turn: Asked) -> Reply:
        return Reply(drop=True) if turn.problem == 1 and turn.sample == 1 else solve(turn)

    work = ("--voter", "majority", "--repeats", 3, "--concurrency", 1, "--retries", 1)
    with scripted_server(answering(dying)) as server:
        evaluate(server, *work, problems=3, code=1)
    assert [vote["problem_id"] for vote in rows("votes")] == ["test-0"]
    assert list(samples()) == [("test-0", 0), ("test-0", 1), ("test-1", 0)]

    with scripted_server(answering(solve)) as again:
        resume(again)
    assert turns(again) == [(1, 0), (1, 1)] + [(2, 0), (2, 1)] * 2  # one more decides problem 1, and two problem 2
    assert [(vote["problem_id"], vote["answer"], vote["ballots"]) for vote in rows("votes")] == [
        ("test-0", "1", 2), ("test-1", "3", 2), ("test-2", "5", 2),
    ]  # fmt: skip
    with scripted_server([]) as idle:
        resume(idle)
    assert summary()["vote"]["accuracy"]["value"] == 1.0


def test_votes_over_the_stored_samples_are_not_those_of_the_run() -> None:
    """A run that is continued holds its own again, by its own voter."""

    def dying(turn: Asked) -> Reply:
        return Reply(drop=True) if turn.problem == 1 and turn.sample == 2 else solve(turn)

    work = ("--voter", "majority", "-o", "voter.early_stop=false", "--repeats", 3, "--concurrency", 1, "--retries", 1)
    with scripted_server(answering(dying)) as server:
        evaluate(server, *work, code=1)
    by_modulo = ("vote", "run", "--voter", "sc-tir", "-o", "voter.modulo=2", "-o", "voter.require_code=false")
    assert skillforge("grade", "run").code == 0
    assert skillforge(*by_modulo).code == 0
    assert [vote["answer"] for vote in rows("votes")] == ["1", "1"]

    with scripted_server(answering(solve)) as again:
        resume(again)
    assert turns(again) == [(1, 0), (1, 1)] and len(samples()) == 6
    found = {vote["problem_id"]: (vote["answer"], vote["ballots"]) for vote in rows("votes")}
    assert found == {"test-0": ("1", 3), "test-1": ("3", 3)}
    assert summary()["vote"]["voter"].startswith("majority") and summary()["vote"]["problems"] == 2

    assert skillforge(*by_modulo).code == 0
    with scripted_server([]) as idle:
        resume(idle)
    assert summary()["vote"]["accuracy"]["value"] == 1.0 and summary()["vote"]["voter"].startswith("majority")


def test_attempts_of_a_candidate_share_its_wall_time() -> None:
    def script(turn: Asked) -> Reply:
        return said(7, delay=0.7) if turn.sample == 0 else solve(turn)

    with scripted_server(answering(script)) as server:
        evaluate(server, *SC_TIR, "-o", "rollout.wall_time=1", problems=1)
        until(lambda: server.in_flight == 0)
    assert 1 <= [asked(body).sample for body in server.requests].count(0) <= 2  # three turns, were there time
    assert samples()["test-0", 0]["finish_reason"] == "time"
    assert summary()["vote"]["restarts"] <= 1


def test_what_early_stop_leaves_out_is_in_no_curve() -> None:
    """Problem 0 is decided by three samples; the samples of problem 1 differ, so that all five are made."""

    def script(turn: Asked) -> Reply:
        return said(turn.sample if turn.problem else 1)

    with scripted_server(answering(script)) as server:
        evaluate(server, "--voter", "majority", "--repeats", 5, "--concurrency", 1)
    found = summary()
    assert found["samples_per_problem"] == 5 and set(found["pass_at"]) == set(found["maj_at"]) == {"1", "2", "3"}
    assert found["repeats"]["accuracy"] == {}
    report = Path("run/report.md").read_text()
    assert "3 to 5: the rest were not made" in report and "Repeats" not in report


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("-o", "voter.n=3"), "voter.n is set, but no voter; name one with --voter"),
        (("--voter", "", "--repeats", 2), "unknown voter ''"),
        (("--voter", "sc-tir", "--prompt", "chat"), "'sc-tir' counts samples that have run code"),
        (("--voter", "sc-tir", "-o", "voter.depth=1"), "with voter.depth=1 no code runs"),
        (("--voter", "weighted", "-o", "voter.weight=reward", "--repeats", 2), "have no rewards to vote with"),
        (
            ("--voter", "weighted", "-o", "voter.weight=entropy", "--repeats", 2, "--logprobs", 0),
            "the voter 'weighted' needs --logprobs 5, or more; leave --logprobs out",
        ),
    ],
)
def test_a_vote_that_cannot_be_is_refused_before_anything_is_asked(options: tuple[str, ...], error: str) -> None:
    with scripted_server([]) as server:
        ended = evaluate(server, *options, code=2)
    assert error in ended.err and not server.requests and not Path("run").exists()


def test_a_vote_that_the_stored_samples_decide_asks_for_no_more() -> None:
    """Killed between a sample and the vote that it has decided."""
    work = ("--voter", "majority", "--repeats", 5, "--concurrency", 1)
    with scripted_server(answering(solve)) as server:
        evaluate(server, *work)
        stored = rows("votes")
        Path("run/votes.jsonl").unlink()
        resume(server)
    assert turns(server) == [(0, 0), (0, 1)] * 3 + [(1, 0), (1, 1)] * 3
    assert rows("votes") == stored
