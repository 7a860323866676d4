"""Each contract test finds the fault that it is for, says what to do, and lets a good part pass."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from skillforge import (
    Benchmark,
    CodeProtocol,
    Message,
    Model,
    ModelVoter,
    PartOptions,
    Problem,
    PromptStyle,
    Sampling,
    ToolLoop,
    ToolProtocol,
    UsageError,
    Vote,
    VotePlan,
    Voter,
)
from skillforge.testing import ContractBroken, check_part

# The declaration -----------------------------------------------------------------------------------------------


class GoodVoter(Voter):
    name = "good"
    summary = "the first answer"

    def vote(self, ballots, options):
        return next((_vote(at, ballot) for at, ballot in enumerate(ballots) if ballot.answer is not None), None)


def _vote(at, ballot):
    return Vote(answer=ballot.answer, supporters=(at,))


class Unclear(PartOptions, frozen=True, kw_only=True):
    size: int = 3


class OutOfBounds(PartOptions, frozen=True, kw_only=True):
    size: Annotated[int, Meta(ge=1, description="Size.")] = 0


class Needy(PartOptions, frozen=True, kw_only=True):
    size: Annotated[int, Meta(ge=1, description="Size.")]


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ({"name": "Not_Kebab"}, "name"),
        ({"summary": "x" * 101}, "summary"),
        ({"summary": "two\nlines"}, "summary"),
        ({"summary": " "}, "summary"),
        ({"licence": 3}, "origin"),
        ({"Options": dict}, "options"),
        ({"Options": Unclear}, "options have help"),
        ({"Options": OutOfBounds}, "option defaults"),
    ],
)
def test_faults_of_a_declaration_are_found(fault, check, outcomes) -> None:
    part = type("Faulty", (GoodVoter,), fault)()
    result = outcomes(part)[check]
    assert result.state == "failed" and result.detail and result.fix


def test_a_good_part_passes_and_gives_its_results() -> None:
    results = check_part(GoodVoter())
    assert all(result.ok for result in results)
    assert {"name", "no answers", "votes the same again"} <= {result.name for result in results}


def test_required_options_are_asked_for_and_can_be_given(outcomes) -> None:
    part = type("Asking", (GoodVoter,), {"Options": Needy})()
    assert "option 'size' is required" in outcomes(part)["behaves"].detail
    assert outcomes(part, options={"size": 2})["one answer"].state == "ok"
    with pytest.raises(UsageError, match="size"):
        check_part(part, options={"size": 0})


def test_the_error_lists_every_failed_check_with_cause_and_fix() -> None:
    with pytest.raises(ContractBroken) as caught:
        check_part(type("Faulty", (GoodVoter,), {"name": "Bad Name", "summary": ""})())
    text = str(caught.value)
    assert text.startswith("the voter 'Bad Name' breaks its contract in 2 of ")
    assert "✗ name: 'Bad Name' is not lower-case-kebab\n      → name it with lower-case" in text
    assert "✗ summary: there is none\n      → say in one line" in text


SLOPPY = """
print("hello from a plugin")
import sympy
from skillforge import Voter, hookimpl
SKILLFORGE_CONTRACT = 1
class Sloppy(Voter):
    name = "sloppy"
    summary = "imports too much"
    def vote(self, ballots, options):
        return None
@hookimpl
def skillforge_voter():
    return Sloppy()
