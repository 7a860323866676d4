"""The three ways to vLLM and its server for others, and the options that have a meaning in each."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from skillforge import Target, UsageError
from skillforge.options import refuse_useless

if TYPE_CHECKING:
    from skillforge_vllm import VllmOptions


class Way(enum.Enum):
    """How requests reach vLLM; the value says so to a user."""

    RUNNING = "with --base-url, since that server runs already"
    STARTED = "for a server that is started here"
    OFFLINE = "in offline mode, which has no server"


_USELESS = {
    Way.RUNNING: ("python", "gpus", "server_args", "start_timeout", "log"),
    Way.STARTED: ("api_key_env",),
    Way.OFFLINE: ("api_key_env", "timeout", "n", "extra_body"),
}
_USELESS_TO_SERVE = ("start_timeout", "log", "api_key_env", "timeout", "reasoning_tags", "n", "extra_body")


def way_of(target: Target, options: VllmOptions) -> Way:
    """The way that `target` and `options` mean. Raises UsageError where they contradict each other, and for an option that
    has no meaning on that way."""
    if options.mode == "offline" and target.base_url:
        raise UsageError(
            "offline mode has no server, and --base-url names one", "leave one of the two out: --base-url or the mode"
        )
    way = Way.OFFLINE if options.mode == "offline" else Way.RUNNING if target.base_url else Way.STARTED
    refuse_useless(options, _USELESS[way], "backend.", way.value)
    return way


def refuse_useless_to_serve(options: VllmOptions) -> None:
    """Raises UsageError for an option that has no meaning where a server is started for others."""
    if options.mode == "offline":
        raise UsageError("vLLM has no server in offline mode", "leave out -o backend.mode=offline")
    refuse_useless(options, _USELESS_TO_SERVE, "backend.", "for `skillforge serve`")
