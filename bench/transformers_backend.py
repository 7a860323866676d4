"""Tokens per second of the backend `transformers` beside plain `generate`: same weights, prompts and batch size, one process.

    OMP_NUM_THREADS=1 python bench/transformers_backend.py [--model DIR] [--device cuda] [--batch-size 32] [--rounds 3]

Plain `generate` gets the prompts in order, as many at once as the backend may run together, padded on the left, and every
batch runs until its longest answer has ended. Only tokens of answers count, for both. On a CPU, seconds are those of the
process's CPU, with tokenizing and all; on a GPU they are wall time. Each figure is the best of the rounds.

- even: answers of one length, so that nothing is idle in plain batches; greedy, and drawn with seeds
- own: answers end where the model ends them
- uneven: one answer in eight is long
- few-shot: long prompts with a common beginning
- samples: sixteen answers to each problem
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from skillforge import Completion, ModelRef, Request, Sampling, Target
from skillforge_transformers import TransformersBackend, TransformersOptions

NAMES = ("Kira", "Omar", "Lena", "Ivan")


class Work(NamedTuple):
    """One workload: prompts, most tokens of each answer, temperature, and whether the model may end answers itself."""

    name: str
    prompts: list[str]
    lengths: list[int]
    temperature: float = 0.0
    may_end: bool = False


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as name:
        endless = _endless_copy(Path(arguments.model), Path(name))
        _compare(arguments, endless)


def _compare(arguments: argparse.Namespace, endless: Path) -> None:
    models = {True: arguments.model, False: str(endless)}
    plain = {may_end: _Plain(model, arguments) for may_end, model in models.items()}
    print(f"{'workload':>12} {'rows':>5} {'tokens':>7} | {'generate':>9} {'backend':>9} tokens/s | {'ratio':>5}")
    for work in _workloads(arguments.problems, arguments.tokens):
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            theirs.append(plain[work.may_end].run(work))
            ours.append(asyncio.run(_backend(work, models[work.may_end], arguments)))
        fastest, beside = max(speed for _, speed in ours), max(speed for _, speed in theirs)
        tokens = ours[0][0]
        print(
            f"{work.name:>12} {len(work.prompts):5} {tokens:7} | {beside:9.0f} {fastest:9.0f} {'':8} | {fastest / beside:5.2f}"
        )


def _workloads(count: int, tokens: int) -> list[Work]:
    rng = random.Random(0)
    problems = [_problem(rng) for _ in range(count)]
    even = [tokens] * count
    uneven = [8 * tokens if number % 8 == 0 else tokens // 2 for number in range(count)]
    shots = " ".join(f"{_problem(rng)} It is {rng.randint(2, 90)}." for _ in range(8))
    return [
        Work("even", problems, even),
        Work("even, drawn", problems, even, 1.0),
        Work("own", problems, even, 0.0, True),
        Work("uneven", problems, uneven),
        Work("few-shot", [f"{shots} {problem}" for problem in problems], even),
        Work("samples", [problem for problem in problems[: count // 16] for _ in range(16)], even, 1.0),
    ]


def _problem(rng: random.Random) -> str:
    one, other = rng.sample(NAMES, 2)
    return (
        f"{one} has {rng.randint(2, 90)} dollars. {other} gives {one} {rng.randint(2, 60)} dollars. {one} spends "
        f"{rng.randint(2, 30)} dollars on a hat. How many dollars does {one} have now?"
    )


class _Plain:
    """The same with `generate` alone."""

    def __init__(self, model: str, arguments: argparse.Namespace) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

        self.tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
        self.end = self.tokenizer.eos_token_id
        self.model: Any = AutoModelForCausalLM.from_pretrained(model, dtype=arguments.dtype).eval()
        self.model.to(arguments.device)
        self.model.generation_config = GenerationConfig()
        self.batch_size = arguments.batch_size
        self.device = arguments.device

    def run(self, work: Work) -> tuple[int, float]:
        """Tokens of all answers, and how many there were per second."""
        size = self.batch_size
        seconds = _stopwatch(self.device)
        parts = zip(_parts(work.prompts, size), _parts(work.lengths, size), strict=True)
        tokens = sum(self._batch(work, prompts, lengths) for prompts, lengths in parts)
        return tokens, tokens / seconds()

    def _batch(self, work: Work, prompts: list[Any], lengths: list[Any]) -> int:
        from transformers import GenerationConfig

        self.tokenizer.pad_token_id = 0
        inputs = self.tokenizer(prompts, return_tensors="pt", padding=True, return_token_type_ids=False).to(self.device)
        drawn = {"do_sample": True, "temperature": work.temperature, "top_k": 0} if work.temperature else {}
        config = GenerationConfig(max_new_tokens=max(lengths), eos_token_id=self.end, pad_token_id=0, **drawn)
        output = self.model.generate(**inputs, generation_config=config)
        tokens = 0
        for row, length in zip(output[:, inputs["input_ids"].shape[1] :].tolist(), lengths, strict=True):
            tokens += row.index(self.end, 0, length) + 1 if self.end in row[:length] else min(len(row), length)
        return tokens


async def _backend(work: Work, model: str, arguments: argparse.Namespace) -> tuple[int, float]:
    target = Target(ModelRef("bench", model))
    options = TransformersOptions(device=arguments.device, dtype=arguments.dtype, batch_size=arguments.batch_size)
    async with TransformersBackend().open(target, options) as client:
        await client.complete(Request("warm up", Sampling(max_tokens=2)))
        in_flight = asyncio.Semaphore(client.default_concurrency or arguments.batch_size)

        async def ask(number: int) -> Completion:
            sampling = Sampling(temperature=work.temperature, max_tokens=work.lengths[number])
            async with in_flight:
                return await client.complete(Request(work.prompts[number], sampling, number))

        seconds = _stopwatch(arguments.device)
        answers = await asyncio.gather(*map(ask, range(len(work.prompts))))
        tokens = sum(answer.completion_tokens or 0 for answer in answers)
        return tokens, tokens / seconds()


def _endless_copy(folder: Path, copy: Path) -> Path:
    """The model without an end token, so that an answer has as many tokens as are asked for."""
    for file in folder.iterdir():
        (copy / file.name).symlink_to(file.resolve())
    for name in ("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).is_file():
            settings = json.loads((folder / name).read_bytes())
            (copy / name).unlink()
            (copy / name).write_text(json.dumps(settings | {key: None for key in settings if key.startswith("eos_")}))
    return copy


def _stopwatch(device: str) -> Callable[[], float]:
    clock = time.process_time if device == "cpu" else time.perf_counter
    started = clock()
    return lambda: clock() - started


def _parts(items: Sequence[Any], size: int) -> list[list[Any]]:
    return [list(items[at : at + size]) for at in range(0, len(items), size)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder; default: the weights of skillforge-tiny")
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    parser.add_argument("--dtype", default="auto", help="default: %(default)s")
    for name, default in (("batch-size", 32), ("problems", 256), ("tokens", 32), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    arguments = parser.parse_args()
    if arguments.model is None:
        from importlib.resources import files

        arguments.model = str(files("skillforge_tiny") / "weights")
    return arguments


if __name__ == "__main__":
    main()
