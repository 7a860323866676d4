"""Requests in batches, to a server that was written for it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_server import BatchServer, Running

from skillforge import (
    BackendUnusable,
    Client,
    Completion,
    Message,
    ModelRef,
    Request,
    RequestFailed,
    RequestRefused,
    Sampling,
    Target,
)
from skillforge_openai import OpenAIBackend, OpenAIOptions, batches
from skillforge_openai.batch_records import KEPT_SECONDS


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(batches, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(batches, "PAUSE_FIRST", 0.01)
    with Running() as running:
        yield running


@pytest.fixture
def server(running: Running) -> BatchServer:
    return running.server


Do = Callable[[Client], Awaitable[Any]]


class Evaluation:
    """What a run does with a client, as often as it is started."""

    def __init__(self, url: str, folder: Path) -> None:
        self._target = Target(ModelRef("m", "m"), url)
        self._options = OpenAIOptions(batch=True, batch_dir=str(folder), timeout=5)

    def run(self, do: Do, **options: Any) -> Any:
        async def go() -> Any:
            given = {"batch": True, "batch_dir": self._options.batch_dir, "timeout": 5, **options}
            async with OpenAIBackend().open(self._target, OpenAIOptions(**given)) as client:
                return await asyncio.wait_for(do(client), 20)

        return asyncio.run(go())


@pytest.fixture
def evaluation(running: Running, tmp_path: Path) -> Evaluation:
    return Evaluation(running.url, tmp_path / "batches")


def ask(*questions: str) -> Do:
    """Ask all at once; a list of completions and errors."""

    async def do(client: Client) -> list[Any]:
        requests = (Request((Message("user", question),), Sampling()) for question in questions)
        return await asyncio.gather(*map(client.complete, requests), return_exceptions=True)

    return do


def crash(*questions: str, when: Callable[[], bool]) -> Do:
    """Ask, and break off as a process that is killed: nothing is tidied up behind it."""

    async def do(client: Client) -> None:
        task = asyncio.ensure_future(ask(*questions)(client))
        while not when():
            await asyncio.sleep(0.01)
        task.cancel()
        raise RuntimeError("killed")

    return do


def records(folder: Path) -> list[list[dict[str, Any]]]:
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in sorted(folder.rglob("*.jsonl"))]


def test_requests_of_a_moment_go_in_one_batch(evaluation: Evaluation, server: BatchServer, tmp_path: Path) -> None:
    found = evaluation.run(ask(*(f"What is {n} + 1?" for n in range(40))))
    assert [each.text for each in found] == [f"#### {n + 1}" for n in range(40)]
    assert (found[0].finish_reason, found[0].prompt_tokens, found[0].completion_tokens) == ("stop", 9, 3)
    assert len(server.batches) == 1
    row = json.loads(server.files["file-0"].splitlines()[3])
    assert row["body"] == {"model": "m", "messages": [{"role": "user", "content": "What is 3 + 1?"}]}
    assert not records(tmp_path)  # all is done with


def test_later_requests_go_in_further_batches(evaluation: Evaluation, server: BatchServer) -> None:
    async def turns(client: Client) -> list[str]:
        return [(await ask(f"What is {n} + 1?")(client))[0].text for n in range(3)]

    assert evaluation.run(turns) == ["#### 1", "#### 2", "#### 3"]
    assert len(server.batches) == 3


def test_chat_and_text_go_in_batches_of_their_own(evaluation: Evaluation, server: BatchServer) -> None:
    async def both(client: Client) -> list[Completion]:
        prompts = ((Message("user", "What is 1 + 1?"),), "What is 1 + 2?")
        return await asyncio.gather(*(client.complete(Request(prompt, Sampling())) for prompt in prompts))

    evaluation.run(both)
    assert {batch["endpoint"] for batch in server.batches.values()} == {"/v1/chat/completions", "/v1/completions"}


def test_the_responses_api_goes_in_batches_too(evaluation: Evaluation, server: BatchServer) -> None:
    found = evaluation.run(ask("What is 1 + 1?"), api="responses")
    assert isinstance(found[0], RequestFailed)  # the server answers as to a chat
    assert [batch["endpoint"] for batch in server.batches.values()] == ["/v1/responses"]


@pytest.mark.parametrize("limit", ["MOST_REQUESTS", "MOST_BYTES"])
def test_a_batch_is_split_where_it_gets_too_large(
    evaluation: Evaluation, server: BatchServer, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(batches, limit, {"MOST_REQUESTS": 10, "MOST_BYTES": 3000}[limit])
    found = evaluation.run(ask(*(f"What is {n:2} + 1?" for n in range(10, 35))))
    assert [each.text for each in found] == [f"#### {n + 1}" for n in range(10, 35)]
    assert len(server.batches) == 3
    assert max(len(server.files[batch["input_file_id"]]) for batch in server.batches.values()) <= 3000


def test_equal_requests_get_an_answer_each(evaluation: Evaluation) -> None:
    found = evaluation.run(ask(*["Say something."] * 5))
    assert len({each.text for each in found}) == 5


def test_a_cancelled_request_is_dropped(evaluation: Evaluation, server: BatchServer) -> None:
    async def do(client: Client) -> list[Any]:
        doomed = asyncio.ensure_future(client.complete(Request((Message("user", "What is 1 + 1?"),), Sampling())))
        await asyncio.sleep(0.01)
        doomed.cancel()
        return await ask("What is 1 + 2?")(client)

    assert [each.text for each in evaluation.run(do)] == ["#### 3"]
    assert server.answered == 1


def test_all_capabilities_but_streaming() -> None:
    able = OpenAIBackend().capabilities(OpenAIOptions(batch=True))
    assert OpenAIBackend().capabilities(OpenAIOptions()) - able == {"stream"}


# Ends of a batch --------------------------------------------------------------------------------------------------


def test_refused_and_failed_requests_are_told_apart(evaluation: Evaluation, server: BatchServer) -> None:
    server.failures = {
        "one": (400, {"error": {"message": "no good: Answer one."}}),
        "two": (429, {"error": {"message": "busy"}}),
        "three": (200, {"nonsense": 1}),
    }
    questions = ("Answer one.", "Answer two, if you can.", "Answer three.", "What is 1 + 1?")
    one, two, three, fine = evaluation.run(ask(*questions))
    assert isinstance(one, RequestRefused)
    assert "Answer one" not in str(one)
    assert isinstance(two, RequestFailed)
    assert two.throttled
    assert isinstance(three, RequestFailed)
    assert fine.text == "#### 2"


def test_an_expired_batch_gives_the_rest_another_try(evaluation: Evaluation, server: BatchServer) -> None:
    server.end, server.unanswered = "expired", 2
    questions = [f"What is {n} + 1?" for n in range(5)]

    async def twice(client: Client) -> list[Any]:
        first = await ask(*questions)(client)
        server.end = "completed"
        again = [question for question, found in zip(questions, first, strict=True) if isinstance(found, RequestFailed)]
        return [*first, *await ask(*again)(client)]

    found = evaluation.run(twice)
    assert [isinstance(each, RequestFailed) for each in found] == [True, True, False, False, False, False, False]
    assert "in time" in str(found[0])
    assert [each.text for each in found[5:]] == ["#### 1", "#### 2"]
    assert server.answered == 5


@pytest.mark.parametrize(
    ("end", "said"), [("failed", "failed: Enqueued token limit reached, see …/x."), ("cancelled", "was cancelled")]
)
def test_a_batch_that_is_undone_stops_the_run_and_is_submitted_again(
    evaluation: Evaluation, server: BatchServer, end: str, said: str
) -> None:
    server.end, server.unanswered = end, 2
    (error, *_) = evaluation.run(ask("What is 1 + 1?", "What is 2 + 1?"))
    assert isinstance(error, BackendUnusable)
    assert f"batch_0 {said}" in str(error)
    server.end = "completed"
    assert [each.text for each in evaluation.run(ask("What is 1 + 1?", "What is 2 + 1?"))] == ["#### 2", "#### 3"]


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_server_without_batches(evaluation: Evaluation, server: BatchServer, status: int) -> None:
    server.faults = {"POST /v1/files": [status]}
    (error,) = evaluation.run(ask("What is 1 + 1?"))
    assert isinstance(error, BackendUnusable)
    assert "told to fail in …/x" in error.what
    assert "backend.batch" in error.fix


def test_a_refused_key_stops_the_run_and_the_batch_is_found_again(
    evaluation: Evaluation, server: BatchServer, tmp_path: Path
) -> None:
    server.faults = {"GET /v1/batches/": [401]}
    (error,) = evaluation.run(ask("What is 1 + 1?"))
    assert isinstance(error, BackendUnusable)
    assert len(records(tmp_path)) == 1
    assert [each.text for each in evaluation.run(ask("What is 1 + 1?"))] == ["#### 2"]
    assert (len(server.batches), server.answered) == (1, 1)


def test_faults_while_a_batch_runs_are_waited_out(evaluation: Evaluation, server: BatchServer) -> None:
    server.faults = {"GET /v1/batches/": [500, 503, 429, 502]}
    assert [each.text for each in evaluation.run(ask("What is 1 + 1?"))] == ["#### 2"]


def test_a_server_that_stays_silent_fails_the_requests_which_find_the_batch_again(
    evaluation: Evaluation, server: BatchServer
) -> None:
    server.looks_until_done = -1
    server.faults = {"GET /v1/batches/": [503] * 1000}

    async def twice(client: Client) -> list[Any]:
        first = await ask("What is 1 + 1?")(client)
        server.faults, server.looks_until_done = {}, 0
        return [*first, *await ask("What is 1 + 1?")(client)]

    error, found = evaluation.run(twice, timeout=0.2)
    assert isinstance(error, RequestFailed)
    assert found.text == "#### 2"
    assert len(server.batches) == 1


def test_a_batch_whose_making_was_not_answered_is_found(evaluation: Evaluation, server: BatchServer) -> None:
    server.lose_next_creation = True
    assert [each.text for each in evaluation.run(ask("What is 1 + 1?"))] == ["#### 2"]
    assert len(server.batches) == 1


# Continued --------------------------------------------------------------------------------------------------------

QUESTIONS = tuple(f"What is {n} + 1?" for n in range(6))


def test_a_running_batch_is_found_by_the_next_process(
    evaluation: Evaluation, server: BatchServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.looks_until_done = -1
    with pytest.raises(RuntimeError, match="killed"), caplog.at_level(logging.WARNING):
        evaluation.run(crash(*QUESTIONS, when=lambda: bool(server.batches) and server.batches["batch_0"]["looks"] > 2))
    assert "goes on with batch_0" in caplog.text
    server.looks_until_done = 3
    found = evaluation.run(ask(*QUESTIONS[2:], "What is 9 + 9?"))
    assert [each.text for each in found] == ["#### 3", "#### 4", "#### 5", "#### 6", "#### 18"]
    assert [len(server.files[batch["input_file_id"]].splitlines()) for batch in server.batches.values()] == [6, 1]


def test_the_answers_of_a_finished_batch_are_found_by_the_next_process(
    evaluation: Evaluation, server: BatchServer
) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        evaluation.run(crash(*QUESTIONS, when=lambda: any("content" in call for call in server.calls)))
    assert [each.text for each in evaluation.run(ask(*QUESTIONS))] == [f"#### {n + 1}" for n in range(6)]
    assert (len(server.batches), server.answered) == (1, 6)


def test_of_equal_requests_those_are_taken_that_were_not_stored(evaluation: Evaluation, server: BatchServer) -> None:
    equal = ["Say something."] * 5

    async def store_two(client: Client) -> None:
        found = await ask(*equal)(client)
        first.extend(each.text for each in found[:2])
        every.extend(each.text for each in found)
        raise RuntimeError("killed")

    first: list[str] = []
    every: list[str] = []
    with pytest.raises(RuntimeError, match="killed"):
        evaluation.run(store_two)
    rest = [each.text for each in evaluation.run(ask(*equal[2:]))]
    assert sorted(first + rest) == sorted(every)
    assert server.answered == 5


def test_more_equal_requests_than_before_are_submitted(evaluation: Evaluation, server: BatchServer) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        evaluation.run(crash("Say something.", when=lambda: server.answered == 1))
    found = evaluation.run(ask("Say something.", "Say something."))
    assert len({each.text for each in found}) == 2
    assert server.answered == 2


def test_a_batch_of_which_only_the_file_was_noted_is_found(
    evaluation: Evaluation, server: BatchServer, tmp_path: Path
) -> None:
    server.looks_until_done = -1
    with pytest.raises(RuntimeError, match="killed"):
        evaluation.run(crash(*QUESTIONS, when=lambda: bool(server.batches) and server.batches["batch_0"]["looks"] > 0))
    (file,) = tmp_path.glob("batches/*/*.jsonl")
    file.write_bytes(file.read_bytes().split(b"\n")[0] + b'\n{"batch": "bat')
    server.looks_until_done = 0
    assert [each.text for each in evaluation.run(ask(*QUESTIONS))] == [f"#### {n + 1}" for n in range(6)]
    assert len(server.batches) == 1


def test_what_expired_in_an_earlier_process_is_submitted_again(evaluation: Evaluation, server: BatchServer) -> None:
    server.end, server.unanswered = "expired", 2
    with pytest.raises(RuntimeError, match="killed"):
        evaluation.run(crash(*QUESTIONS, when=lambda: server.answered == 4))
    server.end = "completed"

    async def one_after_the_other(client: Client) -> list[str]:
        found = []
        for question in reversed(QUESTIONS):
            (answer,) = await ask(question)(client)
            if isinstance(answer, RequestFailed):
                (answer,) = await ask(question)(client)
            found.append(answer.text)
        return found

    assert evaluation.run(one_after_the_other) == [f"#### {n + 1}" for n in reversed(range(6))]
    assert server.answered == 6


@pytest.mark.parametrize("lost", ["batch", "file"])
def test_a_batch_that_is_gone_is_submitted_again(evaluation: Evaluation, server: BatchServer, lost: str) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        evaluation.run(crash(*QUESTIONS, when=lambda: server.answered == 6))
    if lost == "batch":
        server.batches.clear()
    else:
        server.files.clear()

    async def twice(client: Client) -> list[Any]:
        gone = await ask(*QUESTIONS)(client)
        assert all(isinstance(each, RequestFailed) for each in gone)
        return await ask(*QUESTIONS)(client)

    assert [each.text for each in evaluation.run(twice)] == [f"#### {n + 1}" for n in range(6)]


@pytest.mark.parametrize("damage", ["torn", "old", "empty", "other"])
def test_a_record_that_is_of_no_use_is_passed_over(
    evaluation: Evaluation, server: BatchServer, tmp_path: Path, damage: str
) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        evaluation.run(crash(*QUESTIONS, when=lambda: server.answered == 6))
    (file,) = tmp_path.glob("batches/*/*.jsonl")
    first = json.loads(file.read_text().splitlines()[0])
    first["time"] -= KEPT_SECONDS
    file.write_text({"torn": '{"time": 1', "old": json.dumps(first) + "\n", "empty": "", "other": "[1]\n"}[damage])
    assert [each.text for each in evaluation.run(ask(*QUESTIONS))] == [f"#### {n + 1}" for n in range(6)]
    assert len(server.batches) == 2


def test_a_process_does_not_take_the_answers_of_another(evaluation: Evaluation, server: BatchServer) -> None:
    async def beside(client: Client) -> list[Any]:
        mine = asyncio.ensure_future(ask("Say something.")(client))
        while not server.batches:
            await asyncio.sleep(0.01)
        theirs = await asyncio.to_thread(evaluation.run, ask("Say something."))
        return [*await mine, *theirs]

    found = evaluation.run(beside)
    assert len({each.text for each in found}) == 2
    assert len(server.batches) == 2


def test_the_records_are_for_one_server_and_model(running: Running, server: BatchServer, tmp_path: Path) -> None:
    server.looks_until_done = -1
    with pytest.raises(RuntimeError, match="killed"):
        Evaluation(running.url, tmp_path).run(
            crash("What is 1 + 1?", when=lambda: bool(records(tmp_path)) and len(records(tmp_path)[0]) == 2)
        )
    server.looks_until_done = 0
    Evaluation(running.url.replace("127.0.0.1", "localhost"), tmp_path).run(ask("What is 1 + 1?"))
    assert len(server.batches) == 2


def test_the_folder_is_below_the_users_cache(
    running: Running, server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    Evaluation(running.url, tmp_path).run(ask("What is 1 + 1?"), batch_dir=None)
    assert [folder.name[:2] for folder in (tmp_path / "skillforge" / "batches").iterdir()] == ["m-"]


def test_a_folder_that_cannot_be_made_is_a_usage_error(running: Running, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="batch_dir"):
        Evaluation(running.url, tmp_path / "file").run(ask("What is 1 + 1?"))


def test_the_preview_says_how_it_is_sent() -> None:
    request, target = Request((Message("user", "2 + 2?"),), Sampling()), Target(ModelRef("m", "m"), "http://host")
    shown = OpenAIBackend().preview(request, target, OpenAIOptions(batch=True))
    assert shown.startswith(
        "in a file for POST http://host/v1/batches, as a line for\nPOST http://host/v1/chat/completions\n{"
    )
