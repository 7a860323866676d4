"""The client that asks only for what is not kept yet."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from skillforge import (
    BackendUnusable,
    Client,
    Completion,
    Message,
    RequestFailed,
    Sampling,
    SkillForgeError,
    ToolCall,
    ToolProtocol,
)
from skillforge import Request as Asked
from skillforge.cache import store as store_module
from skillforge.cache.client import CachingClient, caching
from skillforge.cache.origin import Origin
from skillforge.cache.store import Store
from skillforge.rollout.dispatch import Dispatcher
from skillforge.rollout.limiter import Limiter

GREEDY = Sampling(temperature=0.0)
RICH = Completion(
    text="It is √2 \x00",
    reasoning="well",
    finish_reason="stop",
    stop="```",
    tool_calls=(ToolCall("1", "python", "{}"),),
    prompt_tokens=3,
    completion_tokens=4,
    prompt_ids=(1, 2, 3),
    token_ids=(4, 5),
    first_token=0.25,
    logprobs=[{"token": "√", "logprob": -0.5, "top": {"√": -0.5}}],
    prompt_logprobs=[{"token": "is", "logprob": -1.5, "top": {}}],
)


class Scripted(Client):
    """Answers with `answers` in turn, the last one again and again; streams its text in two pieces."""

    default_concurrency = 7

    def __init__(self, *answers: Completion | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []
        self.checked = False

    async def check(self) -> None:
        self.checked = True

    def capabilities(self) -> frozenset[str] | None:
        return frozenset({"chat"})

    async def ready(self) -> bool:
        return False

    async def models(self) -> Sequence[str]:
        return ("m",)

    async def versions(self) -> Mapping[str, str]:
        return {"engine": "1.0"}

    async def context_length(self) -> int | None:
        return 512

    async def complete(self, request: Asked, on_text: Callable[[str], None] | None = None) -> Completion:
        self.asked.append(request)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        if on_text is not None:
            on_text(answer.text[:2])
            on_text(answer.text[2:])
        return answer


def origin(**changes: Any) -> Origin:
    plain = Origin(backend="p:b", version="1.0", options={"dtype": "auto"}, model="m", place="http://a/v1", files={})
    return msgspec.structs.replace(plain, **changes)


class Session:
    """Requests of one opening of the cache in `folder`."""

    def __init__(self, folder: Path, inner: Client, origin: Origin | None = None) -> None:
        self.notes: list[str] = []
        self.heard: list[str] = []
        self._folder = folder
        self._inner = inner
        self._origin = origin or globals()["origin"]()

    def ask(self, *requests: Asked, after_first: Callable[[Store], bool] = lambda store: True) -> list[Completion]:
        """Ask one after the other; the second when `after_first` is true."""
        return asyncio.run(self._ask(requests, after_first))

    async def _ask(self, requests: Sequence[Asked], after_first: Callable[[Store], bool]) -> list[Completion]:
        found = []
        with closing(Store(self._folder)) as store:
            async with caching(self._inner, store, lambda: self._origin, self.notes.append) as client:
                for number, request in enumerate(requests):
                    async with asyncio.timeout(60):
                        while number == 1 and not after_first(store):
                            await asyncio.sleep(0.01)
                    found.append(await client.complete(request, self.heard.append))
        return found


def request(text: str = "What is 1 + 1?", sampling: Sampling = GREEDY, **more: Any) -> Asked:
    return Asked((Message("user", text),), sampling, **more)


def holds_one(store: Store) -> bool:
    with closing(sqlite3.connect(store.path)) as connection:
        return connection.execute("SELECT count(*) FROM completions").fetchone() == (1,)


def asked_again(folder: Path, first: Asked, second: Asked, *, of: Origin | None = None) -> bool:
    """Whether `second` reaches the model after `first` was kept."""
    Session(folder, Scripted(Completion(text="a", finish_reason="stop"))).ask(first)
    inner = Scripted(Completion(text="b", finish_reason="stop"))
    Session(folder, inner, of).ask(second)
    return bool(inner.asked)


def test_what_was_answered_once_is_given_again_whole(tmp_path: Path) -> None:
    first, second = Scripted(RICH), Scripted(Completion(text="never"))
    session = Session(tmp_path, first)
    assert session.ask(request(), request("other")) == [RICH, RICH]
    assert session.notes == [f"of 2 completions, 0 came from the cache in {tmp_path}; 2 were added"]
    session = Session(tmp_path, second)
    assert session.ask(request()) == [msgspec.structs.replace(RICH, cached=True, first_token=None)]
    assert second.asked == [] and session.heard == [RICH.text]
    assert session.notes == [f"of 1 completions, 1 came from the cache in {tmp_path}; 0 were added"]


def test_whether_a_key_still_works_is_asked_of_the_server_and_not_kept(tmp_path: Path) -> None:
    one_token = request(sampling=Sampling(temperature=0.0, max_tokens=1))
    Session(tmp_path, Scripted(RICH)).ask(one_token)
    expired = BackendUnusable("HTTP 401")
    inner = Scripted(RICH, expired)

    async def main() -> None:
        with closing(Store(tmp_path)) as store:
            async with caching(inner, store, origin, list[str]().append) as client:
                dispatcher = Dispatcher(client, Limiter(1), 0)
                await dispatcher.complete(request())
                with pytest.raises(BackendUnusable):
                    await dispatcher.complete(request("other"))

    asyncio.run(main())
    assert inner.asked == [request(), request("other"), one_token]


def test_an_open_cache_finds_what_it_added_itself(tmp_path: Path) -> None:
    inner = Scripted(RICH)
    found = Session(tmp_path, inner).ask(request(), request(), after_first=holds_one)
    assert [completion.cached for completion in found] == [False, True] and len(inner.asked) == 1


@pytest.mark.parametrize(
    "changed",
    [
        request("What is 1 + 2?"),
        request(sampling=Sampling(temperature=0.0, max_tokens=9)),
        request(sampling=Sampling(temperature=0.0, stop=("a",))),
        request(sampling=Sampling(temperature=0.0, token_ids=True)),
        request(seed=1),
        request(tools=(ToolProtocol(),)),
        request(whole=True),
        request(prompt_ids=(1,)),
        Asked("What is 1 + 1?", GREEDY),
        Asked((Message("system", "What is 1 + 1?"),), GREEDY),
    ],
    ids=["prompt", "max_tokens", "stop", "token_ids", "seed", "tools", "whole", "prompt_ids", "text", "role"],
)
def test_another_request_is_asked(tmp_path: Path, changed: Asked) -> None:
    assert asked_again(tmp_path, request(), changed)


@pytest.mark.parametrize(
    "changes",
    [
        {"backend": "p:c"}, {"version": "1.1"}, {"options": {"dtype": "float32"}}, {"model": "n"},
        {"place": "http://b/v1"}, {"files": {"weights": "x"}},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_another_origin_is_asked(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert asked_again(tmp_path, request(), request(), of=origin(**changes))


def test_the_seed_of_the_run_which_is_not_sent_does_not_count(tmp_path: Path) -> None:
    def seeded(run: int, own: int) -> Asked:
        return request(sampling=Sampling(temperature=1.0, seed=run), seed=own)

    assert not asked_again(tmp_path, seeded(1, 5), seeded(2, 5))
    assert asked_again(tmp_path, seeded(1, 5), seeded(1, 6))


@pytest.mark.parametrize("sampling", [Sampling(temperature=0.7), Sampling()], ids=["sampled", "the-server-decides"])
def test_without_a_seed_samples_are_drawn_anew(tmp_path: Path, sampling: Sampling) -> None:
    inner = Scripted(RICH)
    session = Session(tmp_path, inner)
    session.ask(request(sampling=sampling), request(sampling=sampling))
    assert len(inner.asked) == 2
    assert session.notes == [
        "nothing was cached: without a seed, samples are drawn anew each time (set --seed, or --temperature 0)"
    ]
    assert not asked_again(tmp_path, request(sampling=sampling, seed=1), request(sampling=sampling, seed=1))


@pytest.mark.parametrize(
    ("reason", "kept"), [("length", True), ("tool_calls", True), (None, True), ("abort", False), ("error", False)]
)
def test_an_answer_that_ended_by_a_fault_is_not_kept(tmp_path: Path, reason: str | None, kept: bool) -> None:
    inner = Scripted(Completion(text="a", finish_reason=reason))
    for _ in range(2):
        Session(tmp_path, inner).ask(request())
    assert len(inner.asked) == (1 if kept else 2)


def test_a_failure_is_raised_and_not_kept(tmp_path: Path) -> None:
    inner = Scripted(RequestFailed("HTTP 500"), RICH)
    with pytest.raises(RequestFailed, match="HTTP 500"):
        Session(tmp_path, inner).ask(request())
    assert Session(tmp_path, inner).ask(request()) == [RICH]


def test_text_that_no_file_can_hold_passes_through(tmp_path: Path) -> None:
    odd = Completion(text="\ud800", finish_reason="stop")
    inner = Scripted(odd)
    for _ in range(2):
        assert Session(tmp_path, inner).ask(request("\udfff"), request()) == [odd] * 2
    assert len(inner.asked) == 4


def test_what_is_too_large_is_not_kept(tmp_path: Path) -> None:
    inner = Scripted(Completion(text="x" * 9_000_000, finish_reason="stop"))
    for _ in range(2):
        Session(tmp_path, inner).ask(request())
    assert len(inner.asked) == 2


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x81\xa4text\x05", b"\x80", b"\x91" * 100_000])
def test_what_is_no_completion_is_asked_again(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    Session(tmp_path, Scripted(RICH)).ask(request())
    monkeypatch.setattr(Store, "get", lambda store, key: content)
    inner = Scripted(RICH)
    assert Session(tmp_path, inner).ask(request()) == [RICH] and len(inner.asked) == 1


def test_a_disk_that_is_full_ends_caching_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def full(store: Store, *what: Any) -> None:
        attempts.append(what)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "add", full)
    inner = Scripted(RICH)
    session = Session(tmp_path, inner)
    assert session.ask(request(), request(), after_first=lambda store: bool(attempts)) == [RICH] * 2
    assert session.notes[1:] == [f"nothing more was added to the cache in {tmp_path}: database or disk is full"]
    assert len(attempts) == 1


def test_a_file_that_is_damaged_in_between_ends_caching_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def malformed(store: Store, key: bytes) -> bytes:
        lookups.append(key)
        raise sqlite3.DatabaseError("database disk image is malformed")

    lookups: list[bytes] = []
    monkeypatch.setattr(Store, "get", malformed)
    session = Session(tmp_path, Scripted(RICH))
    assert session.ask(request(), request()) == [RICH] * 2 and len(lookups) == 1
    assert session.notes[1:] == [
        f"nothing more was read from the cache in {tmp_path}: database disk image is malformed"
    ]


def test_a_lookup_does_not_wait_for_who_holds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "on_network", lambda folder: True)  # there a writer keeps readers out
    inner = Scripted(RICH)

    def hold(store: Store) -> bool:
        if not holds_one(store):
            return False
        connection = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN EXCLUSIVE")
        threading.Timer(0.5, connection.close).start()
        return True

    session = Session(tmp_path, inner)
    found = session.ask(request("other"), request("other"), after_first=hold)
    assert found == [RICH] * 2 and len(session.notes) == 1


def test_all_else_is_the_inner_client(tmp_path: Path) -> None:
    inner = Scripted(RICH)

    async def look() -> tuple[Any, ...]:
        with closing(Store(tmp_path)) as store:
            async with caching(inner, store, origin, lambda text: None) as client:
                await client.check()
                asked = (await client.ready(), await client.models(), await client.context_length())
                return (client.default_concurrency, client.capabilities(), *asked, await client.versions())

    assert asyncio.run(look()) == (7, frozenset({"chat"}), False, ("m",), 512, {"engine": "1.0"})
    assert inner.checked


def test_nothing_of_a_client_is_left_to_its_defaults() -> None:
    public = {name for name in vars(Client) if not name.startswith("_")} - {"default_concurrency"}
    assert public <= set(vars(CachingClient))


def test_a_fault_in_finding_the_origin_is_raised(tmp_path: Path) -> None:
    def find() -> Origin:
        raise SkillForgeError("cannot read weights")

    async def run() -> None:
        with closing(Store(tmp_path)) as store:
            async with caching(Scripted(RICH), store, find, lambda text: None):
                raise AssertionError("it opened")

    with pytest.raises(SkillForgeError, match="cannot read weights"):
        asyncio.run(run())
