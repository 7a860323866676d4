"""Answers that a test wrote down: broken ones, and what is sent."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import (
    BackendUnusable,
    Client,
    ContextOverflow,
    Message,
    ModelRef,
    Request,
    RequestFailed,
    RequestRefused,
    Sampling,
    SkillForgeError,
    Target,
    UsageError,
)
from skillforge_nemo_backend import NemoBackend, NemoOptions

SECRET_PROMPT = 'A secret prompt with "quotes"\nand lines.'


def completed(lab: SimpleNamespace, answer: Callable[[str, str, Any], Any], request: Request, **options: Any) -> Any:
    """(completion or error, what the server got)."""

    async def go() -> Any:
        async with lab.Written(answer) as server:
            target = Target(ModelRef(lab.MODEL, lab.MODEL), server.url)
            async with NemoBackend().open(target, NemoOptions(**options)) as client:
                try:
                    return await client.complete(request), server.received
                except SkillForgeError as error:
                    return error, server.received

    return asyncio.run(asyncio.wait_for(go(), 30))


def put(lab: SimpleNamespace, status: int, body: Any, prompt: Any = SECRET_PROMPT, **sampling: Any) -> Any:
    return completed(lab, lambda *_: (status, body), Request(prompt, Sampling(**sampling)), protocol="classic")


def posted(lab: SimpleNamespace, status: int, body: Any, prompt: Any = SECRET_PROMPT, **sampling: Any) -> Any:
    return completed(lab, lambda *_: (status, body), Request(prompt, Sampling(**sampling)), protocol="openai")


# What is sent -----------------------------------------------------------------------------------------------------


def test_only_what_was_asked_for_is_put(lab: SimpleNamespace) -> None:
    _, received = put(lab, 200, {"sentences": [SECRET_PROMPT]})
    assert received == [("PUT", "/generate", {"sentences": [SECRET_PROMPT]})]


def test_settings_go_by_the_names_of_the_server(lab: SimpleNamespace) -> None:
    sampling = {
        "temperature": 0.7,
        "top_k": 5,
        "top_p": 0.9,
        "max_tokens": 9,
        "stop": ("X",),
        "repetition_penalty": 1.1,
    }
    _, [(_, _, body)] = put(lab, 200, {"sentences": [SECRET_PROMPT]}, **sampling)
    assert body == {
        "sentences": [SECRET_PROMPT], "temperature": 0.7, "top_k": 5, "top_p": 0.9, "tokens_to_generate": 9,
        "end_strings": ["<|endoftext|>", "X"], "repetition_penalty": 1.1, "compute_logprob": True,
    }  # fmt: skip


def test_greedy_is_said_in_the_words_of_each_protocol(lab: SimpleNamespace) -> None:
    sampling = {"temperature": 0.0, "top_p": 0.9, "top_k": 7}
    _, [(_, _, classic)] = put(lab, 200, {"sentences": [SECRET_PROMPT]}, **sampling)
    assert classic == {"sentences": [SECRET_PROMPT], "greedy": True}
    _, [(_, path, body)] = posted(lab, 200, {"choices": [{"text": "4"}]}, **sampling)
    assert path == "/v1/completions/"
    assert body == {"model": lab.MODEL, "prompt": SECRET_PROMPT, "temperature": 0, "top_k": 1}


def test_preview_shows_both_protocols_where_either_may_be_found() -> None:
    def preview(prompt: Any, protocol: Any) -> str:
        target = Target(ModelRef("m", "m"), "http://host:5000")
        return NemoBackend().preview(Request(prompt, Sampling()), target, NemoOptions(protocol=protocol))

    chat = (Message("user", "Hello"),)
    assert preview("Hello", "classic").startswith("PUT http://host:5000/generate\n")
    assert preview("Hello", "openai").startswith("POST http://host:5000/v1/completions/\n")
    assert "PUT " in preview("Hello", "auto")
    assert "POST " in preview("Hello", "auto")
    assert preview(chat, "auto").startswith("POST http://host:5000/v1/chat/completions/\n")
    with pytest.raises(UsageError, match="raw text"):
        preview(chat, "classic")


def test_a_base_url_is_needed() -> None:
    with pytest.raises(UsageError, match="the backend 'nemo' needs the address"):
        NemoBackend().open(Target(ModelRef("m", "m")), NemoOptions())


def test_batches_are_refused_where_there_are_none() -> None:
    with pytest.raises(UsageError, match=r"'backend.batch_size' has no meaning with protocol=openai"):
        NemoBackend().open(Target(ModelRef("m", "m"), "http://host:1024"), NemoOptions(protocol="openai", batch_size=8))


# Answers of the classic server ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (200, b'{"sentences": ["A', RequestFailed, "malformed JSON"),
        (200, [1, 2], RequestFailed, "unknown form"),
        (200, {"sentences": [1]}, RequestFailed, "unknown form"),
        (200, {"sentences": []}, RequestFailed, "0 sentences for 1"),
        (200, {"sentences": [""]}, RequestFailed, "an empty sentence"),
        (200, b"[" * 100_000, RequestFailed, "malformed JSON"),
        (200, "top_p must be a positive number", UsageError, "refuses the settings: top_p must be"),
        (200, f"what is {SECRET_PROMPT} in /opt/nemo/serve.py", UsageError, r"what is \[prompt\] in …/serve.py"),
        (400, "Maximum number of sentences is 128", RequestRefused, "Maximum number"),
        (400, {"message": f"bad: {SECRET_PROMPT}"}, RequestRefused, r"bad: \[prompt\]"),
        (401, {}, BackendUnusable, "wants a key"),
        (404, b"<html>", BackendUnusable, r"does not take PUT http://127.0.0.1:\d+/generate"),
        (500, {"message": "Internal Server Error"}, RequestRefused, "failed on this request"),
        (503, b"<html>", RequestFailed, "HTTP 503"),
    ],
)
def test_what_is_no_completion_is_told(
    lab: SimpleNamespace, status: int, body: Any, error: type[Exception], said: str
) -> None:
    found, _ = put(lab, status, body)
    with pytest.raises(error, match=said):
        raise found
    assert "secret" not in str(found)
    assert "\n" not in str(found)


@pytest.mark.parametrize("ask", [put, posted])
def test_an_answer_without_end_is_not_read_to_its_end(lab: SimpleNamespace, ask: Any) -> None:
    found, _ = ask(lab, 200, b"7" * (65 * 2**20))
    assert isinstance(found, RequestFailed)
    assert "more than 64 MiB" in str(found)


def test_a_list_of_models_without_end_is_not_read_to_its_end(lab: SimpleNamespace) -> None:
    found = checked(lab, lambda *_: (200, b"7" * (65 * 2**20)), protocol="openai")
    assert isinstance(found, BackendUnusable)
    assert "more than 64 MiB; correct --base-url" in str(found)


def test_a_prompt_that_comes_back_cut_is_too_long(lab: SimpleNamespace) -> None:
    found, _ = put(lab, 200, {"sentences": [SECRET_PROMPT[:20]]})
    assert isinstance(found, ContextOverflow)
    assert found.room == 0
    assert "secret" not in str(found)


def test_a_reply_without_tokens_is_read_for_what_it_tells(lab: SimpleNamespace) -> None:
    done, _ = put(lab, 200, {"sentences": [SECRET_PROMPT + " four END five"]}, stop=("END",))
    assert (done.text, done.stop, done.finish_reason, done.completion_tokens) == (" four ", "END", "stop", None)
    done, _ = put(lab, 200, {"sentences": [SECRET_PROMPT + " four"]})
    assert (done.text, done.stop, done.finish_reason) == (" four", None, None)


def test_numbers_that_are_not_json_and_half_characters_are_read(lab: SimpleNamespace) -> None:
    body = b'{"sentences": ["Hi \\ud83d"], "tokens": [["Hi", " \\ud83d", "</s>"]], "logprob": [[NaN, -Infinity]]}'
    done, _ = put(lab, 200, body, prompt="Hi")
    assert done.text == " \ufffd"


def test_sentencepiece_tokens_are_counted(lab: SimpleNamespace) -> None:
    tokens = ["▁Give", "▁me", ":", "▁an", "▁é", "<0xE2>", "<0x82>", "<0xAC>", "▁of", "▁it", "</s>"]
    for most, text, reason in ((9, " an é€ of it", "stop"), (6, " an é€ of", "length"), (2, " an é", "length")):
        done, _ = put(
            lab, 200, {"sentences": ["Give me: an é€ of it"], "tokens": [tokens]}, "Give me:", max_tokens=most
        )
        assert (done.text, done.finish_reason, done.completion_tokens) == (text, reason, min(most, 7))


def test_reasoning_is_kept_apart(lab: SimpleNamespace) -> None:
    done, _ = put(lab, 200, {"sentences": ["Hi<think>so</think>four"]}, prompt="Hi")
    assert (done.text, done.reasoning) == ("four", "so")


def test_a_key_is_sent_and_never_shown(lab: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMO_API_KEY", "nv-very-secret-key")
    found, _ = put(lab, 403, {"message": "no nv-very-secret-key"})
    assert "NEMO_API_KEY" in str(found)
    assert "very-secret" not in str(found)


# Batches ----------------------------------------------------------------------------------------------------------


def test_who_leaves_before_the_batch_goes_is_not_sent(lab: SimpleNamespace) -> None:
    async def go() -> list[Any]:
        async with lab.Written(
            lambda _, __, body: (200, {"sentences": [f"{each}!" for each in body["sentences"]]})
        ) as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with NemoBackend().open(target, NemoOptions(protocol="classic")) as client:
                tasks = [asyncio.create_task(client.complete(Request(f"prompt {n}", Sampling()))) for n in range(4)]
                await asyncio.sleep(0)
                tasks[1].cancel()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                assert [getattr(each, "text", None) for each in done] == ["!", None, "!", "!"]
                return server.received

    [(_, _, body)] = asyncio.run(asyncio.wait_for(go(), 30))
    assert body == {"sentences": ["prompt 0", "prompt 2", "prompt 3"]}


def test_a_batch_that_nobody_waits_for_is_given_up(lab: SimpleNamespace) -> None:
    async def go() -> None:
        async with lab.Written(lambda *_: "hang") as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with NemoBackend().open(target, NemoOptions(protocol="classic")) as client:
                tasks = [asyncio.create_task(client.complete(Request("Hi", Sampling()))) for _ in range(2)]
                while not server.received:
                    await asyncio.sleep(0.01)
                tasks[0].cancel()
                await asyncio.sleep(0.05)
                assert not server.lost.is_set()
                tasks[1].cancel()
                await asyncio.wait_for(server.lost.wait(), 5)

    asyncio.run(asyncio.wait_for(go(), 30))


def test_a_batch_that_the_server_fails_on_is_halved(lab: SimpleNamespace) -> None:
    def answer(_: str, __: str, body: Any) -> Any:
        good = "bad" not in body["sentences"]
        return (200, {"sentences": [f"{each}!" for each in body["sentences"]]}) if good else (500, {"message": "Error"})

    async def go() -> Any:
        async with lab.Written(answer) as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with NemoBackend().open(target, NemoOptions(protocol="classic")) as client:
                prompts = ["a", "b", "c", "bad", "e", "f", "g", "h"]
                calls = (client.complete(Request(prompt, Sampling())) for prompt in prompts)
                return await asyncio.gather(*calls, return_exceptions=True), server.received

    done, received = asyncio.run(asyncio.wait_for(go(), 30))
    assert isinstance(done[3], RequestRefused)
    assert [each.text for each in done[:3] + done[4:]] == ["!"] * 7
    assert [len(body["sentences"]) for _, _, body in received] == [8, 4, 2, 2, 1, 1, 4]


def test_each_has_an_error_of_its_own(lab: SimpleNamespace) -> None:
    async def go() -> Any:
        async with lab.Written(lambda *_: None) as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with NemoBackend().open(target, NemoOptions(protocol="classic")) as client:
                calls = (client.complete(Request("Hi", Sampling())) for _ in range(3))
                return await asyncio.gather(*calls, return_exceptions=True), server.received

    errors, received = asyncio.run(asyncio.wait_for(go(), 30))
    assert len(received) <= 2  # aiohttp sends a PUT once more, since it is idempotent
    assert len({id(error) for error in errors}) == 3
    assert all(isinstance(error, RequestFailed) and error.connection for error in errors)


def test_closing_ends_what_is_under_way(lab: SimpleNamespace) -> None:
    async def go() -> None:
        async with lab.Written(lambda *_: "hang") as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with NemoBackend().open(target, NemoOptions(protocol="classic")) as client:
                task = asyncio.create_task(client.complete(Request("Hi", Sampling())))
                while not server.received:
                    await asyncio.sleep(0.01)
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(asyncio.wait_for(go(), 30))


# Finding the protocol ---------------------------------------------------------------------------------------------


def checked(lab: SimpleNamespace, answer: Callable[[str, str, Any], Any], **options: Any) -> Any:
    async def go() -> Any:
        async with lab.Written(answer) as server:
            return await asyncio.to_thread(_check, lab, server.url, options)

    return asyncio.run(asyncio.wait_for(go(), 30))


def _check(lab: SimpleNamespace, url: str, options: dict[str, Any]) -> Any:
    try:
        lab.run(url, lambda client: client.check(), **options)
    except SkillForgeError as error:
        return error
    return None


@pytest.mark.parametrize("protocol", ["auto", "openai", "classic"])
def test_a_wrong_address_is_one_line(lab: SimpleNamespace, protocol: str) -> None:
    found = _check(lab, "http://127.0.0.1:9", {"protocol": protocol})
    assert isinstance(found, BackendUnusable)
    assert "cannot reach http://127.0.0.1:9/v1: Connection refused; start the server" in str(found)


def test_another_server_is_one_line(lab: SimpleNamespace) -> None:
    found = checked(lab, lambda method, *_: (405 if method == "GET" else 404, b"<html>"))
    assert isinstance(found, BackendUnusable)
    assert "is no NeMo server that is ready: it has neither PUT /generate nor /health" in str(found)


@pytest.mark.parametrize("protocol", ["auto", "openai", "classic"])
def test_a_gateway_that_wants_a_key_is_told(lab: SimpleNamespace, protocol: str) -> None:
    found = checked(lab, lambda *_: (401, {}), protocol=protocol)
    assert isinstance(found, BackendUnusable)
    assert "wants a key" in str(found)
    assert "NEMO_API_KEY" in str(found)


def test_a_gateway_that_knows_no_options_does_not_hinder_a_run(lab: SimpleNamespace) -> None:
    assert checked(lab, lambda *_: (405, b""), protocol="classic") is None
    assert isinstance(checked(lab, lambda *_: (404, b""), protocol="classic"), BackendUnusable)


def test_the_model_must_be_one_of_those_listed(lab: SimpleNamespace) -> None:
    answers = {"/v1/models": (200, {"data": [{"id": "nemo-models"}]}), "/v1/health": (200, {})}
    found = checked(lab, lambda method, path, _: answers.get(path, (404, {})) if method == "GET" else (404, {}))
    assert isinstance(found, BackendUnusable)
    assert "has no model 'nemo-model'; did you mean 'nemo-models'?" in str(found)


def test_an_endpoint_whose_model_is_not_there_is_not_ready(lab: SimpleNamespace) -> None:
    answers = {"/v1/triton_health": (503, {}), "/v1/health": (200, {})}

    async def go() -> bool:
        async with lab.Written(lambda _, path, __: answers.get(path, (404, {}))) as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with NemoBackend().open(target, NemoOptions(protocol="openai")) as client:
                return await client.ready()

    assert asyncio.run(asyncio.wait_for(go(), 30)) is False


def test_importing_the_plugin_imports_no_http_library() -> None:
    code = "import sys, skillforge_nemo_backend as p; p.skillforge_backend(); sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Answers of Export-Deploy's endpoints -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (200, b'{"choices"', RequestFailed, "malformed JSON"),
        (200, b"<html>", BackendUnusable, "an HTML page, not JSON"),
        (
            200,
            {"choices": [{"text": f"An error occurred: no {SECRET_PROMPT}"}]},
            RequestRefused,
            r"failed \(An error .*no \[prompt\]",
        ),
        (500, {"detail": "Error during inference: memory"}, RequestFailed, "HTTP 500: Error during inference: memory"),
        (
            422,
            {"detail": [{"loc": ["body", "max_tokens"], "msg": "not an integer", "input": SECRET_PROMPT}]},
            RequestRefused,
            "body.max_tokens: not an integer",
        ),
        (307, b"", BackendUnusable, "has moved"),
        (404, {"detail": "Not Found"}, BackendUnusable, "does not take POST"),
    ],
)
def test_what_is_no_answer_is_told(
    lab: SimpleNamespace, status: int, body: Any, error: type[Exception], said: str
) -> None:
    found, _ = posted(lab, status, body)
    with pytest.raises(error, match=said):
        raise found
    assert "secret" not in str(found)


def test_stop_strings_are_cut_here_since_the_server_passes_them_over(lab: SimpleNamespace) -> None:
    body = {"choices": [{"text": "four END five", "finish_reason": "length"}], "usage": {"completion_tokens": 3}}
    done, _ = posted(lab, 200, body, stop=("END",))
    assert (done.text, done.stop, done.finish_reason, done.completion_tokens) == ("four ", "END", "stop", None)


def test_calls_of_many_tasks_share_nothing(lab: SimpleNamespace) -> None:
    async def many(client: Client) -> list[str]:
        requests = (Request(f"{number}", Sampling()) for number in range(50))
        return [done.text for done in await asyncio.gather(*map(client.complete, requests))]

    async def go() -> list[str]:
        async with lab.Written(lambda _, __, body: (200, {"choices": [{"text": body["prompt"]}]})) as server:
            target = Target(ModelRef("m", "m"), server.url)
            async with NemoBackend().open(target, NemoOptions(protocol="openai")) as client:
                return await many(client)

    assert asyncio.run(asyncio.wait_for(go(), 30)) == [f"{number}" for number in range(50)]
