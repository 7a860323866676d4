"""The contract checks of a grader that asks a model find the faults that they are for."""

from __future__ import annotations

import pytest

FAULTY_JUDGES = """
from skillforge import Message, PartOptions, Verdict
from skillforge.parts.grader import ModelGrader

class GoodJudge(ModelGrader):
    name = "good"
    summary = "asks whether it is right"
    def questions(self, problem, transcript, options, answer):
        if problem.expected_answer is None:
            return Verdict(state="error", reason="no expected answer")
        return ((Message("user", f"Is {transcript.answer_text[-100:]} the same as {problem.expected_answer[:100]}?"),),)
    def conclude(self, problem, transcript, options, answer, replies):
        states = {"yes": "correct", "no": "wrong"}
        return Verdict(state=states.get(replies[0], "error"), reason="the model says so")

class NoToAll(GoodJudge):
    def conclude(self, problem, transcript, options, answer, replies):
        return Verdict(state="correct" if replies[0] == "yes" else "wrong", reason="not yes")

class Bare(GoodJudge):
    def questions(self, problem, transcript, options, answer):
        return "Is it right?"

class Loose(GoodJudge):
    def questions(self, problem, transcript, options, answer):
        return (Message("user", "Is it right?"),)

class Evaluating(GoodJudge):
    def conclude(self, problem, transcript, options, answer, replies):
        if "__import__" in replies[0]:
            eval(replies[0].partition("{")[2].partition("}")[0])
        return super().conclude(problem, transcript, options, answer, replies)

class Optionless(GoodJudge):
    Options = PartOptions

class Unpicklable(GoodJudge):
    def __init__(self):
        self.lock = lambda: None

class Silent(GoodJudge):
    def questions(self, problem, transcript, options, answer):
        return Verdict(state="error", reason="never asks")
"""


@pytest.fixture
def judges(site):
    (site.folder / "faulty_judges.py").write_text(FAULTY_JUDGES)
    import faulty_judges

    return faulty_judges


@pytest.mark.parametrize(
    ("judge", "check", "cause"),
    [
        ("NoToAll", "unreadable replies", "the reply '' made the sample wrong"),
        ("Bare", "verdicts", "questions() returned 'Is it right?', not a Verdict"),
        ("Loose", "verdicts", "a question is Message("),
        ("Evaluating", "hostile reply: code as an answer", "it ended the process with exit status 1"),
        ("Optionless", "options of a judge", "they are PartOptions"),
        ("Unpicklable", "picklable", "cannot be sent to another process"),
    ],
)
def test_faults_of_a_judge_are_found(judges, judge, check, cause, outcomes) -> None:
    result = outcomes(getattr(judges, judge)())[check]
    assert result.state == "failed" and cause in result.detail and result.fix


def test_a_good_judge_passes_and_the_model_can_be_played(judges, failed) -> None:
    from skillforge import Problem

    problem = Problem(id="1", question="?", expected_answer="7")
    assert not failed(judges.GoodJudge())
    assert not failed(judges.GoodJudge(), cases=[(problem, "8", "wrong")], reply="no")
    assert failed(judges.GoodJudge(), cases=[(problem, "8", "wrong")], reply="yes") == {"case 1"}


def test_replies_to_a_judge_that_asks_nothing_are_not_checked(judges, outcomes) -> None:
    assert outcomes(judges.Silent())["unreadable replies"].state == "skipped"


def test_a_judge_is_not_called_like_another_grader(judges) -> None:
    with pytest.raises(TypeError, match=r"asks a model: use questions\(\) and conclude\(\)"):
        judges.GoodJudge().grade(None, None, None)
