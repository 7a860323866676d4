"""As in test_contract_checks.py: the parts that judge, run and report."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path

import click
import pytest

from skillforge import (
    Backend,
    Client,
    CommandPart,
    Completion,
    ContextOverflow,
    Dropped,
    Engine,
    Execution,
    Filter,
    Grader,
    ModelRef,
    Problem,
    RequestFailed,
    RequestRefused,
    Sampling,
    Sandbox,
    SandboxLoad,
    SandboxPool,
    SandboxSession,
    ShardResult,
    Target,
    ToolCall,
    Tracker,
    Trainer,
    UsageError,
    Verdict,
)
from skillforge.testing import ContractBroken, check_grader, check_part

TARGET = Target(ModelRef("m", "m"))

# Graders -------------------------------------------------------------------------------------------------------

FAULTY_GRADERS = """
import itertools, os, time
from skillforge import Grader, Step, Verdict

class GoodGrader(Grader):
    name = "good"
    summary = "judges"
    def grade(self, problem, transcript, options, answer=None):
        if problem.expected_answer is None:
            return Verdict(state="error", reason="no expected answer")
        text = answer if answer is not None else transcript.answer_text
        return Verdict(state="correct" if problem.expected_answer in text else "wrong", reason="contained")

class Raising(GoodGrader):
    def grade(self, problem, transcript, options, answer=None):
        float((answer or "0")[:50].replace("\\\\boxed{", "").replace("}", "") or 0)
        return super().grade(problem, transcript, options, answer)

class Hanging(GoodGrader):
    def grade(self, problem, transcript, options, answer=None):
        while "unbalanced" in transcript.answer_text or "9^{9" in transcript.answer_text:
            time.sleep(1)
        return super().grade(problem, transcript, options, answer)

class Evaluating(GoodGrader):
    def grade(self, problem, transcript, options, answer=None):
        if "__import__" in transcript.answer_text:
            eval(transcript.answer_text.partition("{")[2].partition("}")[0])
        return super().grade(problem, transcript, options, answer)

class Generous(GoodGrader):
    def grade(self, problem, transcript, options, answer=None):
        return Verdict(state="correct")

class OddScore(GoodGrader):
    def grade(self, problem, transcript, options, answer=None):
        return Verdict(state="wrong", score=7.0)

class OddState(GoodGrader):
    def grade(self, problem, transcript, options, answer=None):
        return Verdict(state="perhaps")

class Fickle(GoodGrader):
    counter = itertools.count()
    def grade(self, problem, transcript, options, answer=None):
        return Verdict(state="wrong", reason=str(next(self.counter)))

class Hashing(GoodGrader):
    def grade(self, problem, transcript, options, answer=None):
        return Verdict(state="wrong", reason=str(hash("text")))

class Unpicklable(GoodGrader):
    def __init__(self):
        self.lock = lambda: None

class Lumping(GoodGrader):
    def group(self, answers, options):
        return list(range(len(answers)))

class Wordy(GoodGrader):
    def explain(self, problem, transcript, options, answer=None):
        return "it is right"

class Nameless(GoodGrader):
    def explain(self, problem, transcript, options, answer=None):
        return (Step("", "equal"),)

class Speechless(GoodGrader):
    def explain(self, problem, transcript, options, answer=None):
        return (Step("compare", "equal", str(float(transcript.answer_text.split("{")[-1][0] == "7"))),)
