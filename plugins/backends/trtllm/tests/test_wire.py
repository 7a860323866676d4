"""Requests and answers of models that are described as TensorRT-LLM's generations are; no server is needed."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from skillforge import (
    BackendUnusable,
    ContextOverflow,
    Message,
    ModelRef,
    Request,
    RequestFailed,
    RequestRefused,
    Sampling,
    Target,
    UsageError,
)
from skillforge_trtllm import TrtllmBackend, TrtllmOptions
from skillforge_trtllm.address import address_of
from skillforge_trtllm.faults import fault
from skillforge_trtllm.interface import Interface, capabilities_of, read_interface
from skillforge_trtllm.links import LinkError
from skillforge_trtllm.stops import StopStrings
from skillforge_trtllm.wire import Answer, is_streamed, spoken, values_for

URL = "grpc://host:8001"


def model(*inputs: str, required: tuple[str, ...] = (), config: Any = None, engine: Any = None) -> Interface:
    """A model with `inputs`, each "name" or "name:TYPE", besides a text and a limit."""
    typed = [(name.partition(":")[0], name.partition(":")[2] or "INT32") for name in ("text_input:BYTES", *inputs)]
    names = [name for name, _ in typed]
    if not any("max_tokens" in name for name in names):
        typed.append(("max_tokens", "INT32"))
    metadata = {
        "name": "m",
        "inputs": [{"name": name, "datatype": kind, "shape": [-1, 1]} for name, kind in typed],
        "outputs": [{"name": name} for name in ("text_output", "output_log_probs", "num_output_tokens")],
    }
    optional = [{"name": name, "optional": name not in required} for name, _ in typed]
    own = {"input": optional, **(config or {})}
    return read_interface(metadata, own, own if engine is None else engine)


def sent(to: Interface, sampling: Sampling, seed: int | None = None) -> dict[str, Any]:
    tensors = to.tensors(values_for(Request("2 + 2", sampling, seed), to, streamed=False))
    return {tensor.name: tensor.data for tensor in tensors}


def answered(to: Interface, prompt: str, *texts: str, stop: tuple[str, ...] = ()) -> Any:
    answer = Answer(Request(prompt, Sampling(max_tokens=9, stop=stop)), to, streamed=to.decoupled)
    for text in texts:
        answer.add({"text_output": [text]})
    return answer.completion(None)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        ({"temperature": 0.0}, {"top_k": 1}),
        ({"temperature": 0.0, "top_p": 0.9, "top_k": 40}, {"top_k": 1}),
        ({"temperature": 0.7}, {"temperature": 0.7, "top_p": 1.0}),
        ({"temperature": 0.7, "top_k": 5}, {"temperature": 0.7, "top_k": 5}),
        ({"temperature": 0.7, "top_p": 0.9}, {"temperature": 0.7, "top_p": 0.9}),
        ({}, {}),
    ],
)
def test_a_temperature_means_the_same_in_all_versions(sampling: dict[str, Any], expected: dict[str, Any]) -> None:
    said = spoken(Request("a", Sampling(**sampling)))
    assert said == {"prompt": "a", **expected}


@pytest.mark.parametrize(
    ("names", "seed"),
    [(("top_k", "random_seed"), "random_seed"), (("top_k", "seed"), "seed"), (("runtime_top_k", "seed"), "seed"),
     (("sampling_param_top_k", "sampling_param_seed", "sampling_param_max_tokens"), "sampling_param_seed")],
)  # fmt: skip
def test_inputs_have_the_names_that_the_model_has(names: tuple[str, ...], seed: str) -> None:
    given = sent(model(*names), Sampling(max_tokens=4, top_k=3), seed=11)
    assert given[names[0]] == [3]
    assert given[seed] == [11]
    assert given[names[2] if len(names) > 2 else "max_tokens"] == [4]


def test_stop_words_of_2023_are_one_line_of_csv() -> None:
    stops = ("\n\n", 'say "no", or', "b")
    old = model("max_tokens:UINT32", "stop_words:BYTES", "bad_words:BYTES", required=("stop_words", "bad_words"))
    given = sent(old, Sampling(max_tokens=4, stop=stops))
    assert next(csv.reader(given["stop_words"])) == list(stops)
    assert given["bad_words"] == [""]
    assert sent(old, Sampling(max_tokens=4))["stop_words"] == [""]
    assert sent(model("stop_words:BYTES"), Sampling(max_tokens=4, stop=stops))["stop_words"] == list(stops)


@pytest.mark.parametrize(
    ("setting", "flag"), [({"seed": 1}, None), ({"top_p": 0.5}, "--top-p"), ({"stop": ("a",)}, "--stop")]
)
def test_what_the_model_lacks_is_refused_by_its_flag(setting: dict[str, Any], flag: str | None) -> None:
    if flag is None:  # the run's own seed is not sent
        sent(model(), Sampling(max_tokens=4, **setting))
        return
    with pytest.raises(UsageError, match=f"'m' has no input for {flag}"):
        sent(model(), Sampling(max_tokens=4, **setting))


def test_the_capabilities_are_those_of_the_inputs_and_outputs_that_are_there() -> None:
    decoupled = {"model_transaction_policy": {"decoupled": True}}
    inputs = ("top_k", "random_seed", "stop_words:BYTES", "return_log_probs:BOOL", "stream:BOOL")
    able = {"text", "max_tokens", "top_k", "seed", "stop", "logprobs"}
    assert capabilities_of(model()) == {"text", "max_tokens"}
    assert capabilities_of(model(*inputs)) == able
    assert capabilities_of(model(*inputs, config=decoupled)) == able | {"stream"}


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(UsageError, match="takes raw text, and this prompt is a chat"):
        spoken(Request((Message("user", "hi"),), Sampling()))
    with pytest.raises(UsageError, match="no alternatives; set --logprobs 0"):
        spoken(Request("a", Sampling(logprobs=3)))
    with pytest.raises(RequestRefused, match=r"half a character in it \(surrogate U\+D800\)"):
        spoken(Request("a\ud800", Sampling()))


def test_a_repeated_prompt_is_cut_off_exactly() -> None:
    assert answered(model(), "1 + 1 = ", "<s>1 + 1 = 1 + 1 = 2").text == "1 + 1 = 2"
    with pytest.raises(RequestRefused, match="repeats the prompt in another form"):
        answered(model(), "[INST] 1 + 1 [/INST]", "1 + 1 2")


def test_an_answer_that_begins_like_its_prompt_is_kept_where_prompts_are_not_repeated() -> None:
    excluded = {"parameters": {"exclude_input_in_output": {"string_value": "true"}}}
    for to in (model("exclude_input_in_output:BOOL"), model(engine=excluded), model("sampling_param_max_tokens")):
        assert answered(to, "1", "1 + 1").text == "1 + 1"


def test_streams_are_joined_whether_responses_are_pieces_or_the_whole() -> None:
    decoupled = {"model_transaction_policy": {"decoupled": True}}
    accumulating = decoupled | {"parameters": {"accumulate_tokens": {"string_value": "True"}}}
    assert answered(model(config=decoupled), "p", "ab", "ab", "c").text == "ababc"
    assert answered(model(config=accumulating), "p", "ab", "abab", "ababc").text == "ababc"


def test_what_a_stream_takes_back_when_it_became_a_stop_string_is_no_part_of_the_text() -> None:
    whole = {"model_transaction_policy": {"decoupled": True}}
    api = model("sampling_param_seed", config=whole)
    assert answered(api, "p", "a", "a <e", "a <en", "a ", stop=("<end>",)).text == "a "


def test_only_what_is_heard_or_tells_the_length_is_streamed() -> None:
    decoupled = {"model_transaction_policy": {"decoupled": True}}
    telling = model("stream:BOOL", "return_num_output_tokens:BOOL", config=decoupled)
    silent = model("stream:BOOL", config=decoupled)
    assert [is_streamed(to, heard) for to in (telling, silent) for heard in (False, True)] == [False, True, True, True]
    assert not is_streamed(model("stream:BOOL"), heard=True)


def test_an_ensemble_streams_where_the_model_in_it_does() -> None:
    ensemble = {"ensemble_scheduling": {"step": []}}
    assert model(config=ensemble, engine={"model_transaction_policy": {"decoupled": True}}).decoupled
    assert not model(config=ensemble, engine={}).decoupled


def test_an_empty_stream_and_one_that_was_broken_off_can_be_tried_again() -> None:
    with pytest.raises(RequestFailed, match="without a text"):
        answered(model(), "p")
    answer = Answer(Request("p", Sampling()), model("sampling_param_seed"), streamed=False)
    answer.add({"text_output": ["half"], "finish_reason": ["timeout"]})
    with pytest.raises(RequestFailed, match="broke the answer off"):
        answer.completion(None)


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_stop_strings_are_found_across_pieces(size: int) -> None:
    text, stops = "1 <<end of 2 <end>> 3", ("<end>", "end>>", "zz")
    cut = StopStrings(stops)
    told = "".join(cut.add(text[start : start + size]) for start in range(0, len(text), size)) + cut.end()
    assert told == cut.text == "1 <<end of 2 "
    assert cut.found == "<end>"


def test_what_might_have_become_a_stop_string_is_told_in_the_end() -> None:
    cut = StopStrings(("####",))
    assert cut.add("a ##") == "a "
    assert cut.end() == "##"
    assert (cut.text, cut.found) == ("a ##", None)


@pytest.mark.parametrize(
    ("code", "message", "kind", "flags"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses", RequestFailed, {"connection": True, "throttled": False}),
        ("UNAVAILABLE", "Exceeds maximum queue size", RequestFailed, {"connection": False, "throttled": True}),
        ("RESOURCE_EXHAUSTED", "", RequestFailed, {"throttled": True}),
        ("DEADLINE_EXCEEDED", "", RequestFailed, {"connection": True}),
        ("INTERNAL", "Stub process is not healthy", RequestFailed, {"connection": False, "throttled": False}),
        ("INVALID_ARGUMENT", "bad shape", RequestRefused, {}),
        ("INTERNAL", "Prompt length (90) exceeds maximum input length (64).", ContextOverflow, {"room": 0}),
        ("NOT_FOUND", "unknown model", BackendUnusable, {}),
        ("UNIMPLEMENTED", "", BackendUnusable, {}),
        ("PERMISSION_DENIED", "", BackendUnusable, {}),
    ],
)
def test_codes_become_the_errors_of_the_contract(code: str, message: str, kind: type, flags: dict[str, Any]) -> None:
    error = fault(LinkError(code, message), URL, "m", Request("p", Sampling()))
    assert type(error) is kind
    assert {name: getattr(error, name) for name in flags} == flags


def test_a_prompt_that_the_server_repeats_is_not_told() -> None:
    error = fault(LinkError("INTERNAL", "cannot read 'my secret'"), URL, "m", Request("my secret", Sampling()))
    assert "my secret" not in str(error)
    assert "cannot read '[prompt]'" in str(error)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("grpc://host", "grpc://host:8001"), ("http://host/", "http://host:8000"), ("grpcs://[::1]:9", "grpcs://[::1]:9"),
    ],
)  # fmt: skip
def test_addresses_have_usual_ports(url: str, expected: str) -> None:
    assert address_of(Target(ModelRef("m", "m"), url)).url == expected


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (None, "needs the address of a server"),
        ("http://host:8000/v1", "set -o backend.server=trtllm-serve"),
        ("ftp://host", "no address of a Triton server"),
        ("http://me:hunter2@host:8000", "more in it than a host and a port"),
    ],
)
def test_other_addresses_are_refused(url: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        address_of(Target(ModelRef("m", "m"), url))
    assert "hunter2" not in str(caught.value)


def test_trtllm_serve_is_asked_as_the_openai_server_that_it_is() -> None:
    options = TrtllmOptions(server="trtllm-serve")
    target = Target(ModelRef("m", "m"), "http://host:8000/v1")
    request = Request((Message("user", "hi"),), Sampling(top_k=3))
    shown = TrtllmBackend().preview(request, target, options)
    assert shown.startswith("POST http://host:8000/v1/chat/completions")
    assert '"top_k": 3' in shown
    assert {"chat", "text", "top_k", "min_p"} <= TrtllmBackend().capabilities(options)
