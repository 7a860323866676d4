"""`skillforge eval`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click
import msgspec

from skillforge.cli.declared import declared_options, given, merged, part_options, read_recipe
from skillforge.errors import UsageError
from skillforge.pipeline.plan import Plan
from skillforge.pipeline.settings import EvalSettings, make_settings
from skillforge.registry import default_registry
from skillforge.runs.directory import RunDirectory, new_run_path
from skillforge.text import one_line

RUNS = Path("runs")
CAUSES_SHOWN = 3


@click.command("eval")
@declared_options(EvalSettings, leave_out=("options", "leave_out"))
@click.option(
    "-o",
    "assignments",
    multiple=True,
    metavar="KIND.NAME=VALUE",
    help="A part's own option, such as -o backend.timeout=30; see 'skillforge plugins show NAME'.",
)
@click.option(
    "--batch",
    is_flag=True,
    help="Send requests as files that are worked off within a day, at a lower price, where the server takes them: the"
    " same as -o backend.batch=true.",
)
@click.option(
    "--recipe",
    type=click.Path(path_type=Path),
    help="Read settings from this YAML file; options on the command line win.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Run directory; one that holds the same run is continued. Default: runs/BENCHMARK-MODEL-TIME.",
)
@click.option(
    "--resume", type=click.Path(path_type=Path), metavar="RUN", help="Continue this run with its own settings."
)
@click.option("--retry-errors", is_flag=True, help="Try samples that ended in error again (with --resume or --out).")
@click.option(
    "--dry-run", is_flag=True, help="Show the settings, the first prompt and what it would cost, and send nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def evaluate(
    assignments: tuple[str, ...],
    batch: bool,
    recipe: Path | None,
    out: Path | None,
    resume: Path | None,
    retry_errors: bool,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **values: Any,
) -> int:
    """Evaluate a model on a benchmark.

    \b
    skillforge eval --benchmark gsm8k --base-url http://localhost:8000/v1 --model my-model
    skillforge eval --benchmark gsm8k --model ./weights --repeats 8 --seed 1
    skillforge eval --resume runs/gsm8k-my-model-20260101-120000
    """
    if retry_errors and not (resume or out):
        raise UsageError("--retry-errors is for a run that exists", "name it with --resume or --out")
    if resume and (out or recipe):
        raise UsageError(f"--resume and --{'out' if out else 'recipe'} exclude each other", "leave one out")
    if batch:
        assignments = (*assignments, "backend.batch=true")
    base = _stored_settings(resume) if resume else read_recipe(recipe) if recipe else {}
    settings = make_settings(merged(base, _given_settings(values, assignments)))
    plan = Plan(settings, default_registry())
    if dry_run:
        _show_plan(plan, as_json)
        return 0
    path = resume or out or new_run_path(RUNS, plan.benchmark.part.name, Path(plan.model.name).name)
    return _run(plan, path, retry_errors, as_json, quiet)


def _stored_settings(resume: Path) -> dict[str, Any]:
    manifest = RunDirectory.open(resume).manifest
    if manifest.command != "eval":
        raise UsageError(f"{resume} was made by '{manifest.command}'", "only an evaluation can be continued")
    return manifest.settings


def _given_settings(values: dict[str, Any], assignments: tuple[str, ...]) -> dict[str, Any]:
    found = given(values)
    if "ids" in found:
        found["ids"] = [id for text in found["ids"] for id in text.split(",") if id]
    if assignments:
        found["options"] = part_options(assignments)
    return found


def _run(plan: Plan, path: Path, retry_errors: bool, as_json: bool, quiet: bool) -> int:
    from skillforge.cli.display import ProgressDisplay, print_report
    from skillforge.pipeline.evaluate import evaluate as run_evaluation
    from skillforge.pipeline.observer import Observer, Silent

    observer: Observer = Silent() if quiet else ProgressDisplay()
    observer.note(f"{plan.benchmark.part.name}/{plan.split}: {_parts(plan)} -> {path}")
    if plan.settings.model is None:
        observer.note(f"no --model given: this is the embedded model '{plan.model.name}'")
    summary = run_evaluation(plan, path, default_registry(), observer, retry_errors=retry_errors)
    if as_json:
        click.echo(msgspec.json.encode({"run": str(path), **msgspec.to_builtins(summary)}))
    else:
        print_report([(path.name, RunDirectory.open(path).manifest, summary)])
        if not quiet:
            observer.note(f"all of it is in {path} (report.md, summary.json, samples.jsonl, verdicts.jsonl)")
    if not summary.error:
        return 0
    causes = Counter(sample.error or "" for sample in RunDirectory.open(path).samples() if sample.state == "error")
    unanswered = causes.total()
    if unanswered:
        click.echo(f"{unanswered} of {summary.samples} samples are in error:", err=True)
        for cause, count in causes.most_common(CAUSES_SHOWN):
            click.echo(f"  {count} x {one_line(cause)}", err=True)
        click.echo(f"once the cause is gone, try them again: skillforge eval --resume {path} --retry-errors", err=True)
    if unjudged := summary.error - unanswered:
        why = f"verdicts.jsonl says why; then: skillforge grade {path}"
        click.echo(f"{unjudged} of {summary.samples} answers could not be judged; {why}", err=True)
    return 3


def _parts(plan: Plan) -> str:
    """What works together, and which of it the model brought."""
    own = " (the model's own)" if plan.settings.prompt is None and plan.prompt_is_the_models else ""
    parts = [
        f"model {plan.model.name}",
        f"backend {plan.backend.part.name}",
        f"prompt {plan.prompt.part.name}{own}",
        f"grader {plan.grader.part.name}",
    ]
    if plan.code is not None:
        parts.append(f"sandbox {plan.code.sandbox.part.name}")
    if plan.voter is not None:
        parts.append(f"voter {plan.voter.part.name} over {plan.repeats} samples")
    return ", ".join(parts)


def _show_plan(plan: Plan, as_json: bool) -> None:
    """What would happen, as text or JSON."""
    problems = plan.count_problems()
    requests = problems * plan.repeats
    facts = {
        "settings": plan.resolved(),
        "first_request": plan.preview(),
        "problems": problems,
        "requests": requests,
        "prompt_tokens_about": round(_mean_prompt_characters(plan) / CHARACTERS_A_TOKEN * requests),
        "completion_tokens_at_most": plan.sampling.max_tokens and plan.sampling.max_tokens * requests,
    }
    if as_json:
        click.echo(msgspec.json.encode(facts))
        return
    import yaml

    from skillforge.text import printable

    click.echo("# Settings\n" + yaml.safe_dump(facts["settings"], sort_keys=False, allow_unicode=True))
    click.echo("# First request, as it would be sent\n" + printable(str(facts["first_request"]), sys.maxsize) + "\n")
    most = facts["completion_tokens_at_most"]
    completion = f"at most {most:,} completion tokens" if most else "completion tokens as the server limits them"
    click.echo(
        f"# Expected\n{requests} requests ({problems} problems x {plan.repeats}), about"
        f" {facts['prompt_tokens_about']:,} prompt tokens ({CHARACTERS_A_TOKEN} characters a token), {completion}."
        " Nothing was sent."
    )


CHARACTERS_A_TOKEN = 4
"""A rule of thumb for English text; the model's tokenizer may not be at hand."""


def _mean_prompt_characters(plan: Plan, most: int = 200) -> float:
    import itertools

    lengths = []
    for problem in itertools.islice(plan.problems(), most):
        prompt = plan.render(problem)
        lengths.append(len(prompt) if isinstance(prompt, str) else sum(len(message.content) for message in prompt))
    return sum(lengths) / len(lengths)
