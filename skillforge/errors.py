"""Errors that a user can cause or must act on.

Each one says what happened, where, and what to do; the command line prints it as one line and exits with `exit_code`.
A traceback is shown only with `--debug`.
"""

from __future__ import annotations


class SkillForgeError(Exception):
    """Something failed: `what` happened (with file:line, id or plugin in it), and `fix` says what to do."""

    exit_code = 1

    def __init__(self, what: str, fix: str | None = None) -> None:
        super().__init__(what if fix is None else f"{what}; {fix}")
        self.what = what
        self.fix = fix


class UsageError(SkillForgeError):
    """The command, recipe or call itself is wrong: nothing was started."""

    exit_code = 2


class BrokenPlugin(SkillForgeError):
    """An installed plugin cannot be used; every other part goes on."""


class BackendUnusable(SkillForgeError):
    """No request to this server or model can succeed (unreachable, wrong key, unknown model): the run stops, resumable."""


class SandboxUnusable(SkillForgeError):
    """No code can run in this sandbox: the machine, or what it needs on it, lacks something; `fix` says what to enable."""


class CannotVote(SkillForgeError):
    """The samples of a problem lack what a voter goes by: this problem has no vote."""


class RequestRefused(SkillForgeError):
    """The server refused this one request for good (a 4xx such as a context overflow): never retried, costs one sample."""


class ContextOverflow(RequestRefused):
    """The prompt, or the prompt with the tokens that were asked for, is longer than the model's context.

    `room` is how many tokens the model may still write, where that is known; 0 where the prompt alone is too long.
    """

    def __init__(self, what: str, fix: str | None = None, *, room: int | None = None) -> None:
        super().__init__(what, fix)
        self.room = room


class RequestFailed(SkillForgeError):
    """This attempt failed in a way that can pass: retried with backoff.

    `throttled` tells that the server asked for less load (429, 503); `retry_after` is its wish in seconds;
    `connection` tells that no answer came at all; raised from a TimeoutError, that none came in time.
    """

    def __init__(
        self, what: str, *, throttled: bool = False, retry_after: float | None = None, connection: bool = False
    ) -> None:
        super().__init__(what)
        self.throttled = throttled
        self.retry_after = retry_after
        self.connection = connection


class Interrupted(SkillForgeError):
    """The user (or the scheduler) stopped the work; all finished samples are stored."""

    exit_code = 130