"""


@pytest.mark.parametrize(
    ("grader", "check", "cause"),
    [
        ("Raising", "hostile: unbalanced braces", "as the answer: it raised ValueError"),
        ("Hanging", "hostile: a tower of powers", "in the transcript: it did not end within 2 s"),
        ("Evaluating", "hostile: code as an answer", "in the transcript: it ended the process with exit status 1"),
        ("Generous", "no expected answer", "was judged correct"),
        ("OddScore", "verdicts", "the score is 7.0"),
        ("OddState", "verdicts", "the state is 'perhaps'"),
        ("Fickle", "judges the same again", "is judged in two ways"),
        ("Hashing", "judges the same elsewhere", "in another process"),
        ("Unpicklable", "picklable", "cannot be sent to another process"),
        ("Lumping", "groups answers", "the answer '7' is in two groups"),
        ("Wordy", "explains itself", "it returned 'it is right'"),
        ("Nameless", "explains itself", "a stage has no name"),
        ("Speechless", "explains itself", "it raised IndexError"),
    ],
)
def test_faults_of_a_grader_are_found(site, grader, check, cause, outcomes) -> None:
    (site.folder / "faulty_graders.py").write_text(FAULTY_GRADERS)
    import faulty_graders

    result = outcomes(getattr(faulty_graders, grader)(), limit=2.0)[check]
    assert result.state == "failed" and cause in result.detail


def test_a_good_grader_passes_and_the_authors_cases_count(site, failed) -> None:
    (site.folder / "faulty_graders.py").write_text(FAULTY_GRADERS)
    from faulty_graders import GoodGrader

    problem = Problem(id="1", question="?", expected_answer="7")
    assert not failed(GoodGrader(), cases=[(problem, "it is 7", "correct")])
    with pytest.raises(ContractBroken, match="'it is 8' against '7' is wrong"):
        check_grader(GoodGrader(), cases=[(problem, "it is 8", "correct")])


def test_a_grader_that_another_process_cannot_import_is_not_picklable(failed) -> None:
    class Local(Grader):
        name = "local"
        summary = "defined in a function"

        def grade(self, problem, transcript, options, answer=None):
            return Verdict(state="error", reason="never judges")

    assert failed(Local()) == {"picklable"}


# Filters --------------------------------------------------------------------------------------------------


class GoodFilter(Filter):
    name = "good"
    summary = "keeps all that is correct"

    def apply(self, sample, verdict, options):
        return sample if verdict.state == "correct" else Dropped("not correct")


@pytest.mark.parametrize(
    ("apply", "check"),
    [
        (lambda self, sample, verdict, options: verdict.state == "correct", "keeps or drops"),
        (lambda self, sample, verdict, options: Dropped(""), "keeps or drops"),
        (lambda self, sample, verdict, options: Dropped(str(time.time_ns())), "filters the same again"),
        (lambda self, sample, verdict, options: sample.transcript.answer_text.encode() and sample, "hostile texts"),
    ],
)
def test_faults_of_a_filter_are_found(apply, check, failed) -> None:
    assert not failed(GoodFilter())
    assert check in failed(type("Faulty", (GoodFilter,), {"apply": apply})())


# Backends ------------------------------------------------------------------------------------------------------


NUMBERS = [f"word{number}" for number in range(12)]


class Words(Client):
    """Says 'word0 word1 …'; each fault is a name."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.busy = False

    def capabilities(self):
        return frozenset({"chat", "beam_width"}) if self.fault == "more than the backend" else None

    async def ready(self):
        return self.fault != "never ready"

    async def models(self):
        return "m" if self.fault == "one name" else ["m"]

    async def context_length(self):
        return 0 if self.fault == "no context" else 4096

    async def versions(self):
        return {"no versions": "1.0", "a number": {"words": 1.0}}.get(self.fault, {"words": "1.0"})

    async def complete(self, request, on_text=None):
        if self.fault == "one at a time":
            assert not self.busy
            self.busy = True
            await asyncio.sleep(0.01)
            self.busy = False
        if len(str(request.prompt)) > 10_000:
            self.refuse()
        if request.tools:
            return self.call(request)
        chance = self.fault == "no seed" or (self.fault == "draws from all" and request.sampling.temperature)
        text = " ".join(([str(time.time_ns())] if chance else []) + NUMBERS)
        if not isinstance(request.prompt, str) and request.prompt[-1].role == "assistant":
            text = self.rest(request.prompt[-1].content, text)
        words = text.split(" ")
        written = words[: request.sampling.max_tokens]
        text = " ".join(written)
        if request.sampling.json_schema:
            text = "the sum is 7" if self.fault == "no schema" else '{"sum": 7}'
        stop = next((stop for stop in request.sampling.stop if self.fault != "no stop" and stop in text), "")
        text = text.partition(stop)[0] if stop else text
        length = (request.sampling.max_tokens or 99) < len(words) and self.fault != "no length"
        thinks = isinstance(request.prompt, str) and "<think>" in request.prompt
        thinks = thinks and (not request.whole or self.fault == "split")
        if on_text is not None:
            self.stream(text, on_text)
        return Completion(
            **(self.ids(request, len(written)) if request.sampling.token_ids or self.fault == "ids unasked" else {}),
            text="" if thinks or (self.fault == "lost" and request.whole) else text,
            reasoning=text if thinks else None,
            finish_reason="length" if length else "stop",
            stop={"wrong stop": "wor", "own end": "", "untold": None}.get(self.fault, stop),
            prompt_tokens=len(request.prompt_ids or (1, 2, 3)),
            completion_tokens=len(written),
            logprobs=None if request.sampling.logprobs is None else self.logprobs(written, request.sampling.logprobs),
            prompt_logprobs=None if request.sampling.prompt_logprobs is None else self.prompt_logprobs(request),
        )

    def stream(self, text, on_text):
        for piece in [text] if self.fault == "at once" else text.partition(" "):
            on_text(piece.upper() if self.fault == "other pieces" else piece)

    def ids(self, request, count):
        prompt = None if self.fault == "ids not taken" else request.prompt_ids
        return {
            "prompt_ids": prompt or (len(str(request.prompt)), 2, 3),
            "token_ids": () if self.fault == "no ids" else tuple(range(count)),
        }

    def logprobs(self, written, count):
        if self.fault == "no logprobs":
            return None
        logprob = 0.5 if self.fault == "probabilities" else -0.5
        top = {} if self.fault == "no alternatives" else {f"word{number}": logprob for number in range(count)}
        entries = [{"token": word, "logprob": logprob, "top": top} for word in written]
        return entries[:1] if self.fault == "first logprob" else entries

    def prompt_logprobs(self, request):
        if self.fault == "no prompt logprobs":
            return None
        count = len(request.prompt_ids or (1, 2, 3)) - (self.fault != "first prompt logprob")
        number = 0 if self.fault == "no prompt alternatives" else request.sampling.prompt_logprobs
        logprob = -0.9 if self.fault == "other score" and request.prompt_ids else -0.5
        return [{"token": "word", "logprob": logprob, "top": dict.fromkeys(NUMBERS[:number], -0.1)}] * count

    def refuse(self):
        if self.fault == "crash":
            raise ValueError("the prompt is too long")
        if self.fault == "no overflow":
            raise RequestFailed("HTTP 400: too long")
        raise ContextOverflow("too long", room=-5 if self.fault == "negative room" else 0)

    def call(self, request):
        if request.prompt[-1].role == "tool":
            if self.fault == "one turn":
                raise RequestRefused("HTTP 400: unknown role")
            return Completion(text="7006652", finish_reason="stop")
        name = "bash" if self.fault == "other tool" else request.tools[0].name
        number = "" if self.fault == "no id" else "1"
        arguments = {"code": "1"} if self.fault == "object" else "no JSON"
        made = tuple(ToolCall(number, name, arguments) for _ in range(2 if self.fault == "same id" else 1))
        return Completion(text="", finish_reason="tool_calls", tool_calls=made)

    def rest(self, begun, text):
        return text if self.fault == "anew" else text.removeprefix(begun)


