"""Plan: an evaluation with every name resolved to a part and every default filled in."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from skillforge.data import DataSource
from skillforge.errors import BrokenPlugin, SkillForgeError, UsageError
from skillforge.options import identity
from skillforge.parts.backend import Backend, Request, Target
from skillforge.parts.benchmark import Benchmark
from skillforge.parts.grader import ModelGrader
from skillforge.parts.problem import Problem
from skillforge.parts.prompt import PromptStyle
from skillforge.parts.transcript import Prompt
from skillforge.parts.voter import ModelVoter, VotePlan
from skillforge.pipeline.capabilities import needed, refuse_lacking
from skillforge.pipeline.code import find_code
from skillforge.pipeline.model_judging import find_judge
from skillforge.pipeline.resolve import (
    Chosen,
    choose,
    choose_backend,
    choose_grader,
    choose_voter,
    described,
    find_data_dir,
    find_few_shots,
    find_model,
    find_split,
    prompt_name,
    refuse_strange_kinds,
    resolve_repeats,
    resolve_sampling,
)
from skillforge.pipeline.settings import EvalSettings, addresses, stored, without_credentials
from skillforge.pipeline.voting import find_chooser
from skillforge.registry import Registry
from skillforge.rollout.conversation import conversation
from skillforge.rollout.job import Job, sample_seed
from skillforge.rollout.tool_loop import first_request
from skillforge.text import closest, one_line


class Plan:
    """What an evaluation will do. Making one checks everything that can be checked without asking the model."""

    def __init__(self, settings: EvalSettings, registry: Registry) -> None:
        self.settings = settings
        urls = addresses(settings.base_url)
        refuse_strange_kinds(settings)
        self.model, self._model_part = find_model(settings.model, settings.base_url, registry)
        self.benchmark = choose("benchmark", settings.benchmark, settings, registry)
        benchmark: Benchmark = self.benchmark.part
        self.split = find_split(benchmark, settings.split)
        self.prompt = choose("prompt", prompt_name(settings, self._model_part, benchmark), settings, registry)
        self.grader = choose_grader(
            settings.grader or benchmark.default_grader, settings.options.get("grader", {}), benchmark, registry
        )
        if isinstance(self.grader.part, ModelGrader):
            find_judge(self.grader.options, registry)
        self.backend = choose_backend(settings, self._model_part, registry)
        self.targets = [Target(self.model, url) for url in urls or (None,)]
        self.voter = choose_voter(settings, registry)
        if self.voter is not None and isinstance(self.voter.part, ModelVoter):
            find_chooser(self.voter.options, registry)
        self.vote: VotePlan = self.voter.part.plan(self.voter.options) if self.voter else VotePlan()
        self.repeats = resolve_repeats(settings, self.voter, self.vote)
        self.sampling = resolve_sampling(settings, self._model_part, self.prompt, self.repeats, self.vote)
        self.code = find_code(settings, self.prompt, self.vote, registry)
        self.few_shots = find_few_shots(settings, self.prompt.part)
        self.source = DataSource(find_data_dir(settings.data_dir))
        self.first_problem = self._first_problem()
        self.first_prompt = self.render(self.first_problem)
        self.needs = needed(self.sampling, self.first_prompt, self.code)
        backend: Backend = self.backend.part
        self._able = backend.capabilities(self.backend.options)
        refuse_lacking(self.needs - self._able, f"the backend '{backend.name}'", backend.name)

    # What will be asked -------------------------------------------------------------------------------------------

    def problems(self) -> Iterator[Problem]:
        """The chosen problems in order, as a stream (a list in memory where they are shuffled)."""
        problems: Iterable[Problem] = self._all_problems()
        if self.settings.ids:
            problems = self._with_ids(problems)
        if self.settings.shuffle is not None:
            problems = list(problems)
            random.Random(self.settings.shuffle).shuffle(problems)
        return itertools.islice(problems, self.settings.limit)

    def _all_problems(self) -> Iterator[Problem]:
        """What the benchmark yields; a fault in its code is told as such."""
        part: Benchmark = self.benchmark.part
        try:
            for problem in part.problems(self.split, self.benchmark.options, self.source):
                if not isinstance(problem, Problem):
                    raise TypeError(f"it yielded {type(problem).__name__}, not a Problem")
                yield problem
        except SkillForgeError:
            raise
        except Exception as error:
            fault = f"{type(error).__name__}: {one_line(str(error))}"
            raise BrokenPlugin(f"the benchmark {self.benchmark.id} failed ({fault})", "tell its author") from error

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
            missing = [index for index in range(self.repeats) if not done.get(problem.id, 0) >> index & 1]
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
        if self.code is not None:
            talk = conversation(self.first_prompt, self.code.protocol, self.code.loop)
            request = first_request(talk, self.sampling, seed, self.code.loop)
        return backend.preview(request, self.targets[0], self.backend.options)

    # What run.json says -------------------------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """What decides the results."""
        settings = identity(self.settings)
        return {
            **{name: settings[name] for name in ("limit", "ids", "shuffle")},
            "repeats": self.repeats,
            "benchmark": self.benchmark.id,
            "split": self.split,
            "model": self.model.name,
            "prompt_sha256": self.prompt_sha256(),
            "data": {read.name: read.sha256 for read in self.source.reads},
            "sampling": msgspec.to_builtins(self.sampling),
            "options": {kind: {"id": chosen.id, **identity(chosen.options)} for kind, chosen in self._chosen().items()},
            **({"rollout": identity(self.code.loop)} if self.code else {}),
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
            "base_url": without_credentials(self.settings.base_url),
            "backend": self.backend.id,
            "prompt": self.prompt.id,
            "few_shots": len(self.few_shots),
            "grader": self.grader.id,
            "judged_by": described(self.grader),
            "repeats": self.repeats,
            "sandbox": self.code and self.code.sandbox.id,
            "voter": self.voter and self.voter.id,
            "concurrency": self.settings.concurrency,
            "data_dir": str(self.source.data_dir) if self.source.data_dir else None,
            "options": {
                **{kind: msgspec.to_builtins(chosen.options) for kind, chosen in self._chosen().items()},
                **({"rollout": msgspec.to_builtins(self.code.loop)} if self.code else {}),
            },
        }

    @property
    def prompt_is_the_models(self) -> bool:
        """Whether the prompt style is the one that the model's package names for it."""
        return self._model_part is not None and self.prompt.part.name == self._model_part.default_prompt

    def places(self) -> dict[str, str]:
        """The folders that were found, as settings that find them again from anywhere."""
        found = {"data_dir": str(self.source.data_dir)} if self.source.data_dir else {}
        if self.settings.cache is not None:
            found["cache"] = str(Path(self.settings.cache).absolute())
        return found if self._model_part else {**found, "model": self.model.name}

    def plugins(self) -> dict[str, str]:
        """Id of each part that is used -> version of its package."""
        return {chosen.id: chosen.version for chosen in self._chosen().values()}

    def _chosen(self) -> dict[str, Chosen]:
        chosen = {"benchmark": self.benchmark, "prompt": self.prompt, "grader": self.grader, "backend": self.backend}
        if self.code is not None:
            chosen["sandbox"] = self.code.sandbox
        if self.voter is not None:
            chosen["voter"] = self.voter
        return chosen

    def prompt_sha256(self) -> str:
        """Fingerprint of how a problem is asked: the rendering of a stand-in question, and the stop strings."""
        probe = self.render(msgspec.structs.replace(self.first_problem, id="", question="\x00question\x00"))
        return hashlib.sha256(msgspec.json.encode((probe, self.sampling.stop))).hexdigest()

    def able_target(self, found: frozenset[str] | None) -> frozenset[str]:
        """What can be asked where requests go, of which `found` is known. Raises UsageError where that is too little."""
        able = self._able if found is None else found
        refuse_lacking(self.needs - able, f"the server of the model '{self.model.name}'", self.backend.part.name)
        return able

    # Checking -----------------------------------------------------------------------------------------------------

    def _first_problem(self) -> Problem:
        first = next(self.problems(), None)
        if first is None:
            raise UsageError(f"{self.benchmark.id}/{self.split} has no problems", "choose another --split")
        return first

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
