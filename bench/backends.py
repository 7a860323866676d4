"""What `skillforge eval` makes of a server: against the ideal of a mock, and against vLLM's own benchmark.

    python bench/backends.py [--requests 20000] [--latency 2] [--concurrency 2000]
    .ci/vllm run .venv/bin/python bench/backends.py --vllm [--requests 2000] [--concurrency 64] [--tokens 64]

The first holds 2,000 requests in flight against a mock server that answers each after 2 s. The ideal is requests × latency /
concurrency; beside it stands a bare aiohttp client in the same run. Start-up, which is told apart, is what the command
takes before the first request and after the last answer.

The second asks a real vLLM server, at SKILLFORGE_VLLM_URL, for as many tokens with each request, and then has
`vllm bench serve`, run by SKILLFORGE_VLLM_PYTHON, send it the very same prompts; in turn, round by round.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from common import HERE, Measured, evaluation, measure, mock_server, require, skillforge, write_problems

TINY = HERE.parent / "plugins" / "models" / "tiny" / "src" / "skillforge_tiny" / "weights"


class Ran(NamedTuple):
    """A finished evaluation: the command as a whole, the seconds from its first request to its last verdict, its samples."""

    whole: Measured
    seconds: float
    samples: list[dict[str, Any]]


def main() -> None:
    """Read the command line and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm", action="store_true", help="against a real vLLM server")
    parser.add_argument("--requests", type=int, help="default: 20000, with --vllm 2000")
    parser.add_argument("--concurrency", type=int, help="default: 2000, with --vllm 64")
    parser.add_argument("--latency", type=float, default=2.0, help="of the mock, in seconds; default: %(default)s")
    parser.add_argument("--tokens", type=int, default=64, help="of each answer of vLLM; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="with --vllm; default: %(default)s")
    given = parser.parse_args()
    if given.vllm:
        against_vllm(given.requests or 2000, given.concurrency or 64, given.tokens, given.rounds)
    else:
        against_the_ideal(given.requests or 20_000, given.concurrency or 2000, given.latency)


def against_the_ideal(requests: int, concurrency: int, latency: float) -> None:
    with tempfile.TemporaryDirectory() as name, mock_server("--latency", str(latency)) as base_url:
        folder = Path(name)
        write_problems(folder, requests)
        limit = str(concurrency)
        ran = _evaluate(evaluation(folder, base_url, folder / "run", "--concurrency", limit), folder / "run", requests)
        client = [sys.executable, str(HERE / "bare_client.py"), base_url, str(folder / "gsm8k" / "test.jsonl"), limit]
        bare = require(measure(client))
    bare_seconds = json.loads(bare.output)["seconds"]
    ideal = requests * latency / concurrency
    print(f"{requests} requests of {latency:g} s, {concurrency} in flight: ideal {ideal:.1f} s")
    print(f"{'':10} | {'seconds':>7} {'× ideal':>7} | {'start-up':>8} | {'CPU ms a request':>16} | {'MB':>5}")
    for who, whole, seconds in (("skillforge", ran.whole, ran.seconds), ("bare", bare, bare_seconds)):
        cpu = 1000 * whole.cpu / requests
        print(
            f"{who:10} | {seconds:7.2f} {seconds / ideal:7.2f} | {whole.wall - seconds:6.2f} s | {cpu:16.3f} |"
            f" {whole.peak_mb:5.0f}"
        )


def against_vllm(requests: int, concurrency: int, tokens: int, rounds: int) -> None:
    url, python = (os.environ.get(name) for name in ("SKILLFORGE_VLLM_URL", "SKILLFORGE_VLLM_PYTHON"))
    if not url or not python:
        sys.exit("SKILLFORGE_VLLM_URL and SKILLFORGE_VLLM_PYTHON are not set: use .ci/vllm run")
    print(f"{requests} requests of {tokens} tokens, {concurrency} in flight; output tokens a second")
    print(f"{'round':>6} | {'eval':>7} | {'vllm bench serve':>16} | {'share':>6} | {'CPU ms a request':>16}")
    shares = []
    for number in range(rounds + 1):  # the first warms the server up
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ran = _evaluate(_vllm_evaluation(url, folder, requests, concurrency, tokens), folder / "run", requests)
            prompts = [row["transcript"]["segments"][0]["text"] for row in ran.samples]
            theirs = _bench_serve(url, python, folder, prompts, concurrency, tokens)
        ours = sum(row["completion_tokens"] for row in ran.samples) / ran.seconds
        if number:
            shares.append(ours / theirs)
            cpu = 1000 * ran.whole.cpu / requests
            print(f"{number:6} | {ours:7.0f} | {theirs:16.0f} | {shares[-1]:6.1%} | {cpu:16.3f}", flush=True)
    print(f"{'median':>6} | {'':7} | {'':16} | {median(shares):6.1%} |")


def _vllm_evaluation(url: str, folder: Path, requests: int, concurrency: int, tokens: int) -> list[str]:
    write_problems(folder, requests)
    return skillforge(
        "eval", "--benchmark", "gsm8k", "--data-dir", str(folder), "--base-url", url, "--model", "tiny", "--backend",
        "openai", "--prompt", "chat", "-o", "prompt.format=text", "--max-tokens", str(tokens), "--concurrency",
        str(concurrency), "-o", 'backend.extra_body={"ignore_eos": true}', "--out", str(folder / "run"),
    )  # fmt: skip


def _bench_serve(url: str, python: str, folder: Path, prompts: list[str], concurrency: int, tokens: int) -> float:
    """Output tokens a second, as vLLM's own benchmark counts them."""
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts))
    command = [
        python, "-m", "vllm.entrypoints.cli.main", "bench", "serve", "--backend", "openai", "--endpoint", "/v1/completions",
        "--base-url", url.removesuffix("/v1"), "--model", "tiny", "--tokenizer", str(TINY), "--dataset-name", "custom",
        "--dataset-path", str(folder / "prompts.jsonl"), "--skip-chat-template", "--disable-shuffle", "--num-prompts",
        str(len(prompts)), "--custom-output-len", str(tokens), "--ignore-eos", "--temperature", "0", "--max-concurrency",
        str(concurrency), "--save-result", "--result-dir", str(folder), "--result-filename", "bench.json",
    ]  # fmt: skip
    require(measure(command))
    found = json.loads((folder / "bench.json").read_bytes())
    if found["completed"] != len(prompts):
        sys.exit(f"vllm bench serve completed {found['completed']} of {len(prompts)} requests")
    return float(found["output_throughput"])


def _evaluate(command: list[str], out: Path, requests: int) -> Ran:
    whole = require(measure(command, terminal=True))
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    done = len({sample["problem"]["id"] for sample in samples if "error" not in sample})
    if (len(samples), done) != (requests, requests):
        sys.exit(f"{requests} requests gave {len(samples)} samples, {done} of them without error")
    return Ran(whole, json.loads((out / "run.json").read_bytes())["wall_seconds"], samples)


if __name__ == "__main__":
    main()
