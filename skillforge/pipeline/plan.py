"""Plan: an evaluation with every name resolved to a part and every default filled in."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from skillforge.data import DataSource
from skillforge.errors import SkillForgeError, UsageError
from skillforge.options import identity, parse
from skillforge.parts.backend import Backend, Request, Target
from skillforge.parts.benchmark import Benchmark
from skillforge.parts.grader import Grader
from skillforge.parts.model import Model, ModelRef
from skillforge.parts.part import Part
from skillforge.parts.problem import Problem
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.sampling import Sampling
from skillforge.parts.transcript import Prompt
from skillforge.pipeline.settings import EvalSettings, check_address, sampling_of, stored, without_credentials
from skillforge.registry import Registry
from skillforge.rollout.single_turn import Job, sample_seed
from skillforge.text import closest

AnyPart = TypeVar("AnyPart", bound=Part)

DEFAULT_MAX_TOKENS = 1024
DEFAULT_TEMPERATURE_OF_REPEATS = 0.7


class Chosen(msgspec.Struct, frozen=True):
    """A part that a run uses, its id and its options."""

    part: Any
    id: str
    version: str
    options: Any


class Plan:
    """What an evaluation will do. Making one checks everything that can be checked without asking the model."""

    def __init__(self, settings: EvalSettings, registry: Registry) -> None:
        self.settings = settings
        self._registry = registry
        if settings.base_url is not None:
            check_address(settings.base_url)
        self.model, self._model_part = self._find_model()
        self.benchmark = self._choose("benchmark", settings.benchmark, Benchmark)
        benchmark: Benchmark = self.benchmark.part
        self.split = self._find_split(benchmark)
        self.prompt = self._choose("prompt", self._prompt_name(benchmark), PromptStyle)
        self.grader = self._choose("grader", settings.grader or benchmark.default_grader, Grader)
        self.backend = self._choose("backend", self._backend_name(), Backend, self._backend_defaults())
        self._refuse_strange_options()
        self.target = Target(self.model, settings.base_url)
        self.sampling = self._resolve_sampling()
        self.few_shots = self._find_few_shots()
        self.source = DataSource(self._data_dir())
        self.first_prompt = self._first_prompt()
        self._refuse_incapable()

    # What will be asked -------------------------------------------------------------------------------------------

    def problems(self) -> Iterator[Problem]:
        """The chosen problems in order, as a stream (a list in memory where they are shuffled)."""
        part: Benchmark = self.benchmark.part
        problems: Iterable[Problem] = part.problems(self.split, self.benchmark.options, self.source)
        if self.settings.ids:
            problems = self._with_ids(problems)
        if self.settings.shuffle is not None:
            problems = list(problems)
            random.Random(self.settings.shuffle).shuffle(problems)
        return itertools.islice(problems, self.settings.limit)

    def count_problems(self) -> int:
        """How many problems are chosen. Reads through them once."""
        return sum(1 for _ in self.problems())

    def jobs(self, done: dict[str, int]) -> Iterator[Job]:
        """The samples still to make; `done` maps problem ids to bit masks of the sample indices that are stored.

        All samples of one problem follow each other, so that a server can reuse what it computed for their common prompt.
        """
        seen: set[int] = set()
        for problem in self.problems():
            if (mark := hash(problem.id)) in seen:
                raise SkillForgeError(
                    f"{self.benchmark.id}/{self.split} has two problems with the id '{problem.id}'", "tell its author"
                )
            seen.add(mark)
            missing = [index for index in range(self.settings.repeats) if not done.get(problem.id, 0) >> index & 1]
            if missing:
                prompt = self.render(problem)
                for index in missing:
                    seed = sample_seed(self.sampling.seed, problem.id, index)
                    yield Job(self.benchmark.part.name, self.split, problem, index, prompt, seed)

    def render(self, problem: Problem) -> Prompt:
        style: PromptStyle = self.prompt.part
        return style.render(problem, self.few_shots, self.prompt.options)

    def preview(self) -> str:
        """The first request exactly as it would be sent."""
        backend: Backend = self.backend.part
        seed = sample_seed(self.sampling.seed, self.first_problem.id, 0)
        request = Request(self.first_prompt, self.sampling, seed)
        return backend.preview(request, self.target, self.backend.options)

    # What run.json says -------------------------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """What decides the results."""
        settings = identity(self.settings)
        return {
            **{name: settings[name] for name in ("repeats", "limit", "ids", "shuffle")},
            "benchmark": self.benchmark.id,
            "split": self.split,
            "model": self.model.name,
            "prompt_sha256": self.prompt_sha256(),
            "data": {read.name: read.sha256 for read in self.source.reads},
            "sampling": msgspec.to_builtins(self.sampling),
            "options": {
                kind: {"id": chosen.id, **identity(chosen.options)}
                for kind, chosen in (
                    ("benchmark", self.benchmark),
                    ("prompt", self.prompt),
                    ("grader", self.grader),
                    ("backend", self.backend),
                )
            },
        }

    def resolved(self) -> dict[str, Any]:
        """All settings, with defaults filled in."""
        return {
            **stored(self.settings),
            **msgspec.to_builtins(self.sampling),
            "benchmark": self.benchmark.id,
            "split": self.split,
            "model": self.model.name,
            "weights": self.model.location,
            "base_url": without_credentials(self.target.base_url),
            "backend": self.backend.id,
            "prompt": self.prompt.id,
            "few_shots": len(self.few_shots),
            "grader": self.grader.id,
            "repeats": self.settings.repeats,
            "concurrency": self.settings.concurrency,
            "data_dir": str(self.source.data_dir) if self.source.data_dir else None,
            "options": {
                "benchmark": msgspec.to_builtins(self.benchmark.options),
                "prompt": msgspec.to_builtins(self.prompt.options),
                "grader": msgspec.to_builtins(self.grader.options),
                "backend": msgspec.to_builtins(self.backend.options),
            },
        }

    def places(self) -> dict[str, str]:
        """The folders that were found, as settings that find them again from anywhere."""
        found = {"data_dir": str(self.source.data_dir)} if self.source.data_dir else {}
        return found if self._model_part else {**found, "model": self.model.name}

    def plugins(self) -> dict[str, str]:
        return {chosen.id: chosen.version for chosen in (self.benchmark, self.prompt, self.grader, self.backend)}

    def prompt_sha256(self) -> str:
        """Fingerprint of how a problem is asked: the rendering of a stand-in question, and the stop strings."""
        probe = self.render(Problem(id="0", question="\x00question\x00"))
        return hashlib.sha256(msgspec.json.encode((probe, self.sampling.stop))).hexdigest()

    # Resolving ----------------------------------------------------------------------------------------------------

    def _choose(
        self, kind: str, name: str, part_class: type[AnyPart], defaults: dict[str, Any] | None = None
    ) -> Chosen:
        entry = self._registry.find(kind, name)
        part = self._registry.get(kind, entry.id)
        assert isinstance(part, part_class)
        values = {**(defaults or {}), **self.settings.options.get(kind, {})}
        return Chosen(part, entry.id, entry.version, parse(part.Options, values, f"{kind}."))

    def _refuse_strange_options(self) -> None:
        known = ("benchmark", "prompt", "grader", "backend")
        for kind in self.settings.options:
            if kind not in known:
                raise UsageError(f"unknown part '{kind}' in option '{kind}.…'", closest(kind, known))

    def _find_model(self) -> tuple[ModelRef, Model | None]:
        name = self.settings.model
        part: Part | None = None
        if name is None:
            part = self._embedded_model()
        elif any(name in (entry.name, entry.id) for entry in self._registry.entries("model")):
            part = self._registry.get("model", name)
        elif not Path(name).exists():
            part = self._registry.model_alias(name)
        if part is None:
            assert name is not None
            if self.settings.base_url is None and Path(name).is_dir():
                name = str(Path(name).resolve())  # the same folder, wherever the run is continued from
            return ModelRef(name, name), None
        assert isinstance(part, Model)
        return ModelRef(name or part.name, part.location()), part

    def _embedded_model(self) -> Model:
        if self.settings.base_url is not None:
            raise UsageError("--base-url is set, but no model", "name one that the server has with --model")
        found = [part for part in self._registry.all_parts("model") if isinstance(part, Model) and part.embedded]
        if len(found) != 1:
            raise UsageError(
                "no model is named", "give --model NAME, --model FOLDER, or --base-url URL with --model NAME"
            )
        return found[0]

    def _find_split(self, benchmark: Benchmark) -> str:
        split = self.settings.split or benchmark.default_split
        if split not in benchmark.splits:
            raise UsageError(f"{benchmark.name} has no split '{split}'", closest(split, benchmark.splits))
        return split

    def _prompt_name(self, benchmark: Benchmark) -> str:
        own = self._model_part.default_prompt if self._model_part else None
        return self.settings.prompt or own or benchmark.default_prompt

    def _backend_name(self) -> str:
        if self.settings.backend:
            return self.settings.backend
        purpose = "url" if self.settings.base_url else "weights"
        own = self._model_part.default_backend if self._model_part else None
        if purpose == "weights" and own:
            return own
        fitting = [
            part.name
            for part in self._registry.all_parts("backend")
            if isinstance(part, Backend) and part.default_for == purpose
        ]
        if not fitting:
            what = "talks to a --base-url" if purpose == "url" else "loads weights"
            raise UsageError(f"no installed backend {what}", "install one, or name another with --backend")
        if len(fitting) > 1:
            raise UsageError(f"several backends fit: {', '.join(fitting)}", "choose one with --backend")
        return fitting[0]

    def _backend_defaults(self) -> dict[str, Any]:
        part = self._model_part
        same = part is not None and part.default_backend == self._backend_name()
        return dict(part.default_backend_options) if part and same else {}

    def _resolve_sampling(self) -> Sampling:
        style: PromptStyle = self.prompt.part
        own = self._model_part.default_sampling if self._model_part else Sampling()
        usual = Sampling(
            max_tokens=DEFAULT_MAX_TOKENS,
            temperature=0.0 if self.settings.repeats == 1 else DEFAULT_TEMPERATURE_OF_REPEATS,
        )
        wanted = sampling_of(self.settings).over(own).over(usual)
        wanted = msgspec.structs.replace(wanted, **dict.fromkeys(self.settings.leave_out))
        if self.settings.repeats > 1 and wanted.temperature == 0:
            raise UsageError(
                "--repeats above 1 with temperature 0 gives the same answer each time", "raise --temperature"
            )
        stop = dict.fromkeys((*wanted.stop, *style.stop_strings(self.prompt.options)))
        return msgspec.structs.replace(wanted, stop=tuple(stop))

    def _find_few_shots(self) -> Sequence[Problem]:
        style: PromptStyle = self.prompt.part
        if self.settings.few_shots > len(style.examples):
            raise UsageError(
                f"the prompt style '{style.name}' has {len(style.examples)} examples, not {self.settings.few_shots}",
                "lower --few-shots or choose another --prompt",
            )
        return style.examples[: self.settings.few_shots]

    def _data_dir(self) -> Path | None:
        folder = self.settings.data_dir or os.environ.get("SKILLFORGE_DATA")
        if not folder:
            return None
        if not Path(folder).is_dir():
            raise UsageError(f"the data folder {folder} does not exist", "correct --data-dir or SKILLFORGE_DATA")
        return Path(folder).resolve()

    def _first_prompt(self) -> Prompt:
        first = next(self.problems(), None)
        if first is None:
            raise UsageError(f"{self.benchmark.id}/{self.split} has no problems", "choose another --split")
        self.first_problem = first
        return self.render(first)

    def _refuse_incapable(self) -> None:
        backend: Backend = self.backend.part
        can = backend.capabilities(self.backend.options)
        needed = self.sampling.asked() | {"text" if isinstance(self.first_prompt, str) else "chat"}
        for name in sorted(needed - can):
            if name in ("chat", "text"):
                raise UsageError(
                    f"the backend '{backend.name}' takes no {name} prompts", "choose another --prompt or --backend"
                )
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"the backend '{backend.name}' cannot do {option}",
                f"leave it out, or see 'skillforge plugins show {backend.name}'",
            )

    def _with_ids(self, problems: Iterable[Problem]) -> list[Problem]:
        wanted = dict.fromkeys(self.settings.ids)
        others: list[str] = []
        found: dict[str, Problem] = {}
        for problem in problems:
            if problem.id in wanted:
                found[problem.id] = problem
            else:
                others.append(problem.id)
        for name in wanted:
            if name not in found:
                raise UsageError(f"{self.benchmark.id}/{self.split} has no problem '{name}'", closest(name, others, 10))
        return [found[name] for name in wanted]
