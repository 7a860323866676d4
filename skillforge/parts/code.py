"""Code in transcripts: how a model marks the code that it wants run, and under which budgets it is run."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from skillforge.parts.part import PartOptions

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class CodeProtocol(msgspec.Struct, frozen=True, kw_only=True):
    """The strings around a block of code that the model writes in its text, and around the output that it is shown.

    Generation stops where a block asks to be run: at `stop`. The output follows, and the model goes on with its text.
    """

    code_begin: str
    code_end: str
    output_begin: str
    output_end: str
    stop: str
    """`code_end`, or a part of `output_begin`, for models that open the output's block themselves. What of `output_begin`
    stands before and in it counts as written by the model."""

    trim: bool = False
    """Whether white space at the end of the model's turn is removed before `output_begin` follows."""

    cut_mark: str = "..."
    """What stands for the part of an output that is left out."""

    remaining: str = ""
    """Follows `output_end` while executions are left; {remaining} stands for their number."""

    exhausted: str = ""
    """Follows `output_end` of the last execution."""


class ToolProtocol(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model calls apart from its text, as servers with OpenAI's tool calls offer it."""

    name: str = "python"
    description: str = "Runs Python code and returns what it prints. Variables live on from call to call."
    argument: str = "code"
    """The one parameter, a string: the code."""

    cut_mark: str = "..."
    remaining: str = ""
    """Follows the output while executions are left; {remaining} stands for their number."""

    exhausted: str = ""
    """Follows the output of the last execution."""


class ToolLoop(PartOptions, frozen=True, kw_only=True):
    """Budgets and rules of the tool loop. A prompt style brings those that its models were trained with."""

    max_executions: Annotated[
        int, Meta(ge=0, description="Blocks of code, or calls, of one sample that are run; 0 runs none.")
    ] = 6
    last_turn: Annotated[
        bool,
        Meta(description="Let the model write once more when its executions have run out; code in that is not run."),
    ] = True
    timeout: Annotated[Seconds, Meta(description="Seconds that a block of code may run.")] = 10.0
    max_output: Annotated[Count, Meta(description="Characters of an output that the model is shown.")] = 1000
    output_cut: Annotated[
        Literal["head", "middle", "tail"], Meta(description="Where an output that is too long is cut.")
    ] = "tail"
    turn_tokens: Annotated[
        Count | None, Meta(description="Most tokens of one turn; --max-tokens holds for all turns together.")
    ] = None
    wall_time: Annotated[
        Seconds | None, Meta(description="Seconds for one sample, after which it ends with what is written.")
    ] = None
    on_error: Annotated[
        Literal["show", "stop"], Meta(description="Show the model the error of its code, or end the sample there.")
    ] = "show"
    unclosed: Annotated[
        Literal["end", "run"],
        Meta(description="A turn that ends within a block of code: end the sample, or close the block and run it."),
    ] = "end"
    invented_output: Annotated[
        Literal["cut", "keep"],
        Meta(description="Output that the model writes itself: cut it off and run the code, or keep it as text."),
    ] = "cut"
    state: Annotated[
        Literal["session", "fresh"],
        Meta(description="Run the blocks of a sample in one session, or each in a fresh one."),
    ] = "session"
    last_line: Annotated[
        Literal["value", "print", "hide"],
        Meta(
            description="Show the last expression of a block as an interactive interpreter does (repr), as by print(), "
            "or only where the code prints it."
        ),
    ] = "value"
    prelude: Annotated[str, Meta(description="Code that runs first in each session, such as imports.")] = ""
