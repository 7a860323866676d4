"""Answers in the contract of a backend: their text, their ends, and what may come with them."""

from __future__ import annotations

import msgspec

from skillforge.errors import RequestRefused
from skillforge.parts.backend import Request
from skillforge.parts.code import ToolProtocol
from skillforge.parts.transcript import Message
from skillforge.testing.backend_asking import QUESTION, Asker, a_prompt
from skillforge.testing.report import Checks, Skip, expect

_SUM = "What is 1234 times 5678? Find it with Python."
_TOOL = ToolProtocol()
_NUMBER = '{"type": "integer"}'
_OBJECT = (
    '{"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"], "additionalProperties": false}'
)


async def check_answers(checks: Checks, asker: Asker) -> None:
    """Check single answers, each in what it was asked for."""
    await _completes(checks, asker)
    await _streams(checks, asker)
    await _speaks_in_ids(checks, asker)
    await _follows_a_schema(checks, asker)
    await _ends_at_max_tokens(checks, asker)
    await _ends_at_stop_string(checks, asker)
    await _continues(checks, asker)
    await _leaves_reasoning_in(checks, asker)
    await _calls_tools(checks, asker)


async def _completes(checks: Checks, asker: Asker) -> None:
    completion = None
    with checks.check("completes", "return a Completion with its text"):
        completion = await asker.ask()
        expect(isinstance(completion.text, str), f"text is {type(completion.text).__name__}")
        expect(completion.text or completion.reasoning, "the text is empty")
        msgspec.json.encode(completion)
    with checks.check("usage", "take prompt_tokens and completion_tokens from the server's usage"):
        if completion is None or completion.prompt_tokens is None or completion.completion_tokens is None:
            raise Skip("the target reports no token counts")
        expect(completion.prompt_tokens > 0, f"prompt_tokens is {completion.prompt_tokens}")
        expect(completion.completion_tokens > 0, f"completion_tokens is {completion.completion_tokens}")


async def _streams(checks: Checks, asker: Asker) -> None:
    fix = "tell `on_text` each further piece of the text while it comes: joined, they are the completion's text"
    with checks.check("stream", fix):
        if "stream" not in asker.able:
            raise Skip("the backend is not capable of stream")
        pieces: list[str] = []
        request = Request(a_prompt(asker.able), asker.sampling(**asker.greedy))
        completion = await asker.complete(request, pieces.append)
        told = "".join(pieces)
        expect(told == completion.text, f"the pieces say {told!r}, the completion {completion.text!r}")
        tokens = completion.completion_tokens or 0
        expect(len(pieces) > 1 or tokens < 8, f"{tokens} tokens came in {len(pieces)} piece")
        first = completion.first_token
        expect(first is None or first > 0, f"first_token is {first!r}")
        whole = await asker.complete(request)
        expect(bool(whole.text) == bool(told), f"asked without on_text, it answers {whole.text!r}")


async def _speaks_in_ids(checks: Checks, asker: Asker) -> None:
    fix = "return the ids of the prompt's and the answer's tokens where asked, and take a prompt as ids"
    with checks.check("token_ids", fix):
        asked = await asker.ask(**asker.greedy, token_ids=True)
        prompt, answer = asked.prompt_ids, asked.token_ids
        expect(prompt and answer, f"prompt_ids is {prompt!r}, token_ids is {answer!r}")
        assert prompt and answer
        expect(all(type(token) is int and token >= 0 for token in (*prompt, *answer)), "an id is no number")
        counts = (asked.prompt_tokens, asked.completion_tokens)
        expect(counts in ((len(prompt), len(answer)), (None, None)), f"{counts} were counted")
        request = Request("", asker.sampling(**asker.greedy, token_ids=True), prompt_ids=prompt)
        again = await asker.complete(request)
        expect(again.prompt_ids == prompt, f"sent {prompt!r}, it says {again.prompt_ids!r}")
        expect(again.token_ids == answer, f"to the same prompt as ids it answers {again.text!r}, not {asked.text!r}")
        plain = await asker.ask()
        expect(plain.prompt_ids is None and plain.token_ids is None, "ids came that were not asked for")


async def _follows_a_schema(checks: Checks, asker: Asker) -> None:
    with checks.check("json_schema", "let the answer be JSON that follows the schema"):
        try:
            completion = await asker.ask(**asker.greedy, json_schema=_NUMBER)
        except RequestRefused:  # OpenAI takes objects only; and a small model may have no token with a brace
            completion = await asker.ask(**asker.greedy, json_schema=_OBJECT)
        if completion.finish_reason == "length":
            raise Skip(f"the answer was cut off: {completion.text!r}")
        try:
            found = msgspec.json.decode(completion.text)
        except msgspec.DecodeError:
            found = None
        if isinstance(found, dict) and found.keys() == {"sum"}:
            found = found["sum"]
        expect(type(found) is int, f"it is {completion.text!r}")


