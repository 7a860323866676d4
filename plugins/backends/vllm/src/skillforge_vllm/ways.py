"""The three ways to vLLM, and the options that have a meaning in each."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from skillforge import Target, UsageError

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
    Way.OFFLINE: ("api_key_env", "timeout", "extra_body"),
}


def way_of(target: Target, options: VllmOptions) -> Way:
    """The way that `target` and `options` mean. Raises UsageError where they contradict each other."""
    if options.mode == "server":
        return Way.RUNNING if target.base_url else Way.STARTED
    if target.base_url:
        raise UsageError(
            "offline mode has no server, and --base-url names one", "leave one of the two out: --base-url or the mode"
        )
    return Way.OFFLINE


def refuse_useless(way: Way, options: VllmOptions) -> None:
    """Raises UsageError for an option that has no meaning on this way and is not its default."""
    default = type(options)()
    for name in _USELESS[way]:
        if getattr(options, name) != getattr(default, name):
            raise UsageError(f"the option 'backend.{name}' has no meaning {way.value}", "leave it out")
