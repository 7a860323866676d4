"""A model as judge, from the command line to a server: `skillforge eval` and `skillforge grade` with `--grader judge`."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, skillforge

pytest.importorskip("skillforge_openai")
pytest.importorskip("skillforge_judge_grader")
pytestmark = pytest.mark.usefixtures("scripted")

FENCED = re.compile(r"^(`{3,})\n(.*?)\n\1$", re.DOTALL | re.MULTILINE)


class JudgeServer:
    """Answers with what `reply` makes of the texts between fences; None closes the connection.

    It may be gone for a while, and comes back at the same address.
    """

    def __init__(self, reply: Callable[[list[str]], str | None]) -> None:
        judge = self
        self.reply = reply
        self.asked: list[list[str]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send({"object": "list", "data": [{"id": "wise"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                texts = [text for _, text in FENCED.findall(body["messages"][0]["content"])]
                judge.asked.append(texts)
                content = judge.reply(texts)
                if content is None:
                    self.close_connection = True
                    return
                message = {"role": "assistant", "content": content}
                self.send({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

            def send(self, answer: Any) -> None:
                content = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._listen = lambda port: Server(("127.0.0.1", port), Handler)
        self._server = self._listen(0)
        self._port = self._server.server_address[1]
        self.address = f"http://127.0.0.1:{self._port}/v1"

    @contextlib.contextmanager
    def serving(self) -> Iterator[JudgeServer]:
        self._start()
        try:
            yield self
        finally:
            self._stop()

    def leave(self, seconds: float) -> None:
        """Be gone for so long, for all but those whose connections are open."""
        self._stop()

        def come_back() -> None:
            self._server = self._listen(self._port)
            self._start()

        threading.Timer(seconds, come_back).start()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def judge(reply: Callable[[list[str]], str | None]) -> Iterator[JudgeServer]:
    with JudgeServer(reply).serving() as server:
        yield server


def by_value(texts: list[str]) -> str:
    """What an upright judge says of two numbers."""
    return f"I compare them.\nVerdict: {'Yes' if int(texts[0]) == int(texts[1]) else 'No'}"


def evaluate(server: JudgeServer, *more: object, code: int = 0, out: str = "run") -> Ended:
    ended = skillforge(
        "eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--out", out, "--quiet", "--seed", 1,
        "--repeats", 2, "--grader", "judge", *options(server), *more,
    )  # fmt: skip
    assert ended.code == code, ended.err
    return ended


def grade(server: JudgeServer, *more: object, code: int = 0, run: str = "run") -> Ended:
    ended = skillforge("grade", run, "--grader", "judge", *options(server), *more)
    assert ended.code == code, ended.err
    return ended


def options(server: JudgeServer) -> tuple[str, ...]:
    return (
        "-o", f"grader.base_url={server.address}", "-o", "grader.model=wise", "-o", "grader.retries=0",
        "-o", "grader.concurrency=1",
    )  # fmt: skip


def states(run: str = "run") -> dict[str, int]:
    return Counter(row["state"] for row in verdicts(run))


def verdicts(run: str = "run") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(run, "verdicts.jsonl").read_text().splitlines()]


def plain_run(out: str = "run") -> None:
    """A run that was judged by comparing numbers."""
    ended = skillforge(
        "eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--out", out, "--quiet", "--seed", 1,
        "--repeats", 2,
    )  # fmt: skip
    assert ended.code == 0, ended.err


def test_an_evaluation_is_judged_by_a_model() -> None:
    plain_run("plain")
    with judge(by_value) as server:
        evaluate(server)
    assert states() == states("plain")
    wrong = [row for row in verdicts() if row["state"] == "wrong"]
    assert wrong and {row["reason"] for row in wrong} == {"last number; the judge says: no"}
    assert len(server.asked) == len(set(map(tuple, server.asked))), "a question was asked twice"
    assert all(first != second for first, second in server.asked), "identical texts were asked about"
    stored = json.loads(Path("run/run.json").read_text())
    assert stored["resolved"]["grader"] == "skillforge-judge-grader:judge"
    assert stored["resolved"]["options"]["grader"]["model"] == "wise"


def test_grading_again_asks_nothing_even_without_a_server() -> None:
    plain_run()
    before = states()
    with judge(by_value) as server:
        grade(server)
        asked = len(server.asked)
        assert states() == before and asked > 0
        grade(server)
        assert len(server.asked) == asked
    grade(server)  # it is gone
    assert states() == before
    ended = skillforge("eval", "--resume", "run", "--quiet")  # nothing is left to do, and the judge is the run's grader
    assert ended.code == 0, ended.err


def test_a_judge_that_goes_away_costs_verdicts_and_they_are_asked_for_later() -> None:
    plain_run()
    before = states()
    asked = 0

    def leaving(texts: list[str]) -> str | None:
        nonlocal asked
        asked += 1
        return by_value(texts) if asked <= 2 else None

    with judge(leaving) as server:
        grade(server, code=3)
    errors = [row for row in verdicts() if row["state"] == "error"]
    assert errors and all("the judge gave no reply" in row["reason"] for row in errors)
    assert states()["wrong"] == 2, "what was not answered must not be wrong"
    with judge(by_value) as server:
        grade(server)
    assert states() == before and len(server.asked) == len(errors)


def test_a_judge_whose_server_restarts_in_mid_run_costs_no_verdict() -> None:
    plain_run()
    before = states()

    def leaving(texts: list[str]) -> str | None:
        if len(server.asked) == 3:
            server.leave(0.5)
            return None
        return by_value(texts)

    with judge(leaving) as server:
        told = " ".join(grade(server).err.split())
    assert states() == before
    assert re.search("the judge: [^;]+; waiting up to 10 min for the server to be back the judge: the server ans", told)
    unanswered = server.asked.pop(2)
    assert len(server.asked) == len(set(map(tuple, server.asked))) and unanswered in server.asked


def test_an_evaluation_whose_judge_goes_away_keeps_its_samples_and_resumes() -> None:
    plain_run("plain")
    asked = 0

    def leaving(texts: list[str]) -> str | None:
        nonlocal asked
        asked += 1
        return by_value(texts) if asked == 1 else None

    with judge(leaving) as server:
        ended = evaluate(server, code=3)
    assert "could not be judged" in ended.err and sum(states().values()) == 24
    samples = Path("run/samples.jsonl").read_bytes()
    with judge(by_value) as server:
        ended = skillforge("eval", "--resume", "run", "--quiet", "-o", f"grader.base_url={server.address}")
        assert ended.code == 0, ended.err
    assert json.loads(Path("run/summary.json").read_text())["error"] == 0
    assert Path("run/samples.jsonl").read_bytes() == samples
    summaries = [json.loads(Path(run, "summary.json").read_text()) for run in ("run", "plain")]
    assert summaries[0]["accuracy"] == summaries[1]["accuracy"]


def test_replies_that_cannot_be_parsed_are_errors_and_are_counted() -> None:
    plain_run()
    with judge(lambda texts: "Verdict: Yes\nVerdict: No") as server:
        grade(server, code=3)
    assert states()["wrong"] == 0 and states()["error"] > 0
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["error"] == states()["error"]
    reasons = {row["reason"] for row in verdicts() if row["state"] == "error"}
    assert reasons == {"judge's reply could not be parsed: it gives several verdicts: no, yes"}


def test_a_judge_that_prefers_the_first_place_never_wins_or_loses() -> None:
    plain_run()

    def biased(texts: list[str]) -> str:
        return "Verdict: Yes" if int(texts[0]) < int(texts[1]) else "Verdict: No"

    with judge(biased) as server:
        grade(server)
        one_order = states()
        grade(server, "-o", "grader.swap=true", code=3)
    assert one_order["wrong"] + one_order["correct"] == 24
    asked = [row for row in verdicts() if row.get("reason") != "last number; identical text"]
    assert {row["state"] for row in asked} == {"error"}
    assert all("undecided: " in row["reason"] for row in asked)


def test_what_cannot_work_is_refused_before_anything_is_asked_or_stored() -> None:
    ended = skillforge("eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--grader", "judge")
    assert ended.code == 2 and "no model is named that judges" in ended.err and not Path("runs").exists()
    ended = skillforge(
        "eval", "--benchmark", "scripted-sums", "--model", "scripted-model", "--grader", "judge", "--out", "run",
        "-o", "grader.base_url=http://127.0.0.1:1/v1", "-o", "grader.model=wise",
    )  # fmt: skip
    assert ended.code == 1 and "the judge: cannot reach http://127.0.0.1:1/v1" in ended.err, ended.err
    assert "correct -o grader.base_url" in ended.err and not Path("run").exists()
    with judge(by_value) as server:
        more = ("-o", f"grader.base_url={server.address}", "-o", "grader.model=wiser")
        ended = skillforge(
            "eval",
            "--benchmark",
            "scripted-sums",
            "--model",
            "scripted-model",
            "--grader",
            "judge",
            "--out",
            "run",
            *more,
        )
        assert (
            ended.code == 1 and "has no model 'wiser'; did you mean 'wise'?" in ended.err and not Path("run").exists()
        )
        plain_run()
        before = Path("run/verdicts.jsonl").read_bytes()
        ended = skillforge("grade", "run", "--grader", "judge", *more)
        assert ended.code == 1 and Path("run/verdicts.jsonl").read_bytes() == before


def test_a_judge_whose_engine_is_started_tells_so() -> None:
    plain_run()
    ended = skillforge(
        "grade", "run", "--grader", "judge", "-o", "grader.model=wise", "-o", "grader.backend=scripted",
        "-o", "grader.backend_options=log=engine.log",
    )  # fmt: skip
    told = " ".join(ended.err.split())
    assert "the judge: starting the engine; its output is in engine.log" in told
    assert re.search(r"the judge: the engine is ready after \d+ s", told)