class GoodBackend(Backend):
    name = "good"
    summary = "says words"
    fault = ""

    def capabilities(self, options):
        return frozenset({"chat", "text", "continue", "tools", "stream", *Sampling.__struct_fields__})

    @asynccontextmanager
    async def open(self, target, options):
        if target.model.name != "m":
            raise UsageError(f"no model {target.model.name}", "use m")
        yield Words(self.fault)

    def preview(self, request, target, options):
        return str(request.prompt)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ({"fault": "no stop"}, "stop"),
        ({"fault": "no length"}, "max_tokens"),
        ({"fault": "no seed"}, "seed"),
        ({"fault": "one at a time"}, "eight at once"),
        ({"fault": "wrong stop"}, "stop"),
        ({"fault": "own end"}, "tells the stop string"),
        ({"fault": "anew"}, "continues"),
        ({"fault": "split"}, "whole"),
        ({"fault": "lost"}, "whole"),
        ({"fault": "crash"}, "a prompt that is too long"),
        ({"fault": "no overflow"}, "a prompt that is too long"),
        ({"fault": "negative room"}, "a prompt that is too long"),
        ({"fault": "other tool"}, "tools"),
        ({"fault": "no id"}, "tools"),
        ({"fault": "same id"}, "tools"),
        ({"fault": "object"}, "tools"),
        ({"fault": "one turn"}, "tools"),
        ({"fault": "more than the backend"}, "capabilities of the target"),
        ({"fault": "never ready"}, "ready"),
        ({"fault": "one name"}, "models"),
        ({"fault": "no context"}, "context_length"),
        ({"fault": "no versions"}, "versions"),
        ({"fault": "a number"}, "versions"),
        ({"fault": "at once"}, "stream"),
        ({"fault": "other pieces"}, "stream"),
        ({"fault": "no ids"}, "token_ids"),
        ({"fault": "ids not taken"}, "token_ids"),
        ({"fault": "ids unasked"}, "token_ids"),
        ({"fault": "no schema"}, "json_schema"),
        ({"fault": "draws from all"}, "top_p"),
        ({"fault": "draws from all"}, "top_k"),
        ({"fault": "draws from all"}, "min_p"),
        ({"fault": "no logprobs"}, "logprobs"),
        ({"fault": "first logprob"}, "logprobs"),
        ({"fault": "probabilities"}, "logprobs"),
        ({"fault": "no alternatives"}, "alternatives"),
        ({"fault": "no prompt logprobs"}, "prompt_logprobs"),
        ({"fault": "first prompt logprob"}, "prompt_logprobs"),
        ({"fault": "no prompt alternatives"}, "prompt_logprobs"),
        ({"fault": "other score"}, "scoring"),
        ({"capabilities": lambda self, options: {"chat"}}, "capabilities"),
        ({"capabilities": lambda self, options: frozenset({"chat", "beam_width"})}, "capabilities"),
        ({"capabilities": lambda self, options: frozenset({"stop"})}, "capabilities"),
        ({"capabilities": lambda self, options: frozenset({"text", "continue"})}, "capabilities"),
        ({"preview": lambda self, request, target, options: {"prompt": 1}}, "preview"),
        ({"open": lambda self, target, options: 1 / 0}, "opens"),
    ],
)
def test_faults_of_a_backend_are_found(fault, check, failed) -> None:
    assert check in failed(type("Faulty", (GoodBackend,), fault)(), target=TARGET)


