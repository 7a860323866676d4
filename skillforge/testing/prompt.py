"""The contracts of a prompt style and of a model."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import get_args

import msgspec

from skillforge.errors import SkillForgeError
from skillforge.parts.code import CodeProtocol, ToolLoop, ToolProtocol
from skillforge.parts.model import Model
from skillforge.parts.part import PartOptions
from skillforge.parts.problem import Problem
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.sampling import Sampling
from skillforge.parts.sandbox import Execution, ExecutionStatus
from skillforge.parts.transcript import Message, Prompt
from skillforge.testing.declaration import PART_NAME, begin, check_declaration
from skillforge.testing.examples import ANOTHER, HARD_QUESTIONS, HOSTILE_TEXTS, PROBLEM
from skillforge.testing.report import CheckResult, Checks, GivenOptions, Skip, expect

_ROLES = ("system", "user", "assistant")
_TRACEBACK = """Traceback (most recent call last):
  File "<cell 1>", line 2, in <module>
    print(1 / 0)
          ~~^~~
ZeroDivisionError: division by zero
"""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def check_prompt(
    part: PromptStyle,
    *,
    options: GivenOptions = None,
    problems: Sequence[Problem] = (PROBLEM, ANOTHER),
) -> list[CheckResult]:
    """Check a prompt style. One that needs metadata (choices, a table) is tried with `problems` that have them.

    Raises ContractBroken.
    """
    checks, usable = begin(part, options)
    _check_prompt_data(checks, part)
    if usable is None:
        return checks.finish()
    with checks.check("stop strings", "return a tuple of non-empty strings from `stop_strings`"):
        _expect_strings(part.stop_strings(usable), "stop_strings()")
    if _renders_at_all(checks, part, usable, problems):
        _check_render(checks, part, usable, problems)
        _check_few_shots(checks, part, usable, problems[0])
        _check_code(checks, part, usable, problems[0])
    with checks.check("read_answer", "return the answer as str, or None; never raise on the model's text"):
        for bad, text in HOSTILE_TEXTS.items():
            answer = part.read_answer(text)
            expect(answer is None or isinstance(answer, str), f"on {bad} it returned {type(answer).__name__}")
    with checks.check(
        "picklable", "define the class at the top level of its module: answers are read where grading is done"
    ):
        pickle.dumps(part)
    return checks.finish()


def _check_prompt_data(checks: Checks, part: PromptStyle) -> None:
    with checks.check("stop", "give `stop` as a tuple of non-empty strings"):
        _expect_strings(part.stop, "stop")
    with checks.check("examples", "give `examples` as a tuple of Problems, each with its reference_solution"):
        expect(isinstance(part.examples, tuple), f"it is {type(part.examples).__name__}")
        for number, example in enumerate(part.examples):
            expect(isinstance(example, Problem), f"example {number} is {type(example).__name__}")
            expect(example.reference_solution, f"example {number} has no reference_solution")


def _expect_strings(value: object, what: str) -> None:
    expect(isinstance(value, tuple), f"{what} is {type(value).__name__}, not a tuple")
    assert isinstance(value, tuple)
    expect(all(isinstance(item, str) and item for item in value), f"{what} is {value!r}")


def _renders_at_all(checks: Checks, part: PromptStyle, options: PartOptions, problems: Sequence[Problem]) -> bool:
    with checks.check("renders", "return a tuple of skillforge.Message, or a str, from `render`"):
        try:
            for problem in problems:
                _expect_prompt(part.render(problem, (), options))
        except SkillForgeError as error:
            raise Skip(f"it needs problems of another sort; give some as problems=… ({error.what})") from None
    return checks.results[-1].state == "ok"


def _expect_prompt(prompt: Prompt) -> None:
    if isinstance(prompt, str):
        expect(prompt.strip(), "the prompt is empty")
        return
    expect(isinstance(prompt, tuple) and prompt, f"the prompt is {type(prompt).__name__}, not Messages or str")
    for message in prompt:
        expect(isinstance(message, Message), f"the prompt has a {type(message).__name__} in it")
        expect(message.role in _ROLES, f"a message has the role {message.role!r}")
        expect(isinstance(message.content, str), f"a message's content is {type(message.content).__name__}")


def _text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else "\n".join(message.content for message in prompt)


def _check_render(checks: Checks, part: PromptStyle, options: PartOptions, problems: Sequence[Problem]) -> None:
    with checks.check("asks the question", "put the question in as it is (str.replace, not str.format or %)"):
        for question in (*(problem.question for problem in problems), *HARD_QUESTIONS):
            prompt = part.render(msgspec.structs.replace(problems[0], question=question), (), options)
            _expect_prompt(prompt)
            expect(question.strip() in _text(prompt), f"the question {question!r} is not in the prompt as it is")
    with checks.check("renders the same again", "let `render` depend on its arguments only"):
        first = [part.render(problem, (), options) for problem in problems]
        again = [part.render(problem, (), options) for problem in reversed(problems)]
        expect(first == again[::-1], "a second call gives another prompt")


def _check_few_shots(checks: Checks, part: PromptStyle, options: PartOptions, problem: Problem) -> None:
    if not part.examples:
        checks.skip("few-shots", "it has no examples")
        return
    with checks.check("few-shots", "put each example's question and solution before the problem"):
        prompts = [part.render(problem, part.examples[:count], options) for count in range(len(part.examples) + 1)]
        for count, (fewer, more) in enumerate(pairwise(prompts), 1):
            expect(fewer != more, f"{count} examples give the same prompt as {count - 1}")
        question = part.examples[0].question.strip()
        expect(question in _text(prompts[1]), "the first example's question is not in the prompt")


def _check_code(checks: Checks, part: PromptStyle, options: PartOptions, problem: Problem) -> None:
    with checks.check("code protocol", "give a CodeProtocol or a ToolProtocol, as `code` or from `code_protocol`"):
        _expect_protocol(part.code_protocol(options))
        if isinstance(part.code_protocol(options), ToolProtocol):
            is_chat = not isinstance(part.render(problem, (), options), str)
            expect(is_chat, "functions are called in a chat, and `render` returns raw text")
    with checks.check("tool loop", "give a skillforge.ToolLoop within its bounds, as `loop` or from `tool_loop`"):
        loop = part.tool_loop(options)
        expect(isinstance(loop, ToolLoop), f"it is {type(loop).__name__}")
        msgspec.convert(msgspec.to_builtins(loop), ToolLoop)
    with checks.check("show_output", "return a str for every Execution; never raise on what the code wrote"):
        for execution in _executions():
            shown = part.show_output(execution, ToolLoop(), options)
            expect(isinstance(shown, str), f"for the status {execution.status!r} it returned {type(shown).__name__}")


def _expect_protocol(protocol: object) -> None:
    if isinstance(protocol, CodeProtocol):
        for name in ("code_begin", "code_end", "output_begin", "output_end"):
            mark = getattr(protocol, name)
            expect(isinstance(mark, str) and mark.strip(), f"{name} is {mark!r}")
        stop = protocol.stop
        fits = stop == protocol.code_end or (stop and stop in protocol.output_begin)
        expect(fits, f"stop is {stop!r}, which is neither code_end nor a part of output_begin")
    elif isinstance(protocol, ToolProtocol):
        for name in ("name", "argument"):
            identifier = getattr(protocol, name)
            expect(isinstance(identifier, str) and identifier.isidentifier(), f"{name} is {identifier!r}")
    else:
        expect(protocol is None, f"it is {type(protocol).__name__}")


def _executions() -> Iterator[Execution]:
    """Executions of every status with nothing to show, with a traceback, and with hostile texts."""
    for status in get_args(ExecutionStatus):
        yield Execution(status=status, state="lost")
        yield Execution(status=status, stdout="7\n", stderr=_TRACEBACK, detail="ZeroDivisionError")
        for text in HOSTILE_TEXTS.values():
            yield Execution(status=status, stdout=text, stderr=text, value=text, detail=text, late_output=text)
        yield Execution(status=status, stderr=_TRACEBACK * 1000, detail="RecursionError")


def check_model(part: Model) -> list[CheckResult]:
    """Check a model: its declaration and where its weights are. Nothing is loaded. Raises ContractBroken."""
    checks = Checks(part)
    check_declaration(checks)
    with checks.check("aliases", "give `aliases` as a tuple of names"):
        _expect_strings(part.aliases, "aliases")
    with checks.check("defaults", "name installed parts, and give sampling as skillforge.Sampling"):
        for field in ("default_prompt", "default_backend"):
            name = getattr(part, field)
            fits = name is None or (isinstance(name, str) and PART_NAME.fullmatch(name.rpartition(":")[2]))
            expect(fits, f"{field} is {name!r}")
        sampling = part.default_sampling
        expect(isinstance(sampling, Sampling), f"default_sampling is {type(sampling).__name__}")
        expect(
            msgspec.convert(msgspec.to_builtins(sampling), Sampling) == sampling, "default_sampling is out of bounds"
        )
    with checks.check("default backend options", "give a mapping of option names to plain values"):
        given = part.default_backend_options
        expect(isinstance(given, Mapping), f"it is {type(given).__name__}")
        msgspec.json.encode(dict(given))
        expect(not given or part.default_backend, "it is given without a default_backend")
    with checks.check("location", "return the folder or hub id of the weights", may_refuse=True):
        location = part.location()
        expect(not part.embedded or Path(location).is_dir(), f"it is embedded, but there is no folder {location}")
        expect(isinstance(location, str) and location.strip(), f"it is {location!r}")
        expect(location == part.location(), "a second call gives another one")
        if not _HUB_ID.fullmatch(location) and not Path(location).is_dir():
            raise Skip(f"there is no folder {location} here")
    return checks.finish()
