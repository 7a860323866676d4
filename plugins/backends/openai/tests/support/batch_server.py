"""A server with OpenAI's Batch API: files, batches, and answers that are made when a batch is looked at often enough."""

from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web
from in_thread import InThread


class BatchServer:
    """Answers `What is 2 + 3?` with `#### 5`. What tests look at, and what they set, are plain attributes."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks_until_done = 1
        """A batch is worked on for so many looks at it; -1: for ever."""
        self.end = "completed"
        """How batches end."""
        self.unanswered = 0
        """So many requests of a batch get no answer, where it expires or is cancelled."""
        self.faults: dict[str, list[int]] = {}
        """`METHOD /path` -> statuses that the next such calls get."""
        self.lose_next_creation = False
        """The next batch is made, and its answer is lost."""
        self.failures: dict[str, tuple[int, dict[str, Any]]] = {}
        """Text in a request -> (status, body) of its answer."""
        self.signs_answers = False
        """Each answer has the id of its request in it."""
        self.calls: list[str] = []
        self.answered = 0
        """Requests that were worked off, and would have to be paid."""

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**30)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{file}/content", self._content)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list)
        app.router.add_get("/v1/batches/{batch}", self._look)
        app.router.add_get("/state", self._state)
        app.router.add_post("/finish", self._finish)
        app.middlewares.append(self._faulty)
        return app

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Any) -> web.StreamResponse:
        call = f"{request.method} {request.path}"
        self.calls.append(call)
        for known, statuses in self.faults.items():
            if call.startswith(known) and statuses:
                return web.json_response({"error": {"message": "told to fail in /gpfs/u/x"}}, status=statuses.pop(0))
        response: web.StreamResponse = await handler(request)
        return response

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "m"}]})

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["purpose"] == "batch"
        file = form["file"]
        assert isinstance(file, web.FileField)
        return web.json_response({"id": self._new_file(file.file.read()), "purpose": "batch"})

    async def _create(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        assert wanted["completion_window"] == "24h"
        assert wanted["endpoint"] in ("/v1/chat/completions", "/v1/completions", "/v1/responses")
        rows = [json.loads(line) for line in self.files[wanted["input_file_id"]].splitlines()]
        assert len({row["custom_id"] for row in rows}) == len(rows)
        assert {(row["method"], row["url"]) for row in rows} == {("POST", wanted["endpoint"])}
        batch = {"id": f"batch_{len(self.batches)}", "status": "validating", "looks": 0, **wanted}
        self.batches[batch["id"]] = batch
        if self.lose_next_creation:
            self.lose_next_creation = False
            assert request.transport
            request.transport.abort()
        return web.json_response(batch)

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"data": list(self.batches.values())[::-1][: int(request.query["limit"])]})

    async def _look(self, request: web.Request) -> web.Response:
        batch = self.batches.get(request.match_info["batch"])
        if batch is None:
            return web.json_response({"error": {"message": "No such batch"}}, status=404)
        batch["looks"] += 1
        if batch["status"] not in ("validating", "in_progress"):
            pass
        elif self.looks_until_done < 0 or batch["looks"] <= self.looks_until_done:
            batch["status"] = "in_progress"
        else:
            self._end(batch)
        return web.json_response(batch)

    def _end(self, batch: dict[str, Any]) -> None:
        batch["status"] = self.end
        if self.end == "failed":
            batch["errors"] = {
                "data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached, see /gpfs/u/x."}]
            }
            return
        rows = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        done, left = (rows[self.unanswered :], rows[: self.unanswered]) if self.end != "completed" else (rows, [])
        answers = [self._answer(row) for row in done]
        good = [each for each in answers if each["response"]["status_code"] == 200]
        bad = [each for each in answers if each["response"]["status_code"] != 200]
        if self.end == "expired":
            error = {"code": "batch_expired", "message": "This request could not be executed in time."}
            bad += [{"custom_id": row["custom_id"], "response": None, "error": error} for row in left]
        self.answered += len(done)
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:  # in another order than asked
                batch[name] = self._new_file(b"\n".join(json.dumps(each).encode() for each in reversed(lines)) + b"\n")

    def _answer(self, row: dict[str, Any]) -> dict[str, Any]:
        asked = json.dumps(row["body"])
        for text, (status, body) in self.failures.items():
            if text in asked:
                return {"custom_id": row["custom_id"], "response": {"status_code": status, "body": body}, "error": None}
        found = re.search(r"(\d+) \+ (\d+)", asked)
        said = f"#### {int(found[1]) + int(found[2])}" if found else f"answer {self.answered} {row['custom_id']}"
        if self.signs_answers:
            said = f"{row['custom_id']} {said}"
        body = {
            "choices": [{"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3},
        }
        return {"custom_id": row["custom_id"], "response": {"status_code": 200, "body": body}, "error": None}

    async def _content(self, request: web.Request) -> web.Response:
        body = self.files.get(request.match_info["file"])
        return web.Response(status=404) if body is None else web.Response(body=body)

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response({"batches": len(self.batches), "answered": self.answered, "calls": self.calls})

    async def _finish(self, request: web.Request) -> web.Response:
        """Let batches end from now on."""
        self.looks_until_done = 0
        return web.json_response({})

    def _new_file(self, content: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = content
        return name


class Running(InThread):
    """A BatchServer in a thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.server = BatchServer()

    def app(self) -> web.Application:
        return self.server.app()
