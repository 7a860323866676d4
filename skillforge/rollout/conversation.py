"""Conversation: one sample on its way: what is sent next, and what a completion means for the code in it.

Two forms, one for each way to ask for code: marked in the text, or as calls of a function.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from skillforge.parts.backend import Completion
from skillforge.parts.code import CodeProtocol, ToolLoop, ToolProtocol
from skillforge.parts.sandbox import ExecutionStatus
from skillforge.parts.transcript import Message, Prompt, Segment, ToolCall
from skillforge.rollout.segments import BlockReader, marks_of, written_segments


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
        text, invented = self._without_invented_output(completion)
        finish = completion.finish_reason
        code, closed = self._open_end(text)
        if code is None:
            reason = "invented-output" if invented else finish
            return Turn(tuple(written_segments(text, self._protocol)), finish_reason=reason)
        if not invented and finish == "length":
            return Turn(tuple(written_segments(text, self._protocol)), finish_reason="length")
        if not closed and not self._closes(completion, invented):
            return Turn(tuple(written_segments(text, self._protocol)), finish_reason="unclosed-code")
        return Turn(tuple(self._asking(text, closed)), (Block(code),), finish)

    def _without_invented_output(self, completion: Completion) -> tuple[str, bool]:
        """The text up to an output that the model wrote in the sandbox's place, and whether there is one."""
        text = completion.text
        if self._loop.invented_output == "keep":
            return text.removesuffix(self._protocol.stop) if self._marks.written else text, False
        stop, at = self._protocol.stop, text.find(self._marks.output_name)
        if at < 0:
            invented, opened = False, completion.stop == stop
        else:
            opened = text.endswith(stop) and len(text) - at <= len(stop)  # the server keeps the stop string
            invented, text = not opened, text[:at]
        if self._marks.written and opened:  # an output that is asked for, unless there is no code before it
            invented = self._open_end(text)[0] is None
        return text, invented

    def _open_end(self, text: str) -> tuple[str | None, bool]:
        """The code that `text` ends with, and whether its block is closed; None where something else follows it."""
        blocks, at, last = BlockReader(text, self._protocol), 0, None
        while (block := blocks.next(at)) is not None:
            at, last = block.end, block
        if last is None or text[last.end :].strip():
            return None, False
        return text[last.code : last.code_end], last.closed

    def _closes(self, completion: Completion, invented: bool) -> bool:
        """Whether a block that is open at the end of the turn counts as closed."""
        by_mark = self._protocol.stop == self._protocol.code_end and completion.stop in (None, self._protocol.stop)
        return (by_mark and not invented) or self._loop.unclosed == "run"

    def _asking(self, text: str, closed: bool) -> list[Segment]:
        """`text` as segments, the last of which is code with all that stands before its output."""
        code_end, written = self._protocol.code_end, self._marks.written
        segments = written_segments(text, self._protocol)
        behind = segments.pop().exact if segments[-1].kind == "text" else ""  # white space
        if not closed:
            behind = code_end if text.endswith("\n") or not written else f"\n{code_end}"
        elif self._protocol.trim or not written:
            behind = ""
        *before, code = segments
        end = code.end + behind
        if written and not written.startswith("\n") and not end.endswith("\n"):
            end += "\n"
        return [*before, msgspec.structs.replace(code, end=end + written)]

    def _output(self, block: Block, shown: str) -> Segment:
        return Segment("output", shown, begin=self._marks.added, end=self._protocol.output_end)


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
