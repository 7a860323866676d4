"""Problem: one item of a benchmark."""

from __future__ import annotations

from typing import Any

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item to solve. `id` is unique within its benchmark and split, and stable between runs."""

    id: str
    question: str
    expected_answer: str | None = None
    reference_solution: str | None = None
    metadata: dict[str, Any] = {}
    """Plain JSON values such as subject, level, table or tests; a Benchmark's `subset_fields` name keys of it."""
