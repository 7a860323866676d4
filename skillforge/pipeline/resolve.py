"""From what a user set to what is used: names to parts, and defaults filled in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from skillforge.errors import UsageError
from skillforge.options import describe, parse, refuse_unset_variables
from skillforge.parts.backend import Backend
from skillforge.parts.benchmark import Benchmark
from skillforge.parts.model import Model, ModelRef
from skillforge.parts.problem import Problem
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.sampling import Sampling
from skillforge.parts.voter import VotePlan
from skillforge.pipeline.settings import EvalSettings, sampling_of
from skillforge.registry import Registry
from skillforge.text import closest, one_line

KINDS_WITH_OPTIONS = ("benchmark", "prompt", "grader", "backend", "sandbox", "voter", "rollout")
PREFERRED_SANDBOX = "local"
"""The sandbox that is used where none is named, if it is installed."""

NAME_A_MODEL = "give --model NAME, --model FOLDER, or --base-url URL with --model NAME"

DEFAULT_MAX_TOKENS = 1024
DEFAULT_MAX_TOKENS_WITH_CODE = 4096
DEFAULT_TEMPERATURE_OF_REPEATS = 0.7


class Chosen(msgspec.Struct, frozen=True):
    """A part that a run uses, its id and its options."""

    part: Any
    id: str
    version: str
    options: Any


def choose(kind: str, name: str, settings: EvalSettings, registry: Registry) -> Chosen:
    """The part called `name`, with the options that the user set for its kind."""
    return choose_part(kind, name, settings.options.get(kind, {}), registry)


def choose_part(kind: str, name: str, values: Mapping[str, Any], registry: Registry) -> Chosen:
    """The part called `name`, with the options `values`. Raises UsageError, also where a key that they name is not there."""
    entry = registry.find(kind, name)
    part = registry.get(kind, entry.id)
    options = parse(part.Options, values, f"{kind}.")
    refuse_unset_variables(options, f"{kind}.")
    return Chosen(part, entry.id, entry.version, options)


def choose_grader(name: str, values: Mapping[str, Any], benchmark: Benchmark | None, registry: Registry) -> Chosen:
    """The grader called `name`; `values` are its options, over those that `benchmark` sets for its own grader."""
    entry = registry.find("grader", name)
    own = benchmark is not None and benchmark.default_grader in (entry.name, entry.id)
    defaults = benchmark.grader_options if benchmark and own else {}
    return choose_part("grader", name, {**defaults, **values}, registry)


def described(chosen: Chosen) -> str:
    """The policy behind a score or a vote, for reports: `math 1.0, policy=strict`, with the options that are not at their
    defaults."""
    changed = [
        f"{field.name}={_plain(getattr(chosen.options, field.name))}"
        for field in describe(type(chosen.options))
        if not field.operational and getattr(chosen.options, field.name) != field.default
    ]
    return ", ".join((f"{chosen.part.name} {chosen.version}", *changed))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def refuse_strange_kinds(settings: EvalSettings) -> None:
    """Raises UsageError for options of a part that an evaluation does not have."""
    for kind in settings.options:
        if kind not in KINDS_WITH_OPTIONS:
            raise UsageError(f"unknown part '{kind}' in option '{kind}.…'", closest(kind, KINDS_WITH_OPTIONS))


def find_model(
    name: str | None, base_url: str | None, registry: Registry, unnamed: str = NAME_A_MODEL
) -> tuple[ModelRef, Model | None]:
    """The model as backends are told of it, and its part where a package brings it.

    `name` is that of an installed one, one of its hub ids, a folder or file, any other hub id, or what a server calls it.
    `unnamed` is what to do where there is none, and none can be meant.
    """
    if name is None:
        part: Any = _embedded_model(base_url, registry, unnamed)
    elif any(name in (entry.name, entry.id) for entry in registry.entries("model")):
        part = registry.get("model", name)
    else:
        part = None if Path(name).exists() else registry.model_alias(name)
    if isinstance(part, Model):
        return ModelRef(name or part.name, part.location()), part
    assert name is not None
    if base_url is None and Path(name).exists():
        name = str(Path(name).resolve())  # the same weights, wherever the run is continued from
    return ModelRef(name, name), None


def _embedded_model(base_url: str | None, registry: Registry, unnamed: str) -> Model:
    if base_url is not None:
        raise UsageError("--base-url is set, but no model", "name one that the server has with --model")
    found = [part for part in registry.all_parts("model") if isinstance(part, Model) and part.embedded]
    if len(found) != 1:
        raise UsageError("no model is named", unnamed)
    return found[0]


def find_split(benchmark: Benchmark, split: str | None) -> str:
    """`split`, or the benchmark's own default. Raises UsageError where the benchmark has no such split."""
    split = split or benchmark.default_split
    if split not in benchmark.splits:
        raise UsageError(f"{benchmark.name} has no split '{split}'", closest(split, benchmark.splits))
    return split


def prompt_name(settings: EvalSettings, model: Model | None, benchmark: Benchmark) -> str:
    """The user's prompt style, else the model's, else the benchmark's."""
    return settings.prompt or (model and model.default_prompt) or benchmark.default_prompt


def choose_backend(settings: EvalSettings, model: Model | None, registry: Registry) -> Chosen:
    """The backend of the model under test."""
    return backend_for(settings.backend, settings.base_url, settings.options.get("backend", {}), model, registry)


