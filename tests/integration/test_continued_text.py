"""Text that a model wrote, sent again with more, reads to it as it did before: the tool loop rests on this."""

from __future__ import annotations

import asyncio

import pytest

from skillforge import Client, Message, ModelRef, Prompt, Request, Sampling, Target
from skillforge_forge_arith.generate import generate
from skillforge_tiny import WEIGHTS
from skillforge_transformers import TransformersBackend, TransformersOptions

QUESTIONS = [problem.question for _, problem in zip(range(24), generate("test"), strict=False)]
MAX_TOKENS = 96


def as_chat(question: str, begun: str) -> Prompt:
    asked = (Message("user", question),)
    return (*asked, Message("assistant", begun)) if begun else asked


def as_text(question: str, begun: str) -> Prompt:
    return f"<bos><user>{question}<assistant>{begun}"


async def with_tiny(use) -> list[tuple[str, str]]:
    target = Target(ModelRef("tiny", str(WEIGHTS)))
    async with TransformersBackend().open(target, TransformersOptions(threads=1)) as client:
        return await asyncio.gather(*(use(client, question) for question in QUESTIONS))


@pytest.mark.parametrize("write", [as_chat, as_text])
@pytest.mark.parametrize("stop", ["=", " =", ".", ". ####", "####"])
def test_an_answer_in_turns_is_the_answer_in_one(write, stop: str) -> None:
    async def both(client: Client, question: str) -> tuple[str, str]:
        greedy = Sampling(temperature=0.0, max_tokens=MAX_TOKENS)
        at_once = await client.complete(Request(write(question, ""), greedy, whole=True))
        written, left, stopped = "", MAX_TOKENS, stop
        while stopped and left:
            sampling = Sampling(temperature=0.0, max_tokens=left, stop=(stop,))
            turn = await client.complete(Request(write(question, written), sampling, whole=True))
            stopped, left = turn.stop, left - turn.completion_tokens
            written += turn.text + (stopped or "")
        return at_once.text, written

    pairs = asyncio.run(with_tiny(both))
    assert [in_turns for _, in_turns in pairs] == [at_once for at_once, _ in pairs]
    assert any(stop in at_once for at_once, _ in pairs)
