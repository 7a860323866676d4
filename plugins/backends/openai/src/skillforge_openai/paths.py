r"""Paths: where the files of a server's machine are, which is nobody's business but theirs.

A path of two or more steps is cut to its last one: `/home/ann/x.py`, `C:\Users\ann\x.py`, `\\host\share\x.py`,
`file:///home/ann/x.py`, `s3://bucket/ann/x.py`. URLs, and the paths of endpoints, stay.
"""

from __future__ import annotations

import re

_STEP = r"[\w.@+%~=-]+"
_SPACED = rf"{_STEP}(?: {_STEP})*"
_FOLDER = r"[^\s/\\\"'`<>|;]+"
_BEFORE = r"(?:(?<![\w./)\]}$%~#\\^*+…-])|(?<=\\[nrt]))"
"""No path begins in the middle of a word, a fraction, a relative path or a formula."""

_URL = r"(?:https?|wss?|grpcs?|tcp)://[^\s\"'`<>(),;|]*"
_ENDPOINT = (
    rf"{_BEFORE}/(?:v\d\w*(?=/)|openai/(?:v\d|deployments)|api/(?:v\d|chat|generate)|chat/completions|generate|health)\b"
    r"[\w./-]*"
)
_ELSEWHERE = rf"(?<!\w)[A-Za-z][A-Za-z\d+.-]{{0,20}}://(?:{_STEP}(?::\d+)?)?/*(?:{_STEP}/+)*(?P<elsewhere>{_STEP})"
_QUOTED = r"(?<=(?P<quote>[\"'`]))/(?=[^\"'`\n]* )(?:[\w.@+%~= -]+/+)+(?P<quoted>[\w.@+%~= -]+)(?=(?P=quote))"
_POSIX = rf"{_BEFORE}/(?=[\d/.]*[^\W\d])(?:{_FOLDER}/+)+(?P<posix>{_STEP})"
_DRIVE = rf"(?<!\w)[A-Za-z]:(?:[\\/]+(?={_SPACED}[\\/]))(?:{_SPACED}[\\/]+)+(?P<drive>{_STEP})"
_SHARE = rf"{_BEFORE}(?:\\\\{_STEP}\\|\\\\\\\\{_STEP}\\\\)(?:{_SPACED}\\+)*(?P<share>{_STEP})"
_FOUND = re.compile("|".join((rf"(?P<kept>{_URL}|{_ENDPOINT})", _ELSEWHERE, _QUOTED, _POSIX, _DRIVE, _SHARE)))


def without_paths(message: str) -> str:
    """`message` with the last step alone of each path on a machine."""
    return _FOUND.sub(_last_step, message)


def _last_step(found: re.Match[str]) -> str:
    if found["kept"] is not None:
        return found[0]
    step = next(filter(None, (found[name] for name in ("elsewhere", "quoted", "posix", "drive", "share"))))
    return f"…/{step}"
