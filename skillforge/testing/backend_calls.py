"""The contract of a backend, as far as only real calls show it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from skillforge.errors import ContextOverflow, RequestRefused, SkillForgeError
from skillforge.parts.backend import Backend, Client, Completion, Request, Target
from skillforge.parts.code import ToolProtocol
from skillforge.parts.model import ModelRef
from skillforge.parts.part import PartOptions
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Message, Prompt
from skillforge.testing.backend_settings import check_settings
from skillforge.testing.report import Checks, Skip, expect

QUESTION = "Count from one to fifty in words, separated by commas."
_SUM = "What is 1234 times 5678? Find it with Python."
_TOOL = ToolProtocol()
_MANY_WORDS = 20_000
_NUMBER = '{"type": "integer"}'
_OBJECT = (
    '{"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"], "additionalProperties": false}'
)
_NO_SUCH_MODEL = "skillforge-contract-test/no-such-model"


def a_prompt(able: frozenset[str]) -> Prompt:
    """A question that every model has something to say to, in a form that the backend takes."""
    return (Message("user", QUESTION),) if "chat" in able else QUESTION


class RealCalls:
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
            await client.check()
            await self._tells_what_it_is(client)
            await self._completes(client)
            await self._streams(client)
            await self._speaks_in_ids(client)
            await self._follows_a_schema(client)
            await check_settings(self.checks, partial(self._ask, client))
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

    async def _tells_what_it_is(self, client: Client) -> None:
        fix = "let the client's `capabilities` be None or some of the backend's own"
        with self.checks.check("capabilities of the target", fix):
            found = client.capabilities()
            expect(found is None or isinstance(found, frozenset), f"it is {type(found).__name__}")
            if found is not None:
                expect(found <= self.able, f"the backend does not have {', '.join(sorted(found - self.able))}")
                self.able = found
        with self.checks.check("ready", "return True while requests are taken"):
            async with asyncio.timeout(self.limit):
                expect(await client.ready() is True, "it is not ready, right after `check`")
        with self.checks.check("models", "return the names of the served models"):
            async with asyncio.timeout(self.limit):
                names = await client.models()
            expect(not isinstance(names, str) and all(isinstance(name, str) for name in names), f"it is {names!r}")
        with self.checks.check("context_length", "return a number of tokens, or None where it is not told"):
            async with asyncio.timeout(self.limit):
                length = await client.context_length()
            expect(length is None or (type(length) is int and length > 0), f"it is {length!r}")

    async def _ask(self, client: Client, seed: int | None = None, **sampling: Any) -> Completion:
        return await self._complete(client, Request(a_prompt(self.able), self._sampling(**sampling), seed))

    def _sampling(self, **sampling: Any) -> Sampling:
        missing = sampling.keys() - self.able
        if missing:
            raise Skip(f"the backend is not capable of {', '.join(sorted(missing))}")
        return Sampling(**({"max_tokens": 32} if "max_tokens" in self.able else {}) | sampling)

    @property
    def _greedy(self) -> dict[str, Any]:
        return {"temperature": 0.0} if "temperature" in self.able else {}

    async def _complete(
        self, client: Client, request: Request, on_text: Callable[[str], None] | None = None
    ) -> Completion:
        async with asyncio.timeout(self.limit):
            completion = await (client.complete(request, on_text) if on_text else client.complete(request))
        expect(isinstance(completion, Completion), f"it returned {type(completion).__name__}, not Completion")
        return completion

    async def _completes(self, client: Client) -> None:
        completion = None
        with self.checks.check("completes", "return a Completion with its text"):
            completion = await self._ask(client)
            expect(isinstance(completion.text, str), f"text is {type(completion.text).__name__}")
            expect(completion.text or completion.reasoning, "the text is empty")
            msgspec.json.encode(completion)
        with self.checks.check("usage", "take prompt_tokens and completion_tokens from the server's usage"):
            if completion is None or completion.prompt_tokens is None or completion.completion_tokens is None:
                raise Skip("the target reports no token counts")
            expect(completion.prompt_tokens > 0, f"prompt_tokens is {completion.prompt_tokens}")
            expect(completion.completion_tokens > 0, f"completion_tokens is {completion.completion_tokens}")

    async def _streams(self, client: Client) -> None:
        fix = "tell `on_text` each further piece of the text while it comes: joined, they are the completion's text"
        with self.checks.check("stream", fix):
            if "stream" not in self.able:
                raise Skip("the backend is not capable of stream")
            pieces: list[str] = []
            request = Request(a_prompt(self.able), self._sampling(**self._greedy))
            completion = await self._complete(client, request, pieces.append)
            told = "".join(pieces)
            expect(told == completion.text, f"the pieces say {told!r}, the completion {completion.text!r}")
            tokens = completion.completion_tokens or 0
            expect(len(pieces) > 1 or tokens < 8, f"{tokens} tokens came in {len(pieces)} piece")
            first = completion.first_token
            expect(first is None or first > 0, f"first_token is {first!r}")
            whole = await self._complete(client, request)
            expect(bool(whole.text) == bool(told), f"asked without on_text, it answers {whole.text!r}")

    async def _speaks_in_ids(self, client: Client) -> None:
        fix = "return the ids of the prompt's and the answer's tokens where asked, and take a prompt as ids"
        with self.checks.check("token_ids", fix):
            asked = await self._ask(client, **self._greedy, token_ids=True)
            prompt, answer = asked.prompt_ids, asked.token_ids
            expect(prompt and answer, f"prompt_ids is {prompt!r}, token_ids is {answer!r}")
            assert prompt and answer
            expect(all(type(token) is int and token >= 0 for token in (*prompt, *answer)), "an id is no number")
            counts = (asked.prompt_tokens, asked.completion_tokens)
            expect(counts in ((len(prompt), len(answer)), (None, None)), f"{counts} were counted")
            request = Request("", self._sampling(**self._greedy, token_ids=True), prompt_ids=prompt)
            again = await self._complete(client, request)
            expect(again.prompt_ids == prompt, f"sent {prompt!r}, it says {again.prompt_ids!r}")
            expect(
                again.token_ids == answer, f"to the same prompt as ids it answers {again.text!r}, not {asked.text!r}"
            )
            plain = await self._ask(client)
            expect(plain.prompt_ids is None and plain.token_ids is None, "ids came that were not asked for")

    async def _follows_a_schema(self, client: Client) -> None:
        with self.checks.check("json_schema", "let the answer be JSON that follows the schema"):
            try:
                completion = await self._ask(client, **self._greedy, json_schema=_NUMBER)
            except RequestRefused:  # OpenAI takes objects only; and a small model may have no token with a brace
                completion = await self._ask(client, **self._greedy, json_schema=_OBJECT)
            if completion.finish_reason == "length":
                raise Skip(f"the answer was cut off: {completion.text!r}")
            try:
                found = msgspec.json.decode(completion.text)
            except msgspec.DecodeError:
                found = None
            if isinstance(found, dict) and found.keys() == {"sum"}:
                found = found["sum"]
            expect(type(found) is int, f"it is {completion.text!r}")

    async def _ends_at_max_tokens(self, client: Client) -> None:
        with self.checks.check("max_tokens", "send max_tokens, and say finish_reason='length' where it cut the answer"):
            completion = await self._ask(client, max_tokens=2)
            count = completion.completion_tokens
            if count is None and completion.finish_reason is None:
                raise Skip("the target tells neither why it ended nor how many tokens came")
            expect(completion.finish_reason == "length", f"finish_reason is {completion.finish_reason!r}")
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
            answer = (await self._complete(client, Request(a_prompt(self.able), sampling))).text
            begun, rest = answer[: len(answer) // 2], answer[len(answer) // 2 :].strip()
            if not begun.strip() or rest.startswith(begun.strip()):
                raise Skip(f"the answer cannot be told from its own repetition ({answer!r})")
            prompt = (Message("user", QUESTION), Message("assistant", begun))
            more = await self._complete(client, Request(prompt, sampling))
            expect(isinstance(more.text, str), f"text is {type(more.text).__name__}")
            expect(not more.text.strip().startswith(begun.strip()), f"after {begun!r} it begins anew: {more.text!r}")

    async def _leaves_reasoning_in(self, client: Client) -> None:
        with self.checks.check("whole", "leave reasoning in the text of a request that is `whole`"):
            if "text" not in self.able:
                raise Skip("the backend is not capable of text")
            request = Request(f"{QUESTION}\n<think>\n", self._sampling(), whole=True)
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
