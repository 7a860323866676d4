"""Hostile snippets, run in any sandbox beside bait that none of them may touch: is each one contained?

    snippet.py   what a snippet is, and the header that says what it may come to
    suite/       the snippets, as data: they are never imported
    bait.py      what is laid out for them: a file, a variable, a neighbour, listeners
    run.py       runs them one by one, and looks at what each has left

The snippets do harm where nothing holds them. Run them on a machine that may be lost.
"""

from __future__ import annotations

from skillforge.testing.attacks.bait import Bait
from skillforge.testing.attacks.run import Result, attack
from skillforge.testing.attacks.snippet import SUITE, Snippet, read_snippets

__all__ = ["SUITE", "Bait", "Result", "Snippet", "attack", "read_snippets"]
