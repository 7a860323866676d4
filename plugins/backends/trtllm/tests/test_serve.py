"""trtllm-serve, stood in for by the repository's mock of an OpenAI server."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path

import pytest

from skillforge import Completion, Message, ModelRef, Request, Sampling, Target, UsageError
from skillforge_trtllm import TrtllmBackend, TrtllmOptions

PATH = Path(__file__).parents[4] / "bench" / "mock_server.py"


def test_trtllm_serve_has_no_model_of_tritons() -> None:
    target = Target(ModelRef("m", "m"), "http://127.0.0.1:9/v1")
    options = TrtllmOptions(server="trtllm-serve", model_name="ensemble")
    with pytest.raises(UsageError, match=r"'backend.model_name' has no meaning for trtllm-serve, which has"):
        TrtllmBackend().open(target, options)
    with pytest.raises(UsageError, match=r"'backend.model_name' has no meaning"):
        TrtllmBackend().preview(Request("a", Sampling()), target, options)


@pytest.mark.skipif(not PATH.exists(), reason="is part of the repository, not of the package")
def test_trtllm_serve_answers_chats_and_text() -> None:
    spec = importlib.util.spec_from_file_location("skillforge_trtllm_mock_server", PATH)
    assert spec is not None
    assert spec.loader is not None
    mock = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mock)

    async def run() -> list[Completion]:
        async with await mock.MockServer(mock.Settings(answers={"2 + 2?": "#### 4"})).start() as listening:
            url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
            target = Target(ModelRef("mock", "mock"), url)
            async with TrtllmBackend().open(target, TrtllmOptions(server="trtllm-serve")) as client:
                await client.check()
                prompts = ((Message("user", "2 + 2?"),), "2 + 2?")
                return [await client.complete(Request(prompt, Sampling(max_tokens=8))) for prompt in prompts]

    assert [answer.text for answer in asyncio.run(run())] == ["#### 4", "#### 4"]