async def _ends_at_max_tokens(checks: Checks, asker: Asker) -> None:
    with checks.check("max_tokens", "send max_tokens, and say finish_reason='length' where it cut the answer"):
        completion = await asker.ask(max_tokens=2)
        count = completion.completion_tokens
        if count is None and completion.finish_reason is None:
            raise Skip("the target tells neither why it ended nor how many tokens came")
        expect(completion.finish_reason == "length", f"finish_reason is {completion.finish_reason!r}")
        expect(count is None or count <= 2, f"2 tokens were asked for and {count} came")


async def _ends_at_stop_string(checks: Checks, asker: Asker) -> None:
    with checks.check("stop", "send the stop strings, and cut the answer before them"):
        free = await asker.ask(**asker.greedy)
        expect(not free.stop, f"it says that {free.stop!r} ended an answer for which no stop string was given")
        whole = free.text
        if len(whole) < 6:
            raise Skip(f"the answer is too short to be cut ({whole!r})")
        stop = whole[len(whole) // 2 :][:3]
        cut = await asker.ask(**asker.greedy, stop=(stop,))
        expect(stop not in cut.text, f"the text has the stop string {stop!r} in it")
        was_cut = whole.startswith(cut.text) and cut.text != whole
        if was_cut:
            expect(cut.finish_reason == "stop", f"finish_reason is {cut.finish_reason!r}")
    if checks.results[-1].state != "ok":
        return
    with checks.check("tells the stop string", "say in `stop` which stop string ended the answer"):
        if cut.stop is None:
            raise Skip("the target does not tell")
        expect(cut.stop in ("", stop), f"it says {cut.stop!r}, and {stop!r} was asked for")
        expect(cut.stop or not was_cut, f"the answer ended at {stop!r}, and it says that the model ended by itself")


async def _continues(checks: Checks, asker: Asker) -> None:
    fix = "let the model go on with the assistant's message that ends a chat, and return what is new"
    with checks.check("continues", fix):
        if "continue" not in asker.able:
            raise Skip("the backend is not capable of continue")
        sampling = asker.sampling(**asker.greedy)
        answer = (await asker.complete(Request(a_prompt(asker.able), sampling))).text
        begun, rest = answer[: len(answer) // 2], answer[len(answer) // 2 :].strip()
        if not begun.strip() or rest.startswith(begun.strip()):
            raise Skip(f"the answer cannot be told from its own repetition ({answer!r})")
        prompt = (Message("user", QUESTION), Message("assistant", begun))
        more = await asker.complete(Request(prompt, sampling))
        expect(isinstance(more.text, str), f"text is {type(more.text).__name__}")
        expect(not more.text.strip().startswith(begun.strip()), f"after {begun!r} it begins anew: {more.text!r}")


async def _leaves_reasoning_in(checks: Checks, asker: Asker) -> None:
    with checks.check("whole", "leave reasoning in the text of a request that is `whole`"):
        if "text" not in asker.able:
            raise Skip("the backend is not capable of text")
        request = Request(f"{QUESTION}\n<think>\n", asker.sampling(), whole=True)
        completion = await asker.complete(request)
        expect(completion.reasoning is None, f"it kept apart {completion.reasoning!r}")
        count = completion.completion_tokens or 0
        expect(completion.text or count <= 1, f"the text is empty, and {count} tokens came")


async def _calls_tools(checks: Checks, asker: Asker) -> None:
    fix = "offer the request's tools, and return calls with an id, one of their names, and arguments as text"
    with checks.check("tools", fix):
        if "tools" not in asker.able:
            raise Skip("the backend is not capable of tools")
        asked = Message("user", _SUM)
        completion = await asker.complete(Request((asked,), asker.sampling(), tools=(_TOOL,)))
        calls = completion.tool_calls
        for call in calls:
            expect(call.name == _TOOL.name, f"it calls {call.name!r}, which was not offered")
            expect(call.id, "a call has no id")
            expect(isinstance(call.arguments, str), f"arguments are {type(call.arguments).__name__}")
        expect(len({call.id for call in calls}) == len(calls), "two calls have one id")
        if calls:
            answers = (Message("tool", "7006652", tool_call_id=call.id) for call in calls)
            prompt = (asked, Message("assistant", completion.text, calls), *answers)
            await asker.complete(Request(prompt, asker.sampling(), tools=(_TOOL,)))