def test_what_a_backend_is_not_capable_of_or_does_not_tell_is_skipped(outcomes) -> None:
    class Plain(GoodBackend):
        fault = "untold"

        def capabilities(self, options):
            return frozenset({"chat", "max_tokens", "stop"})

    found = outcomes(Plain(), target=TARGET)
    skipped = {name for name, result in found.items() if result.state == "skipped"}
    assert skipped == {
        "tells the stop string",
        "continues",
        "whole",
        "tools",
        "seed",
        "stream",
        "token_ids",
        "json_schema",
        *("top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"),
        *("logprobs", "alternatives", "prompt_logprobs", "scoring"),
    }


def test_a_good_backend_passes_with_and_without_a_target(outcomes) -> None:
    assert {result.state for result in check_part(GoodBackend(), target=TARGET)} == {"ok"}
    assert outcomes(GoodBackend())["real calls"].state == "skipped"


# Sandboxes, trainers, engines, trackers, commands --------------------------------------------------------------


class Pretending(SandboxSession):
    async def run(self, code, timeout, on_output=None):
        return Execution(status="ok", stdout="42\né 問 🍎\n")


class PretendingPool(SandboxPool):
    @asynccontextmanager
    async def session(self):
        yield Pretending()

    def load(self):
        return SandboxLoad(in_use=0, ready=0, waiting=0)


class FaultySandbox(Sandbox):
    name = "faulty"
    summary = "pretends"

    @asynccontextmanager
    async def open(self, options):
        yield PretendingPool()


def test_a_sandbox_that_only_pretends_is_found(failed) -> None:
    assert failed(FaultySandbox()) == {
        "shows the last value", "keeps state", "serves many", "reports faults", "odd code", "exit", "timeout", "crash",
    }  # fmt: skip


def test_a_sandbox_that_is_not_at_hand_is_skipped(outcomes) -> None:
    def refuse(self, options):
        raise UsageError("docker is not running", "start it")

    found = outcomes(type("Absent", (FaultySandbox,), {"open": refuse})())
    assert found["behaves"].state == "skipped" and "docker is not running" in found["behaves"].detail


def test_a_trainer_that_invents_a_checkpoint_is_found(tmp_path: Path, outcomes, failed) -> None:
    class Inventing(Trainer):
        name = "inventing"
        summary = "trains on nothing"

        def train(self, data, base, output, options):
            return Path("/no/such/checkpoint")

    (tmp_path / "train.jsonl").write_text("{}\n")
    broken = failed(Inventing(), data=tmp_path / "train.jsonl", base=ModelRef("b", "b"))
    assert broken == {"missing data", "trains", "goes on"}
    assert outcomes(Inventing(), exercise=False)["behaves"].state == "skipped"


def test_an_engine_that_loses_exit_codes_is_found(tmp_path: Path, failed) -> None:
    class Losing(Engine):
        name = "losing"
        summary = "runs nothing"

        def run(self, shards, options):
            return [ShardResult(shard.number, 0, tmp_path) for shard in shards]

    assert failed(Losing()) == {"reports exit codes", "a command that is not there", "stops when closed"}


def test_a_tracker_that_mixes_up_its_runs_is_found(failed) -> None:
    class Single(Tracker):
        name = "single"
        summary = "can follow one run only"
        started = False

        def start(self, run, options):
            assert not self.started
            self.started = True

        def log(self, metrics, step):
            pass

        def finish(self, summary):
            pass

    assert failed(Single()) == {"tracks another run"}


def test_a_command_that_works_before_it_is_asked_is_found(failed) -> None:
    class Hasty(CommandPart):
        name = "hasty"
        summary = "works at once"

        def command(self):
            @click.command("hasty", context_settings={"ignore_unknown_options": True, "help_option_names": []})
            @click.argument("rest", nargs=-1)
            def hasty(rest):
                click.echo("working")

            return hasty

    assert failed(Hasty()) == {"--help", "a wrong option"}
