"""A server that answers wrongly, written down byte for byte, since a real one cannot be told to."""

from __future__ import annotations

import asyncio
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


def ask(answer: web.Response | str, decoupled: bool = False, timeout: float = 5.0) -> Completion | SkillForgeError:
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
        app.router.add_get("/v2/models/m", told(_METADATA))
        app.router.add_get("/v2/models/m/config", told({"model_transaction_policy": {"decoupled": decoupled}}))
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


def test_an_answer_without_its_text_can_be_tried_again() -> None:
    assert isinstance(ask(web.json_response({"outputs": []})), RequestFailed)


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
