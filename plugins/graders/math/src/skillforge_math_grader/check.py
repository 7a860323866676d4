"""Whether two answers are the same: staged, three-valued, exact, and bounded in time and memory for any text."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

from skillforge_math_grader.answer import Answer, other_reading, read
from skillforge_math_grader.comparing import compare
from skillforge_math_grader.effort import one_pair
from skillforge_math_grader.finding import OUTCOMES, Finding, Heard, Outcome, listening, stage
from skillforge_math_grader.identity import forget
from skillforge_math_grader.policy import POLICIES, PRESETS, Policy
from skillforge_math_grader.tree import Group, Relation, describe
from skillforge_math_grader.words import agreement, date_of, fold, meaning, same_time, time_of

_WHOLE = re.compile(r"(\$?)(-?[0-9]{1,18})\1")
_CHOSEN = re.compile(
    r"(?:(?:[Tt]he )?(?:[Oo]ption|[Cc]hoice|[Aa]nswer)(?: is)?:? )?"
    r"(?:\((?P<a>[A-Ja-j])\)|(?P<b>[A-Ja-j])(?=$|[.:)]))[.:)]?(?P<rest> .*)?"
)

_LETTERS = re.compile(r"\(?[A-J]\)?(?:(?:, ?(?:and )?| and | )?\(?[A-J]\)?)+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `check` found. `stage` names the test that decided; time is no part of equality."""

    outcome: Outcome
    stage: str
    reason: str
    milliseconds: float = field(default=0.0, compare=False)

    @property
    def equal(self) -> bool:
        """Whether the answers are the same; an undecided pair is not."""
        return self.outcome == "equal"


def check(expected: str, predicted: str, policy: str = "default") -> Verdict:
    """Compare two answers under a policy: `default`, `strict`, `hendrycks`, `prm800k` or `nemo-2024`.

    Never raises on any text, and evaluates none as code. Symmetric, but for the rule that an expected decimal may be a
    rounded one, and for the presets. Raises ValueError for a policy that is not there.
    """
    started = time.perf_counter()
    if policy not in PRESETS and policy not in POLICIES:
        raise ValueError(f"no policy '{policy}': there are {', '.join((*POLICIES, *PRESETS))}")
    with one_pair():
        finding = _find_safely(expected, predicted, policy)
    milliseconds = (time.perf_counter() - started) * 1000
    return Verdict(OUTCOMES[finding.equal], finding.stage, finding.reason, milliseconds)


def explain(expected: str, predicted: str, policy: str = "default") -> list[Heard]:
    """How `check` comes to its verdict: what each side is read as, then all stages that were tried."""
    heard: list[Heard] = []
    for side, text in (("expected", expected), ("predicted", predicted)):
        started = time.perf_counter()
        answer = read(text)
        reading = (answer.fault and f"text, because {answer.fault}: {answer.text}") or describe(answer.node)
        heard.append(Heard(f"read {side}", reading, None, (time.perf_counter() - started) * 1000))
    with listening() as stages:
        check(expected, predicted, policy)
    return heard + stages


def _find_safely(expected: str, predicted: str, policy: str) -> Finding:
    """A fault of ours, which tests would like to hear of, costs one pair and not the caller's work."""
    try:
        if policy in PRESETS:
            from skillforge_math_grader.presets import decide

            equal, reason = decide(policy, expected, predicted)
            return Finding(equal, policy, reason)
        return _find(expected, predicted, POLICIES[policy])
    except RecursionError:
        return Finding(None, "shapes", "nested too deep")
    except Exception as fault:
        return Finding(None, "fault", f"{type(fault).__name__}: {fault}")
    finally:
        forget()


def _find(expected: str, predicted: str, policy: Policy) -> Finding:
    if (finding := _identical_or_whole(expected, predicted)) is not None:
        return finding
    one, two = read(expected), read(predicted)
    for rule in (_same_style, _choices, _times, _agreement):
        if (finding := rule(one, two, policy)) is not None:
            return finding
    finding = _shapes(one, two, policy)
    if finding.equal:
        return finding
    return _other_readings(expected, predicted, policy) or _honest(finding, one, two)


