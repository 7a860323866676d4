"""Export-Deploy's form, against a server that generates with a real model as Export-Deploy's is described to do."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from skillforge import BackendUnusable, Client, Message, ModelRef, Target
from skillforge.testing import check_backend
from skillforge_nemo_backend import NemoBackend

pytestmark = pytest.mark.xdist_group("nemo")

QUESTION = (Message("user", "Mia has 12 pens. Mia buys 7 more pens. How many pens does Mia have?"),)


@pytest.mark.parametrize("protocol", ["auto", "openai"])
def test_contract(lab: SimpleNamespace, deployed: Any, protocol: str, record_property: Any) -> None:
    target = Target(ModelRef(lab.MODEL, lab.MODEL), deployed.url)
    results = {each.name: each for each in check_backend(NemoBackend(), options={"protocol": protocol}, target=target)}
    assert not [result for result in results.values() if not result.ok]
    for name in ("completes", "max_tokens", "eight at once", "cancelling"):
        assert results[name].state == "ok", results[name]
    told = {name: None if each.state == "ok" else each.detail for name, each in results.items()}
    record_property("backend: nemo, Export-Deploy (written)", json.dumps(told))


def test_chat_and_text_are_answered(lab: SimpleNamespace, deployed: Any) -> None:
    chat = lab.ask(deployed.url, QUESTION, temperature=0.0, top_p=0.9, max_tokens=40)
    text = lab.ask(deployed.url, f"<bos><user>{QUESTION[0].content}<assistant>", temperature=0.0, max_tokens=40)
    assert chat.text.strip() == text.text.strip() == "12 + 7 = 19. #### 19"
    assert chat.completion_tokens is None


def test_a_stop_string_ends_the_answer(lab: SimpleNamespace, deployed: Any) -> None:
    done = lab.ask(deployed.url, QUESTION, temperature=0.0, max_tokens=40, stop=("####",))
    assert done.text.strip() == "12 + 7 = 19."
    assert (done.finish_reason, done.stop) == ("stop", "####")


def test_the_protocol_and_the_models_are_found(lab: SimpleNamespace, deployed: Any, classic: Any) -> None:
    async def look(client: Client) -> tuple[bool, list[str], int | None]:
        await client.check()
        return await client.ready(), list(await client.models()), client.default_concurrency

    deployed.calls(), classic.calls()
    assert lab.run(deployed.url, look) == (True, ["nemo-model"], None)
    assert lab.run(classic.url, look) == (True, [], 256)
    assert deployed.calls() == classic.calls() == []


def test_a_model_that_is_not_there_is_found_before_the_run(lab: SimpleNamespace, deployed: Any) -> None:
    with pytest.raises(BackendUnusable, match="did you mean 'nemo-model'"):
        lab.run(deployed.url, lambda client: client.check(), model="nemo-modle")
