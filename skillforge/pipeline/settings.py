"""EvalSettings: all that a user can set about an evaluation, declared once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from skillforge.errors import UsageError
from skillforge.options import parse
from skillforge.parts.part import OPERATIONAL
from skillforge.parts.sampling import Sampling

Count = Annotated[int, Meta(ge=1)]


class EvalSettings(Sampling, frozen=True, kw_only=True, omit_defaults=True):
    """An evaluation. The fields of Sampling come first; the rest says what is asked, of whom and how."""

    benchmark: Annotated[str, Meta(description="Benchmark to evaluate on.")]
    split: Annotated[str | None, Meta(description="Split of the benchmark. Default: the benchmark's own.")] = None
    model: Annotated[
        str | None,
        Meta(
            description="Model: an installed name, a folder, a hub id, or what the server calls it. Default: the embedded one."
        ),
    ] = None
    base_url: Annotated[
        str | None,
        Meta(
            description="Address of the server, such as http://localhost:8000/v1; of several servers, split by commas.",
            extra=OPERATIONAL,
        ),
    ] = None
    backend: Annotated[str | None, Meta(description="Backend. Default: what fits --base-url or the model.")] = None
    prompt: Annotated[str | None, Meta(description="Prompt style. Default: the model's own, else the benchmark's.")] = (
        None
    )
    few_shots: Annotated[int, Meta(ge=0, description="Worked examples to show, from the prompt style.")] = 0
    grader: Annotated[str | None, Meta(description="Grader. Default: the benchmark's own.")] = None
    sandbox: Annotated[
        str | None,
        Meta(
            description="Sandbox, for prompt styles whose models run code. Default: local, or the only one installed."
        ),
    ] = None
    voter: Annotated[
        str | None, Meta(description="Voter that makes one answer of the samples of a problem, such as majority.")
    ] = None
    repeats: Annotated[
        int, Meta(ge=1, le=4096, description="Samples for each problem; above 1 gives pass@k and maj@k.")
    ] = 1
    limit: Annotated[Count | None, Meta(description="Use only this many problems, the first.")] = None
    ids: Annotated[
        tuple[str, ...], Meta(description="Use only the problems with these ids; repeatable, or separated by commas.")
    ] = ()
    shuffle: Annotated[
        Annotated[int, Meta(ge=0)] | None, Meta(description="Shuffle the problems with this seed, before --limit.")
    ] = None
    concurrency: Annotated[
        Count | None, Meta(description="Requests in flight. Default: adapts to the server.", extra=OPERATIONAL)
    ] = None
    retries: Annotated[
        int,
        Meta(
            ge=0,
            le=100,
            description="Tries after the first for faults that can pass (about a minute).",
            extra=OPERATIONAL,
        ),
    ] = 9
    patience: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds to wait for a server that was lost in mid-run to be back; not counted as tries.",
            extra=OPERATIONAL,
        ),
    ] = 600.0
    cache: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="Keep completions in this folder, and do not ask again for those that are there; for greedy "
            "sampling, and for sampling with --seed.",
            extra=OPERATIONAL,
        ),
    ] = None
    data_dir: Annotated[
        str | None,
        Meta(
            description="Read upstream data files from this folder, not from the hub. Default: SKILLFORGE_DATA.",
            extra=OPERATIONAL,
        ),
    ] = None
    leave_out: Annotated[
        tuple[str, ...],
        Meta(description="Sampling settings not to send although they have a default: what `temperature: none` means."),
    ] = ()
    options: Annotated[
        dict[str, dict[str, Any]],
        Meta(
            description="A part's own options: -o KIND.NAME=VALUE, such as -o backend.timeout=30; -o rollout.NAME=VALUE "
            "sets the budgets and rules under which code is run."
        ),
    ] = {}


def make_settings(values: Mapping[str, Any]) -> EvalSettings:
    """Settings of named values, from the command line or a recipe. Raises UsageError for unknown names and bad values.

    A sampling setting that is explicitly `none` is left out of requests, whatever its default.
    """
    settings = parse(EvalSettings, values, "--")
    off = [name for name in Sampling.__struct_fields__ if name in values and getattr(settings, name) is None]
    return msgspec.structs.replace(settings, leave_out=tuple(dict.fromkeys((*settings.leave_out, *off))))


def sampling_of(settings: EvalSettings) -> Sampling:
    """The sampling part of `settings`."""
    return Sampling(**{name: getattr(settings, name) for name in Sampling.__struct_fields__})


def stored(settings: EvalSettings) -> dict[str, Any]:
    """`settings` for run.json: what the user set, with user names and passwords removed from addresses."""
    clean = msgspec.structs.replace(settings, base_url=without_credentials(settings.base_url))
    result: dict[str, Any] = msgspec.to_builtins(clean)
    return result


def addresses(base_url: str | None) -> tuple[str, ...]:
    """Those that `base_url` lists, each once. Raises UsageError for what is no address."""
    urls = [url.strip() for url in base_url.split(",")] if base_url is not None else []
    for number, url in enumerate(urls, start=1):
        check_address(url, f"address {number} of {len(urls)} in --base-url" if len(urls) > 1 else "--base-url")
    return tuple(dict.fromkeys(urls))


def check_address(url: str, name: str = "--base-url") -> None:
    """Raises UsageError for what is no address, called `name`. The text is not repeated: it may hold a password."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        valid = bool(parts.scheme and parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        what = "is not an address" if url else "is empty"
        raise UsageError(f"{name} {what}", "write it like http://localhost:8000/v1")


def without_credentials(url: str | None) -> str | None:
    """`url`, which may list several, without user, password and query."""
    if url is None:
        return None
    from urllib.parse import urlsplit

    parts = (urlsplit(each.strip()) for each in url.split(","))
    bare = (each._replace(netloc=each.netloc.rpartition("@")[2], query="", fragment="") for each in parts)
    return ",".join(each.geturl() for each in bare)
