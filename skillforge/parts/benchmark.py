"""Benchmark: a named source of problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from skillforge.parts.part import Part
from skillforge.parts.problem import Problem

if TYPE_CHECKING:
    from skillforge.data import DataSource


class Benchmark(Part):
    """A source of problems: its splits, where they come from, and how a raw row becomes a Problem."""

    kind = "benchmark"

    splits: Mapping[str, str]
    """Split name -> one line on it (rows, origin)."""

    default_split: str = "test"
    default_prompt: str = "chat"
    default_grader: str = "math"
    grader_options: Mapping[str, Any] = {}
    """Options of the default grader that fit this benchmark; those that a user sets win."""

    subset_fields: tuple[str, ...] = ()
    """Keys of Problem.metadata that reports show tables by, such as `("level",)`."""

    def problems(self, split: str, options: Any, source: DataSource) -> Iterable[Problem]:
        """The problems of `split` in their fixed order, as a stream.

        `options` is an instance of `self.Options`. Files and hub datasets are read through `source`, which finds
        them, reports a malformed row as file:line, and records their checksums in the run.
        """
        raise NotImplementedError
