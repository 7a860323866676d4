"""A server that answers wrongly, written down byte for byte, since a real one cannot be told to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from skillforge import (
    BackendUnusable,
    Completion,
    ModelRef,
    Request,
    RequestFailed,
    RequestRefused,
    Sampling,
    SkillForgeError,
    Target,
)
from skillforge_trtllm import TrtllmBackend, TrtllmOptions

_TEXT = {"name": "text_input", "datatype": "BYTES", "shape": [-1, 1]}
_METADATA = {"name": "m", "inputs": [_TEXT], "outputs": [{"name": "text_output"}]}


def ask(
    answer: web.Response | str = "",
    decoupled: bool = False,
    timeout: float = 5.0,
    metadata: Any = _METADATA,
    **config: Any,
) -> Completion | SkillForgeError:
    """The completion that a server with this `answer` gives ("cut": half of it, "hang": none), or the error."""

    async def generate(request: web.Request) -> web.StreamResponse:
        if answer == "hang":
            await asyncio.sleep(60)
        if isinstance(answer, web.Response):
            return answer
        begun = web.StreamResponse(headers={"Content-Length": "1000"})
        await begun.prepare(request)
        await begun.write(b'data: {"text_output": "half"}\n\n')
        assert request.transport is not None
        request.transport.close()
        return begun

    def told(value: Any) -> Any:
        async def tell(request: web.Request) -> web.Response:
            return web.json_response(value)

        return tell

    async def run() -> Completion | SkillForgeError:
        app = web.Application()
        app.router.add_post("/v2/repository/index", told([{"name": "m"}]))
        app.router.add_get("/v2/models/m", told(metadata))
        app.router.add_get("/v2/models/m/config", told({"model_transaction_policy": {"decoupled": decoupled}} | config))
        app.router.add_post("/v2/models/m/infer", generate)
        app.router.add_post("/v2/models/m/generate_stream", generate)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        target = Target(ModelRef("m", "m"), f"http://127.0.0.1:{runner.addresses[0][1]}")
        try:
            async with TrtllmBackend().open(target, TrtllmOptions(timeout=timeout)) as client:
                return await client.complete(Request("what the user asked", Sampling()))
        except SkillForgeError as error:
            return error
        finally:
            await runner.cleanup()

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "kind", "flags"),
    [
        (429, RequestFailed, {"throttled": True}),
        (503, RequestFailed, {"connection": True}),
        (500, RequestFailed, {"throttled": False, "connection": False}),
        (400, RequestRefused, {}),
        (401, BackendUnusable, {}),
        (404, BackendUnusable, {}),
    ],
)
def test_statuses_become_the_errors_of_the_contract(status: int, kind: type, flags: dict[str, bool]) -> None:
    error = ask(web.json_response({"error": "cannot do 'what the user asked'"}, status=status))
    assert type(error) is kind
    assert {name: getattr(error, name) for name in flags} == flags
    assert "what the user asked" not in str(error)


@pytest.mark.parametrize("body", ["{", "[]", '{"outputs": 3}', '{"outputs": [{"name": "text_output"}]}', "<html>"])
def test_malformed_answers_can_be_tried_again(body: str) -> None:
    error = ask(web.Response(text=body))
    assert isinstance(error, RequestFailed)
    assert "malformed JSON" in str(error)


@pytest.mark.parametrize("data", [None, [], [None], [5]])
@pytest.mark.parametrize("decoupled", [False, True])
def test_an_answer_without_its_text_can_be_tried_again(data: Any, decoupled: bool) -> None:
    outputs = [] if data is None else [{"name": "text_output", "data": data}]
    events = {} if data is None else {"text_output": data}
    event = web.Response(text=f"data: {json.dumps(events)}\n\n")
    error = ask(event if decoupled else web.json_response({"outputs": outputs}), decoupled)
    assert isinstance(error, RequestFailed)
    assert " text" in str(error)


@pytest.mark.parametrize("decoupled", [False, True])
def test_an_answer_without_end_is_not_read_to_its_end(decoupled: bool) -> None:
    error = ask(web.Response(body=b"data: " + b"7" * (65 * 2**20)), decoupled, timeout=30.0)
    assert isinstance(error, RequestFailed)
    assert "more than 64 MiB" in str(error)


@pytest.mark.parametrize("decoupled", [False, True])
def test_an_error_without_end_is_what_its_status_says(decoupled: bool) -> None:
    error = ask(web.Response(body=b"7" * (2 * 2**20), status=401), decoupled)
    assert isinstance(error, BackendUnusable)
    assert "does not let us in" in str(error)


def test_long_answers_are_read_whole() -> None:
    text = "long " * 2**20
    whole = ask(web.json_response({"outputs": [{"name": "text_output", "data": ["what the user asked" + text]}]}))
    event = json.dumps({"text_output": text})
    streamed = ask(web.Response(text=f"data: {event}\n\n"), decoupled=True)
    assert [each.text == text for each in (whole, streamed) if isinstance(each, Completion)] == [True, True]


@pytest.mark.parametrize(
    ("metadata", "config", "told"),
    [
        ({"inputs": []}, {}, "`name`"),
        ({"name": "m", "inputs": [{"name": "text_input"}]}, {}, "`datatype`"),
        ({"name": "m", "inputs": None}, {}, "got `null`"),
        (_METADATA, {"input": None}, "got `null`"),
        (_METADATA, {"parameters": {"accumulate_tokens": True}}, "got `bool`"),
    ],
)
def test_a_model_that_is_described_otherwise_is_told_of(metadata: Any, config: Any, told: str) -> None:
    error = ask(metadata=metadata, **config)
    assert isinstance(error, BackendUnusable)
    assert "the server does not describe the model as Triton does" in str(error)
    assert told in str(error)
    assert "--base-url" in str(error)


@pytest.mark.parametrize("body", ["data: {", "data: 7\n\n", 'data: {"error": "engine died"}\n\n', ""])
def test_streams_that_go_wrong_can_be_tried_again(body: str) -> None:
    assert isinstance(ask(web.Response(text=body), decoupled=True), RequestFailed)


@pytest.mark.parametrize("decoupled", [False, True])
def test_an_answer_that_breaks_off_is_a_lost_connection(decoupled: bool) -> None:
    error = ask("cut", decoupled)
    assert isinstance(error, RequestFailed)
    assert error.connection


def test_an_answer_that_does_not_come_in_time_is_given_up() -> None:
    error = ask("hang", timeout=0.3)
    assert isinstance(error, RequestFailed)
    assert "within the time" in str(error)
