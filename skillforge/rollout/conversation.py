"""Conversation: one sample on its way: what is sent next, and what a completion means for the code in it.

Two forms, one for each way to ask for code: marked in the text, or as calls of a function.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import msgspec

from skillforge.parts.backend import Completion
from skillforge.parts.code import CodeProtocol, ToolLoop, ToolProtocol
from skillforge.parts.sandbox import ExecutionStatus
from skillforge.parts.transcript import Message, Prompt, Segment, ToolCall
from skillforge.rollout.segments import marks_of, written_segments


class Block(msgspec.Struct, frozen=True):
    """Code that waits to be run, or what is wrong with the call that should have brought it."""

    code: str
    call: ToolCall | None = None
    fault: str | None = None


class Turn(msgspec.Struct, frozen=True):
    """What the model wrote at one time."""

    segments: tuple[Segment, ...]
    """At least one: a turn without a word is an empty text."""

    blocks: tuple[Block, ...] = ()
    """What is to be run, in order; none where the answer is finished."""

    finish_reason: str | None = None


class Conversation(ABC):
    """Holds the segments of a sample that follow its prompt."""

    stop: tuple[str, ...] = ()
    """Where the model is to stop, besides the stop strings of the sampling."""

    tools: tuple[ToolProtocol, ...] = ()
    """Functions that are offered."""

    whole: bool = False
    """Whether private reasoning stays in the text, all of which is sent again."""

    def __init__(self, prompt: Prompt, protocol: CodeProtocol | ToolProtocol) -> None:
        self._prompt = prompt
        self._notices = protocol
        self.segments: list[Segment] = []

    @abstractmethod
    def next_prompt(self) -> Prompt:
        """What is sent for the next turn."""

    @abstractmethod
    def read(self, completion: Completion) -> Turn:
        """What `completion` means. It becomes a part of the conversation by `add_turn`."""

    @abstractmethod
    def _output(self, block: Block, shown: str) -> Segment:
        """`shown` as the output of `block`."""

    def add_turn(self, turn: Turn, seconds: float, tokens: int | None) -> None:
        """Take in what the model wrote, in `seconds` and `tokens`."""
        *before, last = turn.segments
        self.segments += [*before, msgspec.structs.replace(last, seconds=round(seconds, 6), tokens=tokens)]

    def add_output(
        self, block: Block, shown: str, remaining: int, status: ExecutionStatus, seconds: float | None = None
    ) -> None:
        """Take in what is shown of an execution, with the number of executions that are left."""
        output = self._output(block, shown)
        notice = self._notices.remaining if remaining else self._notices.exhausted
        end = output.end + notice.replace("{remaining}", str(remaining))
        self.segments.append(msgspec.structs.replace(output, end=end, status=status, seconds=seconds))


class TextConversation(Conversation):
    """Code marked in the text by a CodeProtocol: the model always goes on with one and the same text."""

    whole = True

    def __init__(self, prompt: Prompt, protocol: CodeProtocol, loop: ToolLoop) -> None:
        super().__init__(prompt, protocol)
        self._protocol = protocol
        self._marks = marks_of(protocol)
        self._loop = loop
        self.stop = (protocol.stop,)

    def next_prompt(self) -> Prompt:
        written = "".join(segment.exact for segment in self.segments if segment.kind != "reasoning")
        if isinstance(self._prompt, str):
            return self._prompt + written
        return (*self._prompt, Message("assistant", written)) if written else self._prompt

    def read(self, completion: Completion) -> Turn:
        turn = self._read_text(completion)
        reasoning = (Segment("reasoning", completion.reasoning),) if completion.reasoning else ()
        return msgspec.structs.replace(turn, segments=(*reasoning, *(turn.segments or (Segment("text", ""),))))

    def _read_text(self, completion: Completion) -> Turn:
        text, invented, opened = self._without_invented_output(completion)
        segments = written_segments(text, self._protocol)
        code, finish = _code_at_end(segments), completion.finish_reason
        if code is None:
            finish = "invented-output" if invented or opened else finish
        elif not invented and finish == "length":
            pass
        elif not code.end and not self._closes(completion, invented):
            finish = "unclosed-code"
        else:
            return Turn(tuple(self._asking(segments)), (Block(code.text),), finish)
        return Turn(tuple(segments), finish_reason=finish)

    def _without_invented_output(self, completion: Completion) -> tuple[str, bool, bool]:
        """The text up to an output that the model wrote in the sandbox's place; whether there is one; and whether the
        model has only opened one, which asks for it.
        """
        text, stop, by_model = completion.text, self._protocol.stop, bool(self._marks.written)
        if self._loop.invented_output == "keep":
            return text.removesuffix(stop) if by_model else text, False, False
        at = text.find(self._marks.output_name)
        if at < 0:
            return text, False, by_model and completion.stop == stop
        opened = text.endswith(stop) and len(text) - at <= len(stop)  # the server keeps the stop string
        return text[:at], not opened, by_model and opened

    def _closes(self, completion: Completion, invented: bool) -> bool:
        """Whether a block that is open at the end of the turn counts as closed."""
        by_mark = self._protocol.stop == self._protocol.code_end and completion.stop in (None, self._protocol.stop)
        return (by_mark and not invented) or self._loop.unclosed == "run"

    def _asking(self, segments: list[Segment]) -> list[Segment]:
        """`segments`, the last of which is then code with all that stands before its output."""
        code_end, written = self._protocol.code_end, self._marks.written
        *before, code = segments if segments[-1].kind == "code" else segments[:-1]
        behind = "" if segments[-1] is code else segments[-1].exact  # white space
        if not code.end:
            behind = code_end if code.exact.endswith("\n") or not written else f"\n{code_end}"
        elif self._protocol.trim or not written:
            behind = ""
        end = code.end + behind
        if written and not written.startswith("\n") and not end.endswith("\n"):
            end += "\n"
        return [*before, msgspec.structs.replace(code, end=end + written)]

    def _output(self, block: Block, shown: str) -> Segment:
        return Segment("output", shown, begin=self._marks.added, end=self._protocol.output_end)


def _code_at_end(segments: Sequence[Segment]) -> Segment | None:
    """The code that a turn ends with, apart from white space; without an `end` where nothing closes its block."""
    for segment in reversed(segments):
        if segment.kind == "code":
            return segment
        if segment.text.strip():
            return None
    return None


class CallConversation(Conversation):
    """Code as the argument of a function that the model calls: chat messages, one for each turn and output."""

    def __init__(self, prompt: tuple[Message, ...], protocol: ToolProtocol) -> None:
        super().__init__(prompt, protocol)
        self._prompt: tuple[Message, ...] = prompt
        self._protocol = protocol
        self.tools = (protocol,)

    def next_prompt(self) -> Prompt:
        messages = list(self._prompt)
        content, calls = "", []
        for segment in self.segments:
            if segment.kind == "text":
                content += segment.exact
            elif segment.kind == "code" and segment.call is not None:
                calls.append(segment.call)
            elif segment.kind == "output" and segment.call is not None:
                if content or calls:
                    messages.append(Message("assistant", content, tool_calls=tuple(calls)))
                    content, calls = "", []
                messages.append(Message("tool", segment.exact, tool_call_id=segment.call.id))
        return tuple(messages)

    def read(self, completion: Completion) -> Turn:
        segments = [Segment("reasoning", completion.reasoning)] if completion.reasoning else []
        if completion.text or not completion.tool_calls:
            segments.append(Segment("text", completion.text))
        blocks = [self._block(call) for call in completion.tool_calls]
        segments += [Segment("code", block.code, call=block.call) for block in blocks]
        if completion.finish_reason == "length":
            return Turn(tuple(segments), finish_reason="length")
        return Turn(tuple(segments), tuple(blocks), completion.finish_reason)

    def _block(self, call: ToolCall) -> Block:
        if call.name != self._protocol.name:
            return Block("", call, f"Error: there is no function '{call.name}', only '{self._protocol.name}'.")
        try:
            code = msgspec.json.decode(call.arguments, type=dict[str, object]).get(self._protocol.argument)
        except (ValueError, RecursionError):
            return Block("", call, "Error: the arguments are not a JSON object.")
        if not isinstance(code, str):
            return Block("", call, f"Error: the argument '{self._protocol.argument}' is missing or no text.")
        return Block(code, call)

    def _output(self, block: Block, shown: str) -> Segment:
        return Segment("output", shown, call=block.call)


def conversation(prompt: Prompt, protocol: CodeProtocol | ToolProtocol, loop: ToolLoop) -> Conversation:
    """The form of conversation that `protocol` asks for."""
    if isinstance(protocol, CodeProtocol):
        return TextConversation(prompt, protocol, loop)
    assert not isinstance(prompt, str)  # checked before the run
    return CallConversation(prompt, protocol)