@stage("identical")
def _identical_or_whole(expected: str, predicted: str) -> Finding | None:
    """The same text, or whole numbers, as most answers to word problems are."""
    if expected == predicted:
        return Finding(True, "identical", "the same text")
    if (one := _WHOLE.fullmatch(expected)) and (two := _WHOLE.fullmatch(predicted)):
        equal = int(one[2]) == int(two[2])
        return Finding(equal, "numbers", "equal numbers" if equal else "different numbers")
    return None


@stage("same style")
def _same_style(one: Answer, two: Answer, policy: Policy) -> Finding | None:
    """The same text after normalisation; nothing but another empty answer equals an empty one."""
    if one.key == two.key:
        return Finding(True, "identical", "the same text but for style")
    return None if one.text and two.text else Finding(False, "identical", "an empty answer")


@stage("shapes")
def _shapes(one: Answer, two: Answer, policy: Policy) -> Finding:
    return compare(one.node, two.node, policy)


def _honest(finding: Finding, one: Answer, two: Answer) -> Finding:
    """What could not be read was not compared."""
    fault = one.fault or two.fault
    return Finding(None, "text", f"not understood: {fault}") if fault and finding.stage == "text" else finding


@stage("other readings")
def _other_readings(expected: str, predicted: str, policy: Policy) -> Finding | None:
    """`1,234` may be two numbers where the other side is a list."""
    one, two = read(expected), read(predicted)
    prose = policy.missing_units and not (isinstance(one.node, Relation) and isinstance(two.node, Relation))
    for first, second in ((other_reading(expected, prose), two), (one, other_reading(predicted, prose))):
        if first is None or second is None or isinstance(first.node, Group) != isinstance(second.node, Group):
            continue
        if (finding := _shapes(first, second, policy)).equal:
            return finding
    return None


@stage("choices")
def _choices(one: Answer, two: Answer, policy: Policy) -> Finding | None:
    """A letter of a multiple choice against another spelling of it."""
    for expected, predicted in ((one, two), (two, one)):
        letter = re.fullmatch(r"\(?([A-J])[.):]*", expected.text)
        if letter is None:
            continue
        chosen = _CHOSEN.fullmatch(predicted.text)
        if chosen is None:
            continue
        other = chosen["a"] or chosen["b"]
        if not other.isupper() and (not policy.synonyms or (predicted.text in ("e", "i") and expected.text.isalpha())):
            continue
        if chosen["rest"] and re.search(r"(?i)\b(?:or|and|not)\b|,", chosen["rest"]):
            return Finding(False, "choice", "more than a letter")
        equal = letter[1] == other.upper()
        return Finding(equal, "choice", "the same letter" if equal else "different letters")
    several = [_LETTERS.fullmatch(answer.text) and re.findall("[A-J]", answer.text) for answer in (one, two)]
    if several[0] and several[1] and not (one.text.isalpha() and two.text.isalpha()):  # BC, and B, C
        equal = sorted(several[0]) == sorted(several[1])
        return Finding(equal, "choice", "the same letters" if equal else "different letters")
    return None


_AGREE = frozenset("yYnNtTfFiIcC")
"""How yes, no, true, false, correct and incorrect begin."""


@stage("yes or no")
def _agreement(one: Answer, two: Answer, policy: Policy) -> Finding | None:
    """`yes` against `Yes, because …`."""
    if not policy.synonyms or one.text[:1] not in _AGREE or two.text[:1] not in _AGREE:
        return None
    for short, long in ((one, two), (two, one)):
        said = meaning(fold(short.text))
        if said in ("yes", "no") and (explained := agreement(long.text)) is not None:
            return Finding(said == explained, "text", "the same words" if said == explained else "different words")
    return None


@stage("dates and times")
def _times(one: Answer, two: Answer, policy: Policy) -> Finding | None:
    date_a, date_b = date_of(one.text), date_of(two.text)
    if date_a and date_b:
        return Finding(date_a == date_b, "date", "the same day" if date_a == date_b else "different days")
    if (time_a := time_of(one.text)) and (time_b := time_of(two.text)):
        if same_time(time_a, time_b):
            return Finding(True, "time", "the same time")
        if time_a[2] or time_b[2] or ":0" in one.text + two.text:  # 6:10 and 18:30 may be ratios
            return Finding(False, "time", "different times")
    return None
