"""Opening, failing, cancelling, closing."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
import threading

import pytest

from skillforge import BackendUnusable, Request, RequestFailed, RequestRefused, Sampling, UsageError
from skillforge_transformers import TransformersBackend, TransformersOptions

ENDLESS = Sampling(temperature=1.0, max_tokens=240, stop=("no such text",))


def test_importing_and_opening_load_nothing_heavy(target):
    code = (
        "import sys, skillforge_transformers as plugin\n"
        "from skillforge import ModelRef, Target\n"
        "backend = plugin.skillforge_backend()\n"
        "backend.capabilities(plugin.TransformersOptions())\n"
        f"backend.open(Target(ModelRef('t', {target.model.location!r})), plugin.TransformersOptions())\n"
        "assert not {'torch', 'transformers'} & set(sys.modules), 'loaded'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("location", ["/no/such/folder", "./no-such-folder", "a/b/c"])
def test_missing_folder(location, tools):
    with pytest.raises(BackendUnusable, match="there is no folder"):
        tools.complete(tools.target_of(location), "hi")


def test_not_a_model(tmp_path, tools):
    with pytest.raises(BackendUnusable, match=r"no config\.json"):
        tools.complete(tools.target_of(tmp_path), "hi")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BackendUnusable, match="cannot load"):
        tools.complete(tools.target_of(tmp_path), "hi")


def test_weights_that_lack_tensors_are_refused(tmp_path, tools):
    from safetensors.torch import load_file, save_file

    tools.make_model(tmp_path, len(tools.make_tokenizer(tmp_path)))
    tensors = load_file(tmp_path / "model.safetensors")
    tensors.pop("model.norm.weight")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackendUnusable, match=r"1 tensors are missing, such as model\.norm\.weight"):
        tools.complete(tools.target_of(tmp_path), "hi")


def test_settings_that_cannot_be_met(target, tools):
    import msgspec

    def fails(options: dict[str, object], target=target) -> str:
        with pytest.raises((UsageError, BackendUnusable)) as caught:
            tools.complete_all(target, [Request("hi", Sampling(max_tokens=1))], **options)
        return str(caught.value)

    assert "unknown device 'abacus'" in fails({"device": "abacus"})
    assert "there is no device cuda:99" in fails({"device": "cuda:99"})
    assert fails({"attn_implementation": "guess"}).endswith("; choose another -o backend.attn_implementation")
    assert "is a folder" in fails({"revision": "main"})
    assert "asks no server" in fails({}, msgspec.structs.replace(target, base_url="http://127.0.0.1:1"))


def test_nothing_is_printed(target, capfd, tools):
    tools.complete_all(target, [Request("hi", Sampling(temperature=0.5, max_tokens=300)), Request("a b", Sampling())])
    assert capfd.readouterr() == ("", "")


def failing_model(monkeypatch, error: Exception, fails) -> list[int]:
    """Make the model fail for the batches that `fails(input_ids)` picks. Returns the sizes that got through."""
    from transformers import LlamaForCausalLM

    real, sizes = LlamaForCausalLM.forward, []

    @functools.wraps(real)
    def forward(self, **arguments):
        if fails(arguments["input_ids"]):
            raise error
        sizes.append(len(arguments["input_ids"]))
        return real(self, **arguments)

    monkeypatch.setattr(LlamaForCausalLM, "forward", forward)
    return sizes


def watched_model(monkeypatch) -> list[int]:
    """Returns the sizes of the batches that the model is run for, step by step."""
    return failing_model(monkeypatch, AssertionError(), lambda ids: False)


def test_cancelled_requests_leave_and_others_go_on(target, monkeypatch, tools):
    sizes = watched_model(monkeypatch)

    async def use(client):
        doomed = [asyncio.create_task(client.complete(Request(f"{n}", ENDLESS, n))) for n in range(40)]
        while not sizes:
            await asyncio.sleep(0.001)
        for task in doomed:
            task.cancel()
        outcomes = await asyncio.gather(*doomed, return_exceptions=True)
        before = len(sizes)
        return await client.complete(Request("hi", Sampling(max_tokens=2))), len(sizes) - before, outcomes

    completion, steps, outcomes = tools.with_client(target, use, batch_size=8)
    assert completion.completion_tokens
    assert steps < 100  # had the others gone on: 240 and more
    assert sum(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes) >= 32


def test_closing_is_quick_and_fails_what_is_open(target, monkeypatch):
    sizes = watched_model(monkeypatch)

    async def session():
        async with TransformersBackend().open(target, TransformersOptions(threads=1, batch_size=4)) as client:
            open_ones = [asyncio.create_task(client.complete(Request(f"{n}", ENDLESS, n))) for n in range(12)]
            while not sizes:
                await asyncio.sleep(0.001)
            before = len(sizes)
        steps = len(sizes) - before
        outcomes = await asyncio.gather(*open_ones, return_exceptions=True)
        with pytest.raises(BackendUnusable, match="was closed"):
            await client.complete(Request("late", Sampling()))
        return steps, outcomes

    steps, outcomes = asyncio.run(session())
    assert steps < 200  # had they gone on: 3 batches, 240 each
    assert any(isinstance(outcome, RequestFailed) for outcome in outcomes)


def test_the_event_loop_stays_live(target, monkeypatch, tools):
    sizes = watched_model(monkeypatch)

    async def use(client):
        task = asyncio.gather(*(client.complete(Request(f"{n}", ENDLESS, n)) for n in range(16)))
        seen = set()
        while not task.done():
            await asyncio.sleep(0.001)
            seen.add(len(sizes))
        return seen

    assert len(tools.with_client(target, use, batch_size=16)) > 10  # it had its turn between so many steps


def test_out_of_memory_halves_the_batch(target, monkeypatch, tools):
    import torch

    requests = [Request(f"{n} cats", Sampling(temperature=0, max_tokens=6)) for n in range(16)]
    expected = tools.complete_all(target, requests)
    error = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    sizes = failing_model(monkeypatch, error, lambda ids: len(ids) > 4)
    assert tools.complete_all(target, requests) == expected
    assert max(sizes) <= 4


def test_out_of_memory_alone_is_refused(target, monkeypatch, tools):
    failing_model(monkeypatch, RuntimeError("CUDA out of memory."), lambda ids: True)
    with pytest.raises(RequestRefused, match="does not fit in memory even alone"):
        tools.complete(target, "hi", max_tokens=4)


def test_a_failing_row_fails_alone(target, monkeypatch, tools):
    from transformers import AutoTokenizer

    marked = AutoTokenizer.from_pretrained(target.model.location)("#")["input_ids"][-1]
    failing_model(monkeypatch, ValueError("bad row"), lambda ids: bool((ids[:, -1] == marked).any()))

    async def use(client):
        requests = [Request(text, Sampling(temperature=0, max_tokens=4)) for text in ("1", "2", "#", "3")]
        return await asyncio.gather(*map(client.complete, requests), return_exceptions=True)

    outcomes = tools.with_client(target, use)
    failed = [isinstance(outcome, Exception) for outcome in outcomes]
    assert failed == [False, False, True, False]
    assert isinstance(outcomes[2], RequestRefused)
    assert "bad row" in str(outcomes[2])


def test_a_dead_gpu_ends_everything(target, monkeypatch, tools):
    failing_model(monkeypatch, RuntimeError("CUDA error: device-side assert triggered"), lambda ids: True)

    async def use(client):
        first = await asyncio.gather(
            *(client.complete(Request(f"{n}", ENDLESS)) for n in range(3)), return_exceptions=True
        )
        later = await asyncio.gather(client.complete(Request("later", ENDLESS)), return_exceptions=True)
        return first + later

    outcomes = tools.with_client(target, use)
    assert all(isinstance(outcome, BackendUnusable) for outcome in outcomes)


def test_cancelled_while_loading(target, monkeypatch):
    from skillforge_transformers import loading

    real, begun, may_go_on = loading.load, threading.Event(), threading.Event()

    def load(*arguments):
        begun.set()
        may_go_on.wait(60)
        return real(*arguments)

    async def open_and_close():
        async with TransformersBackend().open(target, TransformersOptions(threads=1)):
            pass

    async def cancelled():
        task = asyncio.create_task(open_and_close())
        await asyncio.to_thread(begun.wait, 60)
        task.cancel()
        await asyncio.wait([task], timeout=30)
        return task.cancelled()

    monkeypatch.setattr(loading, "load", load)
    try:
        assert asyncio.run(cancelled())
    finally:
        may_go_on.set()
