"""The contract of a backend, as far as only real calls show it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from skillforge.errors import ContextOverflow, RequestRefused, SkillForgeError
from skillforge.parts.backend import Backend, Request, Target
from skillforge.parts.model import ModelRef
from skillforge.parts.part import PartOptions
from skillforge.parts.transcript import Message, Prompt
from skillforge.testing.backend_answers import check_answers
from skillforge.testing.backend_asking import Asker
from skillforge.testing.backend_settings import check_settings
from skillforge.testing.report import Checks, Skip, expect

_MANY_WORDS = 20_000
_NO_SUCH_MODEL = "skillforge-contract-test/no-such-model"


async def check_calls(
    checks: Checks, part: Backend, options: PartOptions, able: frozenset[str], target: Target, limit: float
) -> None:
    """Check real calls to `target`, each of at most `limit` seconds."""
    opened = False
    with checks.check("opens", "let `open` connect, and `check` raise BackendUnusable only for a real obstacle"):
        async with asyncio.timeout(limit), part.open(target, options) as client:
            await client.check()
            opened = True
    if not opened:
        return
    async with part.open(target, options) as client:
        await client.check()
        asker = Asker(client, able, limit)
        await _tells_what_it_is(checks, asker)
        await check_answers(checks, asker)
        await check_settings(checks, asker.ask)
        await _meets_a_long_prompt(checks, asker)
        await _repeats_with_a_seed(checks, asker)
        await _serves_many(checks, asker)
        await _survives_cancelling(checks, asker)
    with checks.check("unknown model", "raise BackendUnusable for a model that is not there"):
        try:
            async with asyncio.timeout(limit), part.open(_of_no_model(target), options) as client:
                await client.check()
                await Asker(client, asker.able, limit).ask()
        except SkillForgeError:
            return
        raise Skip("the target answers to any model name")


def _of_no_model(target: Target) -> Target:
    return msgspec.structs.replace(target, model=ModelRef(_NO_SUCH_MODEL, _NO_SUCH_MODEL))


async def _tells_what_it_is(checks: Checks, asker: Asker) -> None:
    fix = "let the client's `capabilities` be None or some of the backend's own"
    with checks.check("capabilities of the target", fix):
        found = asker.client.capabilities()
        expect(found is None or isinstance(found, frozenset), f"it is {type(found).__name__}")
        if found is not None:
            expect(found <= asker.able, f"the backend does not have {', '.join(sorted(found - asker.able))}")
            asker.able = found
    with checks.check("ready", "return True while requests are taken"):
        async with asyncio.timeout(asker.limit):
            expect(await asker.client.ready() is True, "it is not ready, right after `check`")
    with checks.check("models", "return the names of the served models"):
        async with asyncio.timeout(asker.limit):
            names = await asker.client.models()
        expect(not isinstance(names, str) and all(isinstance(name, str) for name in names), f"it is {names!r}")
    with checks.check("context_length", "return a number of tokens, or None where it is not told"):
        async with asyncio.timeout(asker.limit):
            length = await asker.client.context_length()
        expect(length is None or (type(length) is int and length > 0), f"it is {length!r}")
    with checks.check("versions", "return names and versions as text, and nothing where they are not told"):
        async with asyncio.timeout(asker.limit):
            versions = await asker.client.versions()
        expect(isinstance(versions, Mapping), f"it is {type(versions).__name__}")
        if not versions:
            raise Skip("the target does not tell")
        told = (*versions, *versions.values())
        expect(all(isinstance(text, str) and text for text in told), f"it is {dict(versions)!r}")


async def _meets_a_long_prompt(checks: Checks, asker: Asker) -> None:
    fix = "raise ContextOverflow for a prompt that is too long, with the room that is left, if known"
    with checks.check("a prompt that is too long", fix):
        text = " ".join(["one two three four"] * (_MANY_WORDS // 4))
        prompt: Prompt = (Message("user", text),) if "chat" in asker.able else text
        try:
            await asker.complete(Request(prompt, asker.sampling()))
        except ContextOverflow as overflow:
            known = overflow.room is None or (isinstance(overflow.room, int) and overflow.room >= 0)
            expect(known, f"the room is {overflow.room!r}")
        except RequestRefused as refused:
            raise Skip(f"the target gives another reason: {refused.what}") from None
        except TimeoutError:
            raise Skip(f"there was no answer to {_MANY_WORDS} words within {asker.limit:g} s") from None


async def _repeats_with_a_seed(checks: Checks, asker: Asker) -> None:
    with checks.check("seed", "send the request's seed, so that the same one gives the same answer"):
        warm: dict[str, Any] = {"temperature": 1.0} if "temperature" in asker.able else {}
        if "seed" not in asker.able:
            raise Skip("the backend is not capable of seed")
        first = await asker.ask(seed=1234, **warm)
        again = await asker.ask(seed=1234, **warm)
        expect(first.text == again.text, f"the seed 1234 gave {first.text!r} and then {again.text!r}")


async def _serves_many(checks: Checks, asker: Asker) -> None:
    with checks.check("eight at once", "let `complete` be called by many tasks at once"):
        completions = await asyncio.gather(*(asker.ask() for _ in range(8)))
        expect(all(completion.text or completion.reasoning for completion in completions), "one of 8 is empty")


async def _survives_cancelling(checks: Checks, asker: Asker) -> None:
    with checks.check("cancelling", "free what a cancelled request holds, and go on with the others"):
        doomed = asyncio.create_task(asker.ask())
        await asyncio.sleep(0.02)
        doomed.cancel()
        await asyncio.gather(doomed, return_exceptions=True)
        await asker.ask()
