"""The contract of a backend."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from skillforge.errors import ContextOverflow, RequestRefused, SkillForgeError
from skillforge.parts.backend import Backend, Client, Completion, Request, Target
from skillforge.parts.code import ToolProtocol
from skillforge.parts.model import ModelRef
from skillforge.parts.part import PartOptions
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Message, Prompt
from skillforge.testing.declaration import begin
from skillforge.testing.report import CheckResult, Checks, GivenOptions, Skip, expect

CAPABILITIES = frozenset(
    ("chat", "text", "continue", "tools", "stream", "token_ids", "schema", *Sampling.__struct_fields__)
)
"""What a backend can say that it is capable of."""

_QUESTION = "Count from one to fifty in words, separated by commas."
_SUM = "What is 1234 times 5678? Find it with Python."
_TOOL = ToolProtocol()
_MANY_WORDS = 20_000
_NO_SUCH_MODEL = "skillforge-contract-test/no-such-model"


def check_backend(
    part: Backend,
    *,
    options: GivenOptions = None,
    target: Target | None = None,
    limit: float = 120.0,
) -> list[CheckResult]:
    """Check a backend: its declaration, and with a `target` real calls too, each of at most `limit` seconds.

    Not to be called from a running event loop. Raises ContractBroken.
    """
    checks, usable = begin(part, options)
    if usable is None:
        return checks.finish()
    able: frozenset[str] = frozenset()
    names = "'chat', 'text', 'continue', 'tools' and names of Sampling fields"
    with checks.check("capabilities", f"return a frozenset of {names}"):
        able = part.capabilities(usable)
        expect(isinstance(able, frozenset), f"it is {type(able).__name__}")
        expect(able <= CAPABILITIES, f"unknown: {', '.join(sorted(map(str, able - CAPABILITIES)))}")
        expect(able & {"chat", "text"}, "neither 'chat' nor 'text' is among them")
        for name in sorted(able & {"continue", "tools"}):
            expect("chat" in able, f"'{name}' is about chats, and 'chat' is not among them")
        expect(part.capabilities(usable) == able, "a second call gives others")
    if not checks.results[-1].ok:
        return checks.finish()
    with checks.check("default_for", "say 'url', 'weights' or None"):
        expect(part.default_for in (None, "url", "weights"), f"it is {part.default_for!r}")
    _check_preview(checks, part, usable, able, target)
    if target is None:
        checks.skip("real calls", "no target was given")
    else:
        asyncio.run(_Talk(checks, part, usable, able, target, limit).run())
    return checks.finish()


def _prompt(able: frozenset[str]) -> Prompt:
    return (Message("user", _QUESTION),) if "chat" in able else _QUESTION


def _check_preview(
    checks: Checks, part: Backend, options: PartOptions, able: frozenset[str], target: Target | None
) -> None:
    address = None if part.default_for == "weights" else "http://127.0.0.1:9/v1"
    where = target or Target(ModelRef("some-model", "some-model"), address)
    with checks.check("preview", "return what would be sent as str, or raise a SkillForgeError", may_refuse=True):
        shown = part.preview(Request(_prompt(able), Sampling()), where, options)
        expect(isinstance(shown, str) and shown, f"it returned {type(shown).__name__}")


class _Talk:
    """Real calls to one target."""

    def __init__(
        self, checks: Checks, part: Backend, options: PartOptions, able: frozenset[str], target: Target, limit: float
    ) -> None:
        self.checks = checks
        self.part = part
        self.options = options
        self.able = able
        self.target = target
        self.limit = limit

    async def run(self) -> None:
        opened = False
        with self.checks.check(
            "opens", "let `open` connect, and `check` raise BackendUnusable only for a real obstacle"
        ):
            async with asyncio.timeout(self.limit), self.part.open(self.target, self.options) as client:
                await client.check()
                opened = True
        if not opened:
            return
        async with self.part.open(self.target, self.options) as client:
            await self._completes(client)
            await self._ends_at_max_tokens(client)
            await self._ends_at_stop_string(client)
            await self._continues(client)
            await self._leaves_reasoning_in(client)
            await self._calls_tools(client)
            await self._meets_a_long_prompt(client)
            await self._repeats_with_a_seed(client)
            await self._serves_many(client)
            await self._survives_cancelling(client)
        await self._refuses_an_unknown_model()

    async def _ask(self, client: Client, seed: int | None = None, **sampling: Any) -> Completion:
        return await self._complete(client, Request(_prompt(self.able), self._sampling(**sampling), seed))

    def _sampling(self, **sampling: Any) -> Sampling:
        missing = sampling.keys() - self.able
        if missing:
            raise Skip(f"the backend is not capable of {', '.join(sorted(missing))}")
        return Sampling(**({"max_tokens": 32} if "max_tokens" in self.able else {}) | sampling)

    @property
    def _greedy(self) -> dict[str, Any]:
        return {"temperature": 0.0} if "temperature" in self.able else {}

    async def _complete(self, client: Client, request: Request) -> Completion:
        async with asyncio.timeout(self.limit):
            completion = await client.complete(request)
        expect(isinstance(completion, Completion), f"it returned {type(completion).__name__}, not Completion")
        return completion

    async def _completes(self, client: Client) -> None:
        completion = None
        with self.checks.check("completes", "return a Completion with text, finish_reason and token counts"):
            completion = await self._ask(client)
            expect(isinstance(completion.text, str), f"text is {type(completion.text).__name__}")
            expect(completion.text or completion.reasoning, "the text is empty")
            expect(completion.finish_reason, "there is no finish_reason")
            msgspec.json.encode(completion)
        with self.checks.check("usage", "take prompt_tokens and completion_tokens from the server's usage"):
            if completion is None or completion.prompt_tokens is None or completion.completion_tokens is None:
                raise Skip("the target reports no token counts")
            expect(completion.prompt_tokens > 0, f"prompt_tokens is {completion.prompt_tokens}")
            expect(completion.completion_tokens > 0, f"completion_tokens is {completion.completion_tokens}")

    async def _ends_at_max_tokens(self, client: Client) -> None:
        with self.checks.check("max_tokens", "send max_tokens, and say finish_reason='length' where it cut the answer"):
            completion = await self._ask(client, max_tokens=2)
            expect(completion.finish_reason == "length", f"finish_reason is {completion.finish_reason!r}")
            count = completion.completion_tokens
            expect(count is None or count <= 2, f"2 tokens were asked for and {count} came")

    async def _ends_at_stop_string(self, client: Client) -> None:
        with self.checks.check("stop", "send the stop strings, and cut the answer before them"):
            free = await self._ask(client, **self._greedy)
            expect(not free.stop, f"it says that {free.stop!r} ended an answer for which no stop string was given")
            whole = free.text
            if len(whole) < 6:
                raise Skip(f"the answer is too short to be cut ({whole!r})")
            stop = whole[len(whole) // 2 :][:3]
            cut = await self._ask(client, **self._greedy, stop=(stop,))
            expect(stop not in cut.text, f"the text has the stop string {stop!r} in it")
            was_cut = whole.startswith(cut.text) and cut.text != whole
            if was_cut:
                expect(cut.finish_reason == "stop", f"finish_reason is {cut.finish_reason!r}")
        if self.checks.results[-1].state != "ok":
            return
        with self.checks.check("tells the stop string", "say in `stop` which stop string ended the answer"):
            if cut.stop is None:
                raise Skip("the target does not tell")
            expect(cut.stop in ("", stop), f"it says {cut.stop!r}, and {stop!r} was asked for")
            expect(cut.stop or not was_cut, f"the answer ended at {stop!r}, and it says that the model ended by itself")

    async def _continues(self, client: Client) -> None:
        fix = "let the model go on with the assistant's message that ends a chat, and return what is new"
        with self.checks.check("continues", fix):
            if "continue" not in self.able:
                raise Skip("the backend is not capable of continue")
            sampling = self._sampling(**self._greedy)
            answer = (await self._complete(client, Request(_prompt(self.able), sampling))).text
            begun, rest = answer[: len(answer) // 2], answer[len(answer) // 2 :].strip()
            if not begun.strip() or rest.startswith(begun.strip()):
                raise Skip(f"the answer cannot be told from its own repetition ({answer!r})")
            prompt = (Message("user", _QUESTION), Message("assistant", begun))
            more = await self._complete(client, Request(prompt, sampling))
            expect(isinstance(more.text, str), f"text is {type(more.text).__name__}")
            expect(not more.text.strip().startswith(begun.strip()), f"after {begun!r} it begins anew: {more.text!r}")

    async def _leaves_reasoning_in(self, client: Client) -> None:
        with self.checks.check("whole", "leave reasoning in the text of a request that is `whole`"):
            if "text" not in self.able:
                raise Skip("the backend is not capable of text")
            request = Request(f"{_QUESTION}\n<think>\n", self._sampling(), whole=True)
            completion = await self._complete(client, request)
            expect(completion.reasoning is None, f"it kept apart {completion.reasoning!r}")
            count = completion.completion_tokens or 0
            expect(completion.text or count <= 1, f"the text is empty, and {count} tokens came")

    async def _calls_tools(self, client: Client) -> None:
        fix = "offer the request's tools, and return calls with an id, one of their names, and arguments as text"
        with self.checks.check("tools", fix):
            if "tools" not in self.able:
                raise Skip("the backend is not capable of tools")
            asked = Message("user", _SUM)
            completion = await self._complete(client, Request((asked,), self._sampling(), tools=(_TOOL,)))
            calls = completion.tool_calls
            for call in calls:
                expect(call.name == _TOOL.name, f"it calls {call.name!r}, which was not offered")
                expect(call.id, "a call has no id")
                expect(isinstance(call.arguments, str), f"arguments are {type(call.arguments).__name__}")
            expect(len({call.id for call in calls}) == len(calls), "two calls have one id")
            if calls:
                answers = (Message("tool", "7006652", tool_call_id=call.id) for call in calls)
                prompt = (asked, Message("assistant", completion.text, calls), *answers)
                await self._complete(client, Request(prompt, self._sampling(), tools=(_TOOL,)))

    async def _meets_a_long_prompt(self, client: Client) -> None:
        fix = "raise ContextOverflow for a prompt that is too long, with the room that is left, if known"
        with self.checks.check("a prompt that is too long", fix):
            text = " ".join(["one two three four"] * (_MANY_WORDS // 4))
            prompt: Prompt = (Message("user", text),) if "chat" in self.able else text
            try:
                await self._complete(client, Request(prompt, self._sampling()))
            except ContextOverflow as overflow:
                known = overflow.room is None or (isinstance(overflow.room, int) and overflow.room >= 0)
                expect(known, f"the room is {overflow.room!r}")
            except RequestRefused as refused:
                raise Skip(f"the target gives another reason: {refused.what}") from None
            except TimeoutError:
                raise Skip(f"there was no answer to {_MANY_WORDS} words within {self.limit:g} s") from None

    async def _repeats_with_a_seed(self, client: Client) -> None:
        with self.checks.check("seed", "send the request's seed, so that the same one gives the same answer"):
            warm: dict[str, Any] = {"temperature": 1.0} if "temperature" in self.able else {}
            if "seed" not in self.able:
                raise Skip("the backend is not capable of seed")
            first = await self._ask(client, seed=1234, **warm)
            again = await self._ask(client, seed=1234, **warm)
            expect(first.text == again.text, f"the seed 1234 gave {first.text!r} and then {again.text!r}")

    async def _serves_many(self, client: Client) -> None:
        with self.checks.check("eight at once", "let `complete` be called by many tasks at once"):
            completions = await asyncio.gather(*(self._ask(client) for _ in range(8)))
            expect(all(completion.text or completion.reasoning for completion in completions), "one of 8 is empty")

    async def _survives_cancelling(self, client: Client) -> None:
        with self.checks.check("cancelling", "free what a cancelled request holds, and go on with the others"):
            doomed = asyncio.create_task(self._ask(client))
            await asyncio.sleep(0.02)
            doomed.cancel()
            await asyncio.gather(doomed, return_exceptions=True)
            await self._ask(client)

    async def _refuses_an_unknown_model(self) -> None:
        where = msgspec.structs.replace(self.target, model=ModelRef(_NO_SUCH_MODEL, _NO_SUCH_MODEL))
        with self.checks.check("unknown model", "raise BackendUnusable for a model that is not there"):
            try:
                async with asyncio.timeout(self.limit), self.part.open(where, self.options) as client:
                    await client.check()
                    await self._ask(client)
            except SkillForgeError:
                return
            raise Skip("the target answers to any model name")
