"""Chain of thought (Wei et al. 2022, arXiv:2201.11903) for any model, as chat messages or raw text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from skillforge import Message, PartOptions, Problem, Prompt, PromptStyle, UsageError, hookimpl
from skillforge_chat.examples import EXAMPLES

SKILLFORGE_CONTRACT = 1

QUESTION = "{question}"
INSTRUCTION = QUESTION + "\n\nSolve the problem step by step. Then give the final answer inside \\boxed{}."


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

    def __post_init__(self) -> None:
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

    def stop_strings(self, options: ChatOptions) -> tuple[str, ...]:
        """In text format, the start of the next block; a chat model ends its turn by itself."""
        return ("\nQuestion:",) if options.format == "text" else ()


def _messages(problem: Problem, few_shots: Sequence[Problem], options: ChatOptions) -> list[Message]:
    instruction = options.instruction or INSTRUCTION
    messages = [Message("system", options.system)] if options.system else []
    for shot in few_shots:
        messages += [Message("user", _ask(instruction, shot)), Message("assistant", _solution(shot))]
    return [*messages, Message("user", _ask(instruction, problem))]


def _text(problem: Problem, few_shots: Sequence[Problem], options: ChatOptions) -> str:
    instruction = options.instruction or (QUESTION if few_shots else INSTRUCTION)
    blocks = [options.system] if options.system else []
    blocks += [f"Question: {_ask(instruction, shot)}\nAnswer: {_solution(shot)}" for shot in few_shots]
    return "\n\n".join([*blocks, f"Question: {_ask(instruction, problem)}\nAnswer:"])


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
