"""How ToRA's models ask for code to be run."""

from __future__ import annotations

from skillforge import CodeProtocol

PROTOCOL = CodeProtocol(
    code_begin="```python\n",
    code_end="```",
    output_begin="\n```output\n",
    output_end="\n```\n",
    stop="```output",
    trim=True,
    exhausted="\nReach max function call limit.",
)
