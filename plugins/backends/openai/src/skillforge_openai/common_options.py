"""Options that many backends have, each declared once."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from skillforge.parts.part import NAME_OF_SECRET, OPERATIONAL

Timeout = Annotated[
    Annotated[float, Meta(gt=0)],
    Meta(description="Seconds to wait for one answer, from when its request is sent.", extra=OPERATIONAL),
]

ApiKeyEnv = Annotated[
    str,
    Meta(
        description="Environment variable that holds the server's key. Without the default one, no key is sent; another has "
        "to be set.",
        extra=NAME_OF_SECRET,
    ),
]

ReasoningTagsOption = Annotated[
    str | None,
    Meta(description="Text between these two, split by a comma, is kept apart as reasoning; empty: nothing is."),
]
