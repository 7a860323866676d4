"""Untrusted text shown to a judge: it can neither leave its fence nor become a turn of the conversation."""

from __future__ import annotations

import re

from skillforge.text import storable

_BACKTICKS = re.compile("`+")

_SPECIAL = re.compile(r"<(?=[|｜/A-Za-z])")
"""What opens `<|im_end|>`, `</s>` and their like, which many servers turn into control tokens inside a message too."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def quoted(text: str) -> str:
    """`text` between two lines of backticks, longer than any run of backticks in it.

    Control characters and halves of surrogate pairs become U+FFFD, and `<|`, `</` and `<a` get a space after the `<`.
    """
    safe = _CONTROL.sub("\ufffd", _SPECIAL.sub("< ", str(storable(text.replace("\r\n", "\n")))))
    longest = max(map(len, _BACKTICKS.findall(safe)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{safe}\n{fence}"
