"""The option `extra_body`: fields of the user's own in each request."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import msgspec

from skillforge import UsageError
from skillforge.text import one_line


def extra_fields(text: str | None, own: Set[str]) -> dict[str, Any]:
    """The fields of the JSON object `text`. Raises UsageError where it is none, or has one of our `own`."""
    if not text or not text.strip():
        return {}
    try:
        fields = msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the option 'backend.extra_body' is not a JSON object ({one_line(str(error))})",
            'write it like {"cache_prompt": true}, in single quotes on the command line',
        ) from None
    for name in sorted(fields.keys() & own):
        raise UsageError(
            f"the option 'backend.extra_body' sets '{name}', which requests have already or must not have",
            "use the option of that name (with -o backend.extra_sampling=true for top_k, min_p, repetition_penalty)",
        )
    return fields
