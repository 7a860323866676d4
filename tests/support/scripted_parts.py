"""A plugin package for tests: sums as problems, and a backend that does what its options say. Needs no network.

`install` writes it into a folder the way pip would (module and dist-info), so that the true registry finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from skillforge import (
    Backend,
    BackendUnusable,
    Benchmark,
    Client,
    Completion,
    DataSource,
    Grader,
    Message,
    Model,
    PartOptions,
    Problem,
    Prompt,
    PromptStyle,
    Request,
    RequestFailed,
    RequestRefused,
    Sampling,
    Target,
    Transcript,
    Verdict,
    hookimpl,
)
from skillforge.parts.part import OPERATIONAL
from skillforge.server import running_program

SKILLFORGE_CONTRACT = 1

ENTRY_POINTS = """\
[skillforge.benchmarks]
scripted-sums = scripted_parts
judged-modulo = scripted_parts

[skillforge.prompts]
scripted-chat = scripted_parts
scripted-raw = scripted_parts

[skillforge.models]
scripted-model = scripted_parts

[skillforge.graders]
scripted-number = scripted_parts
scripted-lenient = scripted_parts
scripted-faulty = scripted_parts
scripted-unruly = scripted_parts
scripted-splitter = scripted_parts

[skillforge.backends]
scripted = scripted_parts
scripted-narrow = scripted_parts
"""


def install(folder: Path) -> None:
    """Put this package into `folder`."""
    (folder / "scripted_parts.py").write_bytes(Path(__file__).read_bytes())
    info = folder / "skillforge_scripted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: skillforge-scripted\nVersion: 1.0\nSummary: For tests\n"
    )
    (info / "entry_points.txt").write_text(ENTRY_POINTS)


class SumsOptions(PartOptions):
    count: Annotated[int, Meta(ge=0, description="How many problems.")] = 12
    file: Annotated[str | None, Meta(description="Read the problems from this file below the data folder.")] = None


class Sums(Benchmark):
    """Problem i asks for i + (i + 1); its level is i modulo 3."""

    name = "scripted-sums"
    summary = "Sums of neighbours"
    splits = {"test": "sums from 0", "train": "sums from 1000"}
    default_prompt = "scripted-chat"
    default_grader = "scripted-number"
    subset_fields = ("level",)
    Options = SumsOptions

    def problems(self, split: str, options: SumsOptions, source: DataSource) -> Iterable[Problem]:
        if options.file is not None:
            for row in source.rows(options.file):
                yield Problem(id=row.text("id"), question=row.text("question"), expected_answer=row.text("answer"))
            return
        first = 0 if split == "test" else 1000
        for number in range(first, first + options.count):
            yield Problem(
                id=f"{split}-{number}",
                question=f"What is {number} + {number + 1}?",
                expected_answer=str(2 * number + 1),
                metadata={"level": str(number % 3)},
            )


class Modulo(Sums):
    name = "judged-modulo"
    summary = "Sums of neighbours, judged modulo 3"
    grader_options = {"modulus": 3}


class ChatOptions(PartOptions):
    preamble: Annotated[str, Meta(description="Text of the system message.")] = "Add."


class Chat(PromptStyle):
    name = "scripted-chat"
    summary = "A system message and the question"
    Options = ChatOptions
    examples = (Problem(id="a", question="What is 1 + 1?", expected_answer="2", reference_solution="It is 2"),)

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: ChatOptions) -> Prompt:
        shown = [
            message
            for shot in few_shots
            for message in (Message("user", shot.question), Message("assistant", shot.reference_solution or ""))
        ]
        return (Message("system", options.preamble), *shown, Message("user", problem.question))


class Raw(PromptStyle):
    name = "scripted-raw"
    summary = "The question as raw text"
    stop = ("\n\n",)

    def render(self, problem: Problem, few_shots: Sequence[Problem], options: Any) -> Prompt:
        return f"Q: {problem.question}\nA:"


class ScriptedModel(Model):
    name = "scripted-model"
    summary = "No weights"
    default_backend = "scripted"
    default_sampling = Sampling(max_tokens=77)

    def location(self) -> str:
        return "/nowhere"


class NumberOptions(PartOptions):
    modulus: Annotated[Annotated[int, Meta(ge=2)] | None, Meta(description="Compare modulo this.")] = None


class Number(Grader):
    """The last number in the text against the expected one."""

    name = "scripted-number"
    summary = "Last number"
    Options = NumberOptions

    def grade(self, problem: Problem, transcript: Transcript, options: Any, answer: str | None = None) -> Verdict:
        found = re.findall(r"-?\d+", transcript.answer_text)
        if not found:
            return Verdict(state="no-answer", reason="no number")
        ours, theirs = int(found[-1]), int(problem.expected_answer or 0)
        if options.modulus:
            ours, theirs = ours % options.modulus, theirs % options.modulus
        return Verdict(state="correct" if ours == theirs else "wrong", answer=str(ours), reason="last number")


class Lenient(Grader):
    name = "scripted-lenient"
    summary = "All is correct"

    def grade(self, problem: Problem, transcript: Transcript, options: Any, answer: str | None = None) -> Verdict:
        return Verdict(state="correct", answer="x")


class Faulty(Grader):
    name = "scripted-faulty"
    summary = "Raises"

    def grade(self, problem: Problem, transcript: Transcript, options: Any, answer: str | None = None) -> Verdict:
        raise ValueError("a bug in the grader")


Misdeed = Literal[
    "exit", "sys.exit", "segfault", "kill", "sleep", "spin", "allocate", "raise", "print", "no-verdict", "odd-state",
    "odd-text",
]  # fmt: skip


class UnrulyOptions(NumberOptions):
    misdeed: Annotated[Misdeed, Meta(description="What is done instead of judging.")] = "raise"
    on: Annotated[tuple[str, ...], Meta(description="Problems on which it is done.")] = ()
    gate: Annotated[str | None, Meta(description="File that all but the first problem wait for.")] = None
    together: Annotated[int, Meta(ge=0, description="Judge only when the journal has so many processes.")] = 0
    journal: Annotated[
        str | None, Meta(description="Append the id of each problem, and the process, to this file.")
    ] = None


class Unruly(Number):
    """Judges like Number, and does what hostile text may make a grader do."""

    name = "scripted-unruly"
    summary = "Misbehaves where it is told to"
    Options = UnrulyOptions

    def grade(self, problem: Problem, transcript: Transcript, options: Any, answer: str | None = None) -> Verdict:
        if options.journal:
            with Path(options.journal).open("a") as journal:
                journal.write(f"{problem.id} {os.getpid()}\n")
            while len(set(Path(options.journal).read_text().split()[1::2])) < options.together:
                time.sleep(0.005)
        while options.gate and not problem.id.endswith("-0") and not Path(options.gate).exists():
            time.sleep(0.005)
        verdict = super().grade(problem, transcript, options, answer)
        if problem.id in options.on:
            return misbehave(options.misdeed, verdict)
        return verdict


class Splitter(Number):
    name = "scripted-splitter"
    summary = "Judges, and ends its process where it is to group"

    def group(self, answers: Sequence[str], options: Any) -> list[int]:
        os._exit(7)


def misbehave(misdeed: Misdeed, verdict: Verdict) -> Any:
    hoard = []
    match misdeed:
        case "exit":
            os._exit(7)
        case "sys.exit":
            sys.exit("bye")
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            time.sleep(1e6)
        case "spin":
            re.match(r"(a+)+$", "a" * 60 + "b")  # one call of C code, which no signal handler of Python interrupts
        case "allocate":
            while True:
                hoard.append(bytes(2**28))
        case "raise":
            raise ValueError("a bug in the grader")
        case "print":
            print("\x1b[2Jout", flush=True)
            os.write(2, b"\x1b[2Jerr")
        case "no-verdict":
            return "correct"
        case "odd-state":
            return Verdict(state="maybe")  # type: ignore[arg-type]
        case "odd-text":
            return Verdict(state="wrong", answer="\ud800", reason="\udfff")
    return verdict


class ScriptedOptions(PartOptions):
    style: Annotated[str, Meta(description="A part of each answer.")] = "sober"
    latency: Annotated[float, Meta(ge=0, description="Seconds an answer takes.", extra=OPERATIONAL)] = 0.0
    journal: Annotated[str | None, Meta(description="Append each request to this file.", extra=OPERATIONAL)] = None
    refuse: Annotated[
        tuple[str, ...], Meta(description="Refuse prompts with this text; repeatable.", extra=OPERATIONAL)
    ] = ()
    stumble: Annotated[int, Meta(ge=0, description="First attempts that fail.", extra=OPERATIONAL)] = 0
    gone_after: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Answers until the server is gone.", extra=OPERATIONAL)
    ] = None
    hang_after: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Answers until none comes.", extra=OPERATIONAL)
    ] = None
    unusable: Annotated[str | None, Meta(description="What `check` complains of.", extra=OPERATIONAL)] = None
    crash: Annotated[bool, Meta(description="Raise something undeclared.", extra=OPERATIONAL)] = False
    padding: Annotated[int, Meta(ge=0, description="Characters of padding in each answer.")] = 0
    odd_text: Annotated[bool, Meta(description="Answers hold text that no file can hold.")] = False
    engine: Annotated[str | None, Meta(description="Version of what generates.", extra=OPERATIONAL)] = None
    log: Annotated[
        str | None, Meta(description="Start an engine, whose output goes to this file.", extra=OPERATIONAL)
    ] = None


class ScriptedClient(Client):
    def __init__(self, options: ScriptedOptions) -> None:
        self._options = options
        self._answered = 0
        self._stumbles: dict[tuple[str, int | None], int] = {}

    async def check(self) -> None:
        if self._options.unusable:
            raise BackendUnusable(self._options.unusable, "start it")

    async def versions(self) -> dict[str, str]:
        return {"engine": self._options.engine} if self._options.engine else {}

    async def complete(self, request: Request) -> Completion:
        options, question = self._options, _question(request.prompt)
        if options.journal:
            with Path(options.journal).open("a") as journal:
                journal.write(json.dumps({"question": question, "seed": request.seed}) + "\n")
        if options.crash:
            raise KeyError("a bug in the backend")
        if any(text in question for text in options.refuse):
            raise RequestRefused("HTTP 400: context overflow")
        if options.gone_after is not None and self._answered >= options.gone_after:
            raise RequestFailed("connection refused", connection=True, retry_after=0.0)
        tries = self._stumbles[question, request.seed] = self._stumbles.get((question, request.seed), 0) + 1
        if tries <= options.stumble:
            raise RequestFailed("HTTP 429", throttled=True, retry_after=0.0)
        if options.hang_after is not None and self._answered >= options.hang_after:
            await asyncio.Event().wait()
        await asyncio.sleep(options.latency)
        self._answered += 1
        return Completion(
            text=answer_to(question, request.seed, options),
            finish_reason="stop",
            prompt_tokens=10,
            completion_tokens=5,
        )


def answer_to(question: str, seed: int | None, options: ScriptedOptions) -> str:
    """Right for three questions in four, by question and seed."""
    first, second = map(int, re.findall(r"\d+", question)[-2:])
    draw = hashlib.sha256(f"{question}/{seed}".encode()).digest()[0]
    odd = "\ud800 " if options.odd_text else ""
    return f"{odd}{options.style} {'.' * options.padding} {first + second + (draw % 4 == 0)}"


def _question(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else prompt[-1].content


class Scripted(Backend):
    name = "scripted"
    summary = "Answers sums"
    Options = ScriptedOptions

    def capabilities(self, options: Any) -> frozenset[str]:
        return frozenset({"chat", "text", *Sampling.__struct_fields__})

    @contextlib.asynccontextmanager
    async def open(self, target: Target, options: ScriptedOptions) -> AsyncIterator[Client]:
        async with contextlib.AsyncExitStack() as stack:
            if options.log is not None:
                command = (sys.executable, "-c", "import time; time.sleep(600)")
                opened = running_program(
                    "the engine", command, {}, ready=lambda: asyncio.sleep(0), log=Path(options.log), patience=60.0
                )
                await stack.enter_async_context(opened)
            yield ScriptedClient(options)

    def preview(self, request: Request, target: Target, options: Any) -> str:
        prompt = request.prompt
        shown = prompt if isinstance(prompt, str) else [[message.role, message.content] for message in prompt]
        return json.dumps({"model": target.model.name, "prompt": shown, "seed": request.seed})


class Narrow(Scripted):
    name = "scripted-narrow"
    summary = "Takes chats, and little else"

    def capabilities(self, options: Any) -> frozenset[str]:
        return frozenset({"chat", "temperature", "max_tokens", "stop"})


PARTS = {
    part.name: part
    for part in (
        Sums(),
        Modulo(),
        Chat(),
        Raw(),
        ScriptedModel(),
        Number(),
        Lenient(),
        Faulty(),
        Unruly(),
        Splitter(),
        Scripted(),
        Narrow(),
    )
}


@hookimpl
def skillforge_benchmark(name: str) -> Any:
    return PARTS[name]


@hookimpl
def skillforge_prompt(name: str) -> Any:
    return PARTS[name]


@hookimpl
def skillforge_model(name: str) -> Any:
    return PARTS[name]


@hookimpl
def skillforge_grader(name: str) -> Any:
    return PARTS[name]


@hookimpl
def skillforge_backend(name: str) -> Any:
    return PARTS[name]