"""


def test_what_importing_a_part_costs_is_found(site, outcomes) -> None:
    pytest.importorskip("sympy")
    site.install("faulty-sloppy", {("voter", "sloppy"): "faulty_sloppy"}, {"faulty_sloppy": SLOPPY})
    from faulty_sloppy import Sloppy

    found = outcomes(Sloppy())
    assert found["imports nothing heavy"].detail == "importing it imports sympy"
    assert "hello from a plugin" in found["imports quietly"].detail


@pytest.mark.parametrize(
    ("method", "does", "check"),
    [
        ("vote", lambda self, ballots, options: Vote(answer="invented", supporters=(0,)), "an answer that was given"),
        ("vote", lambda self, ballots, options: (ballots and _vote(0, ballots[0])) or None, "no answers"),
        ("vote", lambda self, ballots, options: None, "one answer"),
        ("vote", lambda self, ballots, options: ballots[0].answer, "an answer that was given"),
        ("vote", lambda self, ballots, options: Vote(answer="7", supporters=(9,)), "an answer that was given"),
        (
            "vote",
            lambda self, ballots, options: Vote(answer="7", supporters=(0,), share=2.0),
            "an answer that was given",
        ),
        ("read", lambda self, answer, sample, options: int(answer or 0), "reads"),
        ("plan", lambda self, options: VotePlan(loop={"max_excutions": 3}), "plan"),
        ("decided", lambda self, ballots, missing, options: True, "decided"),
    ],
)
def test_faults_of_a_voter_are_found(method, does, check, failed) -> None:
    assert check in failed(type("Faulty", (GoodVoter,), {method: does})())


class GoodModelVoter(ModelVoter):
    name = "good"
    summary = "asks which is best"

    def questions(self, ballots, options):
        given = [(at, ballot) for at, ballot in enumerate(ballots) if ballot.answer is not None]
        if len(given) < 2:
            return _vote(*given[0]) if given else None
        return ((Message("user", " or ".join(ballot.answer for _, ballot in given)),),)

    def conclude(self, ballots, options, replies):
        return GoodVoter().vote(ballots, options)


@pytest.mark.parametrize(
    ("method", "does", "check"),
    [
        ("questions", lambda self, ballots, options: ("which?",) if ballots else None, "one answer"),
        (
            "conclude",
            lambda self, ballots, options, replies: _vote(int(replies[0]), ballots[0]),
            "hostile reply: empty",
        ),
    ],
)
def test_faults_of_a_voter_that_asks_a_model_are_found(method, does, check, failed) -> None:
    assert failed(GoodModelVoter()) == set()
    assert check in failed(type("Faulty", (GoodModelVoter,), {method: does})())


# Benchmarks ----------------------------------------------------------------------------------------------------


class GoodBenchmark(Benchmark):
    name = "good"
    summary = "fifty problems"
    splits = {"test": "50 problems"}
    subset_fields = ("level",)

    def problems(self, split, options, source):
        for row in source.rows("good/test.jsonl"):
            yield self.problem(row)

    def problem(self, row):
        number = row.values["number"]
        return Problem(id=f"p{number}", question=f"What is {number}?", metadata={"level": number % 2})


class Unstreamed(GoodBenchmark):
    def problems(self, split, options, source):
        return iter(list(super().problems(split, options, source)))


class Unstable(GoodBenchmark):
    calls = 0

    def problems(self, split, options, source):
        self.calls += 1
        for problem in super().problems(split, options, source):
            yield Problem(id=f"{problem.id}-{self.calls}", question="?", metadata={"level": 1})


def _benchmark(**made):
    def problem(self, row):
        return Problem(**{"id": str(row.values["number"]), "question": "?", "metadata": {"level": 1}} | made)

    return type("Faulty", (GoodBenchmark,), {"problem": problem})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.jsonl").write_text("".join(f'{{"number": {number}}}\n' for number in range(50)))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("part", "check"),
    [
        (_benchmark(id="same"), "split test ids"),
        (_benchmark(id=""), "split test ids"),
        (_benchmark(question=" "), "split test problems"),
        (_benchmark(metadata={}), "split test problems"),
        (_benchmark(metadata={"level": (1, 2)}), "split test problems"),
        (_benchmark(metadata={"level": float("nan")}), "split test problems"),
        (_benchmark(metadata={"level": object()}), "split test problems"),
        (Unstreamed, "split test streams"),
        (Unstable, "split test repeats"),
        (type("Faulty", (GoodBenchmark,), {"default_split": "validation"}), "splits"),
        (type("Faulty", (GoodBenchmark,), {"splits": {}}), "splits"),
        (type("Faulty", (GoodBenchmark,), {"problem": lambda self, row: {"id": "1"}}), "split test"),
        (type("Faulty", (GoodBenchmark,), {"problem": lambda self, row: row.text("question")}), "split test"),
        (
            type("Faulty", (GoodBenchmark,), {"problems": lambda *a: Path("/no/such/file").read_text()}),
            "says when data are missing",
        ),
    ],
)
def test_faults_of_a_benchmark_are_found(part, check, data, failed) -> None:
    assert check in failed(part(), data_dir=data)


def test_a_good_benchmark_passes_and_without_data_is_skipped(data, outcomes, failed) -> None:
    assert not failed(GoodBenchmark(), data_dir=data)
    found = outcomes(GoodBenchmark())["split test"]
    assert found.state == "skipped" and "no data at hand" in found.detail


def test_only_the_first_problems_are_read(data) -> None:
    class Reading(GoodBenchmark):
        most = 0

        def problem(self, row):
            self.most = max(self.most, row.values["number"])
            return super().problem(row)

    part = Reading()
    check_part(part, data_dir=data, limit=5)
    assert part.most == 4


# Prompt styles and models --------------------------------------------------------------------------------------


class GoodPrompt(PromptStyle):
    name = "good"
    summary = "asks"
    examples = (Problem(id="e", question="What is 1 + 1?", reference_solution="2"),)

    def render(self, problem, few_shots, options):
        shots = "".join(f"{shot.question}\n{shot.reference_solution}\n\n" for shot in few_shots)
        return (Message("user", shots + problem.question),)


PROTOCOL = CodeProtocol(
    code_begin="<code>\n", code_end="</code>", output_begin="\n<output>\n", output_end="</output>\n", stop="</code>"
)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ({"render": lambda self, problem, shots, options: f"Solve: {problem.question}".format()}, "asks the question"),
        ({"render": lambda self, problem, shots, options: "%s" % problem.question % ()}, "asks the question"),  # noqa: UP031
        ({"render": lambda self, problem, shots, options: problem.question.replace("\n", " ")}, "asks the question"),
        ({"render": lambda self, problem, shots, options: [Message("user", problem.question)]}, "renders"),
        ({"render": lambda self, problem, shots, options: (Message("human", problem.question),)}, "renders"),
        (
            {"render": lambda self, problem, shots, options: f"{problem.question} {time.time_ns()}"},
            "renders the same again",
        ),
        ({"render": lambda self, problem, shots, options: problem.question}, "few-shots"),
        ({"stop": "</s>"}, "stop"),
        ({"stop_strings": lambda self, options: [""]}, "stop strings"),
        ({"examples": (Problem(id="e", question="?"),)}, "examples"),
        ({"read_answer": lambda self, text: text.split("boxed")[1]}, "read_answer"),
        ({"code": ("<code>", "</code>", "<output>", "</output>")}, "code protocol"),
        ({"code": msgspec.structs.replace(PROTOCOL, output_end="\n")}, "code protocol"),
        ({"code": msgspec.structs.replace(PROTOCOL, stop="")}, "code protocol"),
        ({"code": msgspec.structs.replace(PROTOCOL, stop="</output>")}, "code protocol"),
        ({"code_protocol": lambda self, options: CodeProtocol}, "code protocol"),
        ({"code": ToolProtocol(name="run code")}, "code protocol"),
        ({"code": ToolProtocol(), "render": lambda self, problem, shots, options: problem.question}, "code protocol"),
        ({"loop": {"max_executions": 3}}, "tool loop"),
        ({"tool_loop": lambda self, options: ToolLoop(timeout=0.0)}, "tool loop"),
        ({"show_output": lambda self, execution, loop, options: execution.value}, "show_output"),
        ({"show_output": lambda self, execution, loop, options: execution.stderr.splitlines()[-1]}, "show_output"),
    ],
)
def test_faults_of_a_prompt_style_are_found(fault, check, failed) -> None:
    assert not failed(GoodPrompt())
    assert check in failed(type("Faulty", (GoodPrompt,), fault)())


@pytest.mark.parametrize(
    "code",
    [
        PROTOCOL,
        msgspec.structs.replace(PROTOCOL, stop="<output>", exhausted="No more."),
        ToolProtocol(remaining="{remaining} left"),
    ],
)
def test_a_style_that_asks_for_code_passes(code, failed) -> None:
    part = GoodPrompt()
    part.code = code
    assert not failed(part)


def test_a_prompt_style_that_needs_choices_is_tried_with_problems_that_have_them(outcomes) -> None:
    class Choosing(GoodPrompt):
        def render(self, problem, few_shots, options):
            if "choices" not in problem.metadata:
                raise UsageError(f"problem {problem.id} has no choices", "use a multiple-choice benchmark")
            return super().render(problem, few_shots, options)

    assert "problems=…" in outcomes(Choosing())["renders"].detail
    problem = Problem(id="1", question="Which?", metadata={"choices": ["a", "b"]})
    assert outcomes(Choosing(), problems=[problem])["asks the question"].state == "ok"


class GoodModel(Model):
    name = "good-7.5b"
    summary = "weights"

    def location(self):
        return "owner/weights"


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ({"location": lambda self: Path("/weights")}, "location"),
        ({"location": lambda self: 1 / 0}, "location"),
        ({"aliases": "owner/weights"}, "aliases"),
        ({"default_prompt": "Chat Style"}, "defaults"),
        ({"default_sampling": {"temperature": 0.0}}, "defaults"),
        ({"default_sampling": Sampling(temperature=-1.0)}, "defaults"),
        ({"default_backend_options": {"size": 1}}, "default backend options"),
        ({"default_backend": "vllm", "default_backend_options": {"size": object()}}, "default backend options"),
    ],
)
def test_faults_of_a_model_are_found(fault, check, failed) -> None:
    assert not failed(GoodModel())
    assert check in failed(type("Faulty", (GoodModel,), fault)())
