"""Options: one declaration, read alike from the command line, a recipe and Python."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from skillforge import PartOptions, Sampling, UsageError
from skillforge.options import describe, identity, parse, refuse_unset_variables, refuse_useless
from skillforge.parts.part import NAME_OF_SECRET, OPERATIONAL
from skillforge.pipeline.settings import EvalSettings


class Options(PartOptions):
    count: Annotated[int, Meta(ge=1, le=9, description="How many.")] = 3
    ratio: Annotated[Annotated[float, Meta(gt=0)] | None, Meta(description="A share, or none.")] = None
    mode: Annotated[Literal["fast", "slow"], Meta(description="How.")] = "fast"
    words: Annotated[tuple[str, ...], Meta(description="Words; repeatable.")] = ()
    strict: Annotated[bool, Meta(description="Be strict.")] = False
    timeout: Annotated[float, Meta(ge=0, description="Seconds.", extra=OPERATIONAL)] = 60.0
    name: Annotated[str | None, Meta(description="A name.")] = None


OFF = ("none", "null")


class Required(PartOptions):
    path: Annotated[str, Meta(description="Where it lies.")]


def test_a_declaration_tells_all_that_a_help_text_needs() -> None:
    fields = {field.name: field for field in describe(Options)}
    assert list(fields) == ["count", "ratio", "mode", "words", "strict", "timeout", "name"]
    assert (fields["count"].type, fields["count"].bounds) == ("an integer", "≥ 1, ≤ 9")
    assert (fields["ratio"].type, fields["ratio"].bounds, fields["ratio"].default) == ("a number", "> 0", None)
    assert fields["ratio"].help == "A share, or none."
    assert fields["mode"].choices == ("fast", "slow")
    assert fields["words"].repeatable and fields["strict"].is_flag
    assert [name for name, field in fields.items() if field.operational] == ["timeout"]
    assert [field.required for field in describe(Required)] == [True]


def test_text_and_typed_values_mean_the_same() -> None:
    from_command_line = parse(
        Options,
        {"count": "4", "ratio": "0.5", "mode": "slow", "words": ("a", "b"), "strict": "true", "timeout": "1"},
        "backend.",
    )
    from_python = parse(
        Options,
        {"count": 4, "ratio": 0.5, "mode": "slow", "words": ["a", "b"], "strict": True, "timeout": 1},
        "backend.",
    )
    assert from_command_line == from_python
    assert from_python == Options(count=4, ratio=0.5, mode="slow", words=("a", "b"), strict=True, timeout=1.0)


def test_one_text_serves_for_a_list() -> None:
    assert parse(Options, {"words": "one"}, "x.").words == ("one",)


@pytest.mark.parametrize("value", [None, "none", "None", "null"])
def test_off_is_none(value: str | None) -> None:
    options = parse(Options, {"ratio": value, "name": value}, "x.")
    assert (options.ratio, options.name) == (None, None)


@pytest.mark.parametrize("name", ["none", "null", "true", "0", ""])
def test_text_options_take_any_word_as_text(name: str) -> None:
    assert parse(Required, {"path": name}, "x.").path == name


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("count", "0", "≥ 1, ≤ 9"),
        ("count", "10", "≥ 1, ≤ 9"),
        ("count", "3.5", "an integer"),
        ("count", "three", "an integer"),
        ("count", True, "an integer"),
        ("count", None, "an integer"),
        ("ratio", "0", "> 0"),
        ("ratio", "nan", "a number"),
        ("ratio", "inf", "a number"),
        ("ratio", float("inf"), "finite"),
        ("timeout", "-inf", "a number"),
        ("mode", "medium", "one of fast, slow"),
        ("strict", "maybe", "true or false"),
        ("words", {"a": 1}, "a list of text"),
        ("words", [1], "a list of text"),
        ("name", "\udcff", "text"),
        ("words", ["\udcff"], "text"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(name: str, value: Any, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(Options, {name: value}, "backend.")
    assert f"'backend.{name}'" in caught.value.what
    assert told in (caught.value.fix or "")


@pytest.mark.parametrize(
    ("declaration", "prefix", "name", "said", "hint"),
    [
        (Options, "backend.", "timeot", "'backend.timeot'", "did you mean 'timeout'?"),
        (EvalSettings, "--", "max_token", "'--max-token'", "did you mean 'max_tokens'?"),
        (Options, "backend.", "zzzz", "'backend.zzzz'", "known: count, mode, name, ratio"),
        (PartOptions, "grader.", "x", "'grader.x'", "this grader takes no options"),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest(
    declaration: type[PartOptions], prefix: str, name: str, said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse(declaration, {name: 1}, prefix)
    assert said in caught.value.what
    assert hint in (caught.value.fix or "")


def test_what_is_required_and_missing_is_named() -> None:
    with pytest.raises(UsageError, match=r"'model\.path' is required; Where it lies"):
        parse(Required, {}, "model.")


class WithKey(PartOptions):
    key_env: Annotated[str, Meta(description="Variable of the key.", extra=NAME_OF_SECRET)] = "OWN_KEY"


def test_a_key_that_is_named_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-1")
    monkeypatch.setenv("BLANK_KEY", " ")
    for fine in ({}, {"key_env": "OWN_KEY"}, {"key_env": "MY_KEY"}, {"key_env": ""}):
        refuse_unset_variables(parse(WithKey, fine, "backend."), "backend.")
    for bad in ("sk-1", "BLANK_KEY"):
        with pytest.raises(UsageError, match=r"'backend\.key_env' names no environment variable that is set") as caught:
            refuse_unset_variables(parse(WithKey, {"key_env": bad}, "backend."), "backend.")
        assert bad not in str(caught.value)
    assert identity(WithKey()) == {}


def test_identity_leaves_out_what_cannot_change_results() -> None:
    slow = parse(Options, {"timeout": 1, "words": ["a"]}, "x.")
    quick = parse(Options, {"timeout": 2, "words": ["a"]}, "x.")
    other = parse(Options, {"timeout": 2, "words": ["b"]}, "x.")
    assert identity(slow) == identity(quick) != identity(other)
    assert "timeout" not in identity(slow)


@given(
    st.builds(
        Options,
        count=st.integers(1, 9),
        ratio=st.none() | st.floats(min_value=0, exclude_min=True, allow_infinity=False),
        words=st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple),
        timeout=st.floats(min_value=0, allow_infinity=False),
        name=st.none() | st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text.lower() not in OFF),
    )
)
def test_parsed_options_parse_to_themselves(options: Options) -> None:
    values = {field.name: getattr(options, field.name) for field in describe(Options)}
    assert parse(Options, values, "x.") == options


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers() | st.none() | st.floats(), max_size=3))
def test_any_values_give_options_or_a_usage_error(values: dict[str, Any]) -> None:
    try:
        assert isinstance(parse(Options, values, "x."), Options)
    except UsageError as error:
        assert error.fix


def test_sampling_is_completed_by_defaults_and_knows_what_is_asked() -> None:
    own = Sampling(temperature=0.0, stop=("x",))
    whole = own.over(Sampling(temperature=1.0, top_p=0.9))
    assert (whole.temperature, whole.top_p, whole.stop) == (0.0, 0.9, ("x",))
    assert whole.asked() == {"temperature", "top_p", "stop"}
    assert Sampling().asked() == frozenset()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1), ("top_p", 1.1), ("top_k", 0), ("max_tokens", 0), ("seed", -1), ("seed", 2**53),
        ("repetition_penalty", 0), ("presence_penalty", 2.1), ("frequency_penalty", -2.1), ("logprobs", 21),
        ("prompt_logprobs", 21), ("prompt_logprobs", -1),
        ("min_p", -0.5), ("repeats", 0), ("limit", 0), ("concurrency", 0), ("retries", -1), ("shuffle", -1),
        ("few_shots", -1),
    ],
)  # fmt: skip
def test_bounds_of_an_evaluation(name: str, value: float) -> None:
    with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
        parse(EvalSettings, {"benchmark": "x", name: value}, "--")


def test_an_option_that_a_part_has_no_use_for_is_refused_where_it_is_set() -> None:
    refuse_useless(Options(mode="slow", name=None), ("count", "name"), "backend.", "here")
    with pytest.raises(UsageError) as refused:
        refuse_useless(Options(name="x"), ("count", "name"), "backend.", "for a server that runs already")
    assert str(refused.value) == "the option 'backend.name' has no meaning for a server that runs already; leave it out"
