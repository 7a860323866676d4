"""Chain of thought (Wei et al. 2022, arXiv:2201.11903) for any model, as chat messages or raw text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from skillforge import (
    CodeProtocol,
    Message,
    PartOptions,
    Problem,
    Prompt,
    PromptStyle,
    ToolProtocol,
    UsageError,
    hookimpl,
)
from skillforge_chat.examples import EXAMPLES

SKILLFORGE_CONTRACT = 1

QUESTION = "{question}"
INSTRUCTION = QUESTION + "\n\nSolve the problem step by step. Then give the final answer inside \\boxed{}."

BLOCKS = (
    "You can run Python. Write the code in a block that begins with ```python and ends with ```; it is run at once, and "
    "what it prints follows in a block that begins with ```output. Variables live on from block to block."
)
"""What a model is told that runs code in its text."""

NO_MORE = "No executions are left. Give the final answer now."

FENCES = CodeProtocol(
    code_begin="```python\n",
    code_end="```",
    output_begin="```output\n",
    output_end="\n```\n",
    stop="```output",
    exhausted=f"\n{NO_MORE}\n",
)

CALLS = ToolProtocol(exhausted=f"\n\n{NO_MORE}")


class ChatOptions(PartOptions, frozen=True, kw_only=True):
    """Options of `chat`."""

    format: Annotated[
        Literal["chat", "text"],
        Meta(description="Chat messages, or one raw text of 'Question: … Answer: …' blocks for a base model."),
    ] = "chat"
    system: Annotated[
        str | None, Meta(description="System message; in text format, the paragraph that opens the prompt.")
    ] = None
    instruction: Annotated[
        str | None,
        Meta(
            description="What is asked, with {question} where the question goes. Default: the question, and to solve "
            "it step by step and box the answer; in text format with few-shots, which show that, the question alone."
        ),
    ] = None

    python: Annotated[
        Literal["tools", "text"] | None,
        Meta(
            description="Let the model run Python: tools, as calls of a function; text, as blocks between ```python and ```"
            " in its answer."
        ),
    ] = None

    def __post_init__(self) -> None:
        if self.python == "tools" and self.format == "text":
            raise UsageError(
                "the options 'format' and 'python' of the prompt style 'chat' exclude each other: tools need chat messages",
                "set -o prompt.python=text",
            )
        if self.instruction is not None and QUESTION not in self.instruction:
            raise UsageError(
                "the option 'instruction' of the prompt style 'chat' has no place for the question",
                "write {question} where it goes",
            )


class Chat(PromptStyle):
    """Asks to reason step by step and box the answer; few-shots are earlier turns, or blocks of text."""

    name = "chat"
    summary = "Chain of thought for any model: zero-shot or few-shot, chat messages or raw text."
    Options = ChatOptions
    examples = EXAMPLES

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: ChatOptions) -> Prompt:
        """Chat messages or one text. Raises UsageError for a few-shot with neither solution nor answer."""
        if options.format == "text":
            return _text(problem, few_shots, options)
        return tuple(_messages(problem, few_shots, options))

    def code_protocol(self, options: ChatOptions) -> CodeProtocol | ToolProtocol | None:
        """How code is asked for, where `options` let the model run any."""
        return {"tools": CALLS, "text": FENCES, None: None}[options.python]

    def stop_strings(self, options: ChatOptions) -> tuple[str, ...]:
        """In text format, the start of the next block; a chat model ends its turn by itself."""
        return ("\nQuestion:",) if options.format == "text" else ()


def _messages(problem: Problem, few_shots: Sequence[Problem], options: ChatOptions) -> list[Message]:
    instruction = options.instruction or INSTRUCTION
    system = _system(options)
    messages = [Message("system", system)] if system else []
    for shot in few_shots:
        messages += [Message("user", _ask(instruction, shot)), Message("assistant", _solution(shot))]
    return [*messages, Message("user", _ask(instruction, problem))]


def _text(problem: Problem, few_shots: Sequence[Problem], options: ChatOptions) -> str:
    instruction = options.instruction or (QUESTION if few_shots else INSTRUCTION)
    system = _system(options)
    blocks = [system] if system else []
    blocks += [f"Question: {_ask(instruction, shot)}\nAnswer: {_solution(shot)}" for shot in few_shots]
    return "\n\n".join([*blocks, f"Question: {_ask(instruction, problem)}\nAnswer:"])


def _system(options: ChatOptions) -> str:
    """The system message, and how to run code where the model is to do so in its text."""
    return "\n\n".join(filter(None, (options.system, BLOCKS if options.python == "text" else None)))


def _ask(instruction: str, problem: Problem) -> str:
    # One pass over the template: a question that holds "{question}" or other braces is left as it is.
    return instruction.replace(QUESTION, problem.question)


def _solution(shot: Problem) -> str:
    """The worked solution, closed by the boxed answer unless the solution boxes it itself."""
    solution, answer = shot.reference_solution, shot.expected_answer
    if solution and ("\\boxed" in solution or answer is None):
        return solution
    if answer is None:
        raise UsageError(f"the few-shot '{shot.id}' has neither a solution nor an answer", "choose other examples")
    boxed = f"The answer is \\boxed{{{answer}}}."
    return f"{solution}\n{boxed}" if solution else boxed


@hookimpl
def skillforge_prompt() -> PromptStyle:
    return Chat()
