"""The same 1,000 problems at 100 in flight through other evaluators, beside ours, in one run.

    python bench/peers.py [--rounds 1]

Makes an environment of its own for the peers (bench/.peers, once; it takes PyTorch, which lm-eval imports). Each row is a whole
process against the mock server with a fixed latency of 100 ms; the ratio is to ours.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path

from common import HERE, Measured, evaluation, measure, mock_server, parse_arguments, require, write_problems

PROBLEMS, IN_FLIGHT = 1000, 100
ENVIRONMENT = HERE / ".peers"
PACKAGES = ("torch", "lm-eval[api]", "inspect-ai", "openai")

LM_EVAL_TASK = """\
task: forge_mock
dataset_path: json
dataset_kwargs: {{data_files: {{test: {problems}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: [], max_gen_toks: 1024}}
metric_list: [{{metric: exact_match}}]
"""

INSPECT_TASK = """\
from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import match
from inspect_ai.solver import generate


@task
def forge_mock():
    problems = json_dataset({problems!r}, FieldSpec(input="question", target="answer"))
    return Task(dataset=problems, solver=generate(), scorer=match(numeric=True))
"""


def main() -> None:
    rounds = parse_arguments(__doc__, rounds=1).rounds
    _make_environment()
    ours = 0.0
    print(f"{'':10} {'wall s':>7} {'CPU s':>7} {'ratio':>6}")
    for name, command in (("skillforge", _ours), ("lm-eval", _lm_eval), ("inspect", _inspect)):
        runs = [_run(command) for _ in range(rounds)]
        wall = statistics.median(run.wall for run in runs)
        cpu = statistics.median(run.cpu for run in runs)
        ours = ours or wall
        print(f"{name:10} {wall:7.2f} {cpu:7.2f} {wall / ours:6.1f}")


def _make_environment() -> None:
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)


def _run(command: Callable[[Path, str], list[str]]) -> Measured:
    with tempfile.TemporaryDirectory() as name, mock_server("--latency", "0.1") as base_url:
        folder = Path(name)
        write_problems(folder, PROBLEMS)
        os.environ.update(OPENAI_API_KEY="none", HF_HUB_OFFLINE="1", HF_HOME=name, INSPECT_LOG_DIR=name)
        run = require(measure(command(folder, base_url), folder=folder))
        answered = json.load(urllib.request.urlopen(base_url.replace("/v1", "/stats")))["200"]
        if answered != PROBLEMS:  # an exit code of 0 does not tell with all of them
            sys.exit(f"{answered} of {PROBLEMS} problems were answered\n{run.output[-2000:]}")
        return run


def _ours(folder: Path, base_url: str) -> list[str]:
    return evaluation(folder, base_url, folder / "run", "--concurrency", str(IN_FLIGHT))


def _lm_eval(folder: Path, base_url: str) -> list[str]:
    (folder / "task.yaml").write_text(LM_EVAL_TASK.format(problems=folder / "gsm8k" / "test.jsonl"))
    model = f"model=mock,base_url={base_url}/chat/completions,num_concurrent={IN_FLIGHT},tokenized_requests=False"
    return [
        str(ENVIRONMENT / "bin" / "lm_eval"), "run", "--model", "local-chat-completions", "--model_args", model, "--tasks",
        "forge_mock", "--include_path", str(folder), "--apply_chat_template", "--log_samples", "--output_path",
        str(folder / "out"),
    ]  # fmt: skip


def _inspect(folder: Path, base_url: str) -> list[str]:
    (folder / "task.py").write_text(INSPECT_TASK.format(problems=str(folder / "gsm8k" / "test.jsonl")))
    at_once = str(IN_FLIGHT)
    return [
        str(ENVIRONMENT / "bin" / "inspect"), "eval", "task.py", "--model", "openai/mock", "--model-base-url", base_url,
        "-M", "responses_api=false", "--max-connections", at_once, "--max-samples", at_once, "--display", "plain",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