def backend_for(
    name: str | None, base_url: str | None, values: Mapping[str, Any], model: Model | None, registry: Registry
) -> Chosen:
    """The backend called `name`, else the one for addresses, the model's own, or the one for weights.

    `values` are its options, over the model's own.
    """
    own = model.default_backend if model else None
    if name is None:
        name = own if own and not base_url else _default_backend("url" if base_url else "weights", registry)
    defaults = model.default_backend_options if model and name == own else {}
    return choose_part("backend", name, {**defaults, **values}, registry)


def _default_backend(purpose: str, registry: Registry) -> str:
    backends = [part for part in registry.all_parts("backend") if isinstance(part, Backend)]
    fitting = [part.name for part in backends if part.default_for == purpose]
    if not fitting:
        what = "talks to a --base-url" if purpose == "url" else "loads weights"
        raise UsageError(f"no installed backend {what}", "install one, or name another with --backend")
    if len(fitting) > 1:
        raise UsageError(f"several backends fit: {', '.join(fitting)}", "choose one with --backend")
    return fitting[0]


def default_sandbox(registry: Registry) -> str:
    """The name of the sandbox that is used where none is named. Raises UsageError where that is not clear."""
    names = sorted({entry.name for entry in registry.entries("sandbox")})
    if PREFERRED_SANDBOX in names:
        return PREFERRED_SANDBOX
    if len(names) == 1:
        return names[0]
    if names:
        raise UsageError(f"{len(names)} sandboxes are installed", f"choose one with --sandbox: {', '.join(names)}")
    raise UsageError("no sandbox is installed", f"install one, such as skillforge-{PREFERRED_SANDBOX}-sandbox")


def choose_voter(settings: EvalSettings, registry: Registry) -> Chosen | None:
    """The voter that the user named."""
    if settings.voter is None:
        if given := settings.options.get("voter"):
            raise UsageError(f"voter.{next(iter(given))} is set, but no voter", "name one with --voter")
        return None
    return choose("voter", settings.voter, settings, registry)


def resolve_repeats(settings: EvalSettings, voter: Chosen | None, plan: VotePlan) -> int:
    """Samples for each problem. Raises UsageError where a vote has none to choose from."""
    if voter is None:
        return settings.repeats
    repeats = plan.samples or settings.repeats
    if settings.repeats not in (1, repeats):
        raise UsageError(
            f"--repeats {settings.repeats} and the voter '{voter.part.name}', which votes on {repeats} samples, exclude"
            " each other",
            "leave --repeats out, and set the voter's own option",
        )
    if repeats == 1:
        raise UsageError(f"the voter '{voter.part.name}' has one sample of each problem to vote on", "raise --repeats")
    return repeats


def resolve_sampling(
    settings: EvalSettings, model: Model | None, prompt: Chosen, repeats: int, plan: VotePlan
) -> Sampling:
    """The user's sampling over the vote's over the model's own over the general defaults, with the style's stop strings."""
    style: PromptStyle = prompt.part
    code = style.code_protocol(prompt.options) is not None
    usual = Sampling(
        max_tokens=DEFAULT_MAX_TOKENS_WITH_CODE if code else DEFAULT_MAX_TOKENS,
        temperature=0.0 if repeats == 1 else DEFAULT_TEMPERATURE_OF_REPEATS,
    )
    own = plan.sampling.over(model.default_sampling if model else Sampling())
    wanted = sampling_of(settings).over(own).over(usual)
    wanted = msgspec.structs.replace(wanted, **dict.fromkeys(settings.leave_out))
    if (needed := plan.sampling.logprobs) is not None and (wanted.logprobs is None or wanted.logprobs < needed):
        raise UsageError(f"the voter '{settings.voter}' needs --logprobs {needed}, or more", "leave --logprobs out")
    if repeats > 1 and wanted.temperature == 0:
        raise UsageError("several samples with temperature 0 are the same answer each time", "raise --temperature")
    _refuse_schema(wanted.json_schema)
    stop = dict.fromkeys((*wanted.stop, *style.stop_strings(prompt.options)))
    return msgspec.structs.replace(wanted, stop=tuple(stop))


def _refuse_schema(schema: str | None) -> None:
    """Raises UsageError for what is no JSON object. Whether it is a schema, the server knows."""
    if schema is None:
        return
    try:
        msgspec.json.decode(schema, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(
            f"--json-schema is no JSON object ({one_line(str(error), 100)})",
            'give the schema itself, such as --json-schema "$(cat answer.json)"',
        ) from None


def find_few_shots(settings: EvalSettings, style: PromptStyle) -> Sequence[Problem]:
    """The first examples of `style`, as many as the user asked for."""
    if settings.few_shots > len(style.examples):
        raise UsageError(
            f"the prompt style '{style.name}' has {len(style.examples)} examples, not {settings.few_shots}",
            "lower --few-shots or choose another --prompt",
        )
    return style.examples[: settings.few_shots]


def find_data_dir(given: str | None) -> Path | None:
    """The folder of upstream data files: the one given, else SKILLFORGE_DATA, else none."""
    folder = given or os.environ.get("SKILLFORGE_DATA")
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise UsageError(f"the data folder {folder} does not exist", "correct --data-dir or SKILLFORGE_DATA")
    return Path(folder).resolve()
