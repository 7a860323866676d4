"""What every kind of part has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec

OPERATIONAL = {"operational": True}
"""For `Meta(extra=OPERATIONAL)`: the option says how the work is done, not what comes out."""

NAME_OF_SECRET = {**OPERATIONAL, "names_variable": True}
"""For `Meta(extra=NAME_OF_SECRET)`: an operational option that names the environment variable of a key. One that a user names
has to be set before a run starts."""


class PartOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a part's own options: subclass it, one annotated field an option.

    A field is `name: Annotated[TYPE, Meta(description="help", ge=.., le=..)] = default`. The command line
    (`-o backend.timeout=30`), recipe files, the Python API and the generated reference all read this declaration.
    "Off" is None. `Meta(extra=OPERATIONAL)` marks an option that cannot change results (a timeout, a batch size): a run
    may be resumed with another value. Secrets are never options: name the environment variable that holds one
    (`NAME_OF_SECRET`).
    """


class Finding(msgspec.Struct, frozen=True):
    """One thing that a part needs of the machine, as it is there."""

    name: str
    state: Literal["ok", "weak", "missing"]
    """`weak`: it works with less than it could; `missing`: the part cannot be used for the lack of it."""

    detail: str = ""
    fix: str = ""
    """What to install, start or allow."""


class Part:
    """A named thing that a plugin package brings. Creating one must be cheap: heavy imports wait until it is used."""

    kind: ClassVar[str]
    """The kind's name, such as `benchmark`; set by the class of the kind."""

    name: str
    """The part's name: the same as its entry point's."""

    summary: str
    """One line on what it is."""

    Options: type[PartOptions] = PartOptions
    """The declaration of the part's own options."""

    licence: str | None = None
    """SPDX identifier or short text, for data, weights or code that the part brings in."""

    source: str | None = None
    """Where its contents come from: a URL, a paper, a repository."""

    def diagnose(self) -> Sequence[Finding]:
        """What the part needs of this machine, as found just now, for `skillforge doctor`. Takes seconds at most."""
        return ()

    def __repr__(self) -> str:
        return f"<{self.kind} {getattr(self, 'name', '?')}>"
