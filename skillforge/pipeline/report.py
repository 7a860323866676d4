"""What a run came to: summary.json for programs, and the tables of a report for people, in text form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from skillforge.errors import SkillForgeError
from skillforge.metrics.order import natural
from skillforge.metrics.summary import AtK, Spread, Summary, ToolUse
from skillforge.pipeline.tables import Table, interval, markdown, percent, side_by_side
from skillforge.pipeline.vote_report import vote_table
from skillforge.runs.directory import RunDirectory
from skillforge.runs.manifest import Manifest
from skillforge.runs.rows import to_json, write_atomically
from skillforge.text import one_line

REASONS_SHOWN = 8


def write_summary(run: RunDirectory, summary: Summary) -> None:
    """Write summary.json and report.md of `run`."""
    write_atomically(run.summary_path, to_json(summary))
    write_atomically(run.report_path, markdown(tables([(run.path.name, run.manifest, summary)])).encode())


def read_summary(run: RunDirectory) -> Summary:
    """The summary of `run`. Raises SkillForgeError where it has none yet."""
    try:
        return msgspec.json.decode(run.summary_path.read_bytes(), type=Summary)
    except FileNotFoundError:
        raise SkillForgeError(
            f"{run.path} has no summary yet (its state is '{run.manifest.state}')",
            f"finish it with 'skillforge eval --resume {run.path}', or grade what is there: 'skillforge grade {run.path}'",
        ) from None
    except (msgspec.DecodeError, OSError) as error:
        raise SkillForgeError(
            f"cannot read {run.summary_path}: {one_line(str(error))}", f"make it anew: skillforge grade {run.path}"
        ) from error


def tables(runs: Sequence[tuple[str, Manifest, Summary]]) -> list[Table]:
    """The tables of a report on one run, or on several side by side."""
    runs = [(one_line(name), manifest, summary) for name, manifest, summary in runs]
    summaries = [(name, summary) for name, _, summary in runs]
    found = [_results(runs)]
    for name, summary in summaries:
        if summary.samples_per_problem > 1:
            found += _repeated(summary, f" of {name}" if len(runs) > 1 else "")
    for field in dict.fromkeys(field for _, summary in summaries for field in summary.subsets):
        found.append(_subsets(field, summaries))
    found.append(vote_table([(name, summary.vote) for name, summary in summaries]))
    found.append(_tool_use(summaries))
    found.append(_samples(runs))
    return [table for table in found if table.rows]


def _results(runs: Sequence[tuple[str, Manifest, Summary]]) -> Table:
    rows = [
        (
            name,
            _benchmark(manifest),
            _model(manifest),
            str(summary.problems),
            str(summary.samples_per_problem),
            percent(summary.accuracy.value),
            interval(summary.accuracy),
            str(summary.error),
        )
        for name, manifest, summary in runs
    ]
    return Table(
        "Results", ("run", "benchmark", "model", "problems", "k", "accuracy", "interval", "errors"), rows, labels=3
    )


def _model(manifest: Manifest) -> str:
    name = str(manifest.resolved.get("model", ""))
    return one_line(Path(name).name if Path(name).is_absolute() else name, 60)


def _grader(manifest: Manifest) -> str:
    return one_line(str(manifest.resolved.get("judged_by") or manifest.resolved.get("grader", "")), 200)


def _generator(manifest: Manifest) -> str:
    """The software that generated, and the backend that spoke to it: `vllm 0.11.0 (backend vllm 0.1.0)`."""
    id = str(manifest.resolved.get("backend") or "")
    if not id:
        return "–"
    backend = f"backend {id.rpartition(':')[2]} {manifest.plugins.get(id, '')}".rstrip()
    met = (", ".join(f"{name} {version}" for name, version in each.items()) for each in manifest.generated_by)
    software = "; then ".join(met)
    return one_line(f"{software} ({backend})" if software else backend, 300)


def _benchmark(manifest: Manifest) -> str:
    name = str(manifest.resolved.get("benchmark", "")).rpartition(":")[2]
    return one_line(f"{name}/{manifest.resolved.get('split', '')}", 60)


def _repeated(summary: Summary, suffix: str) -> Iterator[Table]:
    rows = [
        (
            f"k = {k}",
            *_at_k(at),
            *_at_k(summary.maj_at.get(k)),
            str(at.problems),
        )
        for k, at in summary.pass_at.items()
    ]
    columns = ("", "pass@k", "interval", "maj@k", "interval", "problems")
    yield Table(f"Samples of one problem together{suffix}", columns, rows)
    if accuracy := summary.repeats.accuracy:
        row = (f"{len(accuracy)} repeats", percent(summary.repeats.mean), percent(summary.repeats.std))
        yield Table(f"Repeats{suffix}", ("", "mean", "std"), [row])


def _subsets(field: str, summaries: Sequence[tuple[str, Summary]]) -> Table:
    """Accuracy by the values of one field, a column a run; the interval only where there is one run."""
    single = len(summaries) == 1
    found = [summary.subsets.get(field, {}) for _, summary in summaries]
    rows = []
    for value in sorted({value for subsets in found for value in subsets}, key=natural):
        cells = [subsets.get(value) for subsets in found]
        problems = max(row.problems for row in cells if row)
        accuracies = [percent(row.accuracy.value) if row else "–" for row in cells]
        intervals = [interval(row.accuracy) for row in cells if row] if single else []
        rows.append((one_line(value, 60), str(problems), *accuracies, *intervals))
    names = ("accuracy", "interval") if single else tuple(name for name, _ in summaries)
    return Table(f"By {field}", (field, "problems", *names), rows)


def _samples(runs: Sequence[tuple[str, Manifest, Summary]]) -> Table:
    """Who made the samples and who judged them, what became of them and what they took, a column a run."""
    facts = [
        {"generated by": _generator(manifest), "judged by": _grader(manifest), **dict(_facts(summary))}
        for _, manifest, summary in runs
    ]
    return side_by_side("Samples", [name for name, _, _ in runs], facts)


def _tool_use(summaries: Sequence[tuple[str, Summary]]) -> Table:
    """What samples did with their code, a column a run; no rows where no run has any."""
    facts = [
        dict(_tool_facts(summary.tools, summary.finish_reasons)) if summary.tools else {} for _, summary in summaries
    ]
    return side_by_side("Tool use", [name for name, _ in summaries], facts)


def _facts(summary: Summary) -> Iterator[tuple[str, str]]:
    fewest, most = max(map(int, summary.pass_at), default=0), summary.samples_per_problem
    if 0 < fewest < most:
        yield (
            "samples of a problem",
            f"{fewest} to {most}: the rest were not made, as votes were decided or time was up",
        )
    yield "correct, wrong", f"{summary.correct:,}, {summary.wrong:,}"
    yield "no answer found", f"{summary.no_answer:,} ({percent(summary.no_answer_rate)})"
    yield "truncated", f"{summary.truncated:,} ({percent(summary.truncation_rate)})"
    yield "in error", f"{summary.error:,} ({percent(summary.error_rate)}){_commonest(summary.errors)}"
    if tokens := summary.tokens:
        yield "prompt tokens", f"{_number(tokens.prompt_total)} (mean {_number(tokens.prompt_mean)})"
        spread = f"mean {_number(tokens.completion_mean)}, p90 {_number(tokens.completion_p90)}"
        longest = f"most {_number(tokens.completion_max)}"
        yield "completion tokens", f"{_number(tokens.completion_total)} ({spread}, {longest})"
    if latency := summary.latency:
        ends = f"p99 {latency.p99:.2f} s, most {latency.max:.2f} s"
        yield "latency", f"p50 {latency.p50:.2f} s, p90 {latency.p90:.2f} s, {ends}"
    if speed := summary.throughput:
        yield "samples/s", f"{speed.samples_per_second:.1f}"
        if speed.completion_tokens_per_second is not None:
            yield "completion tokens/s", f"{speed.completion_tokens_per_second:.0f}"


def _commonest(errors: Mapping[str, int]) -> str:
    """The most frequent of the reasons for errors."""
    for reason, count in errors.items():
        return f"{f'; {count:,} of them' if len(errors) > 1 else ''}: {one_line(reason, 120)}"
    return ""


def _tool_facts(tools: ToolUse, finish_reasons: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    yield "samples with code", f"{tools.samples:,} ({percent(tools.share)} of all)"
    yield "executions", f"{tools.executions:,}"
    yield "executions a sample", _spread(tools.per_sample)
    if tools.statuses:
        yield "in error", f"{percent(tools.error_rate)} of executions"
        yield "timed out", f"{percent(tools.timeout_rate)} of executions"
        yield "failed otherwise", f"{percent(tools.other_failure_rate)} of executions"
    if tools.seconds:
        yield "time of an execution", _spread(tools.seconds, " s", 3)
    if tools.turns:
        yield "turns a sample", _spread(tools.turns)
    if tools.turn_tokens:
        yield "completion tokens a turn", _spread(tools.turn_tokens)
    places = tools.answers
    if found := places.text + places.output + places.neither:
        yield "answer in text", f"{places.text:,} ({percent(places.text / found)})"
        yield "answer only in output", f"{places.output:,} ({percent(places.output / found)})"
        yield "answer in neither", f"{places.neither:,} ({percent(places.neither / found)})"
    if finish_reasons:
        shown = [f"{one_line(reason, 40)} {count:,}" for reason, count in finish_reasons.items()]
        more = [f"and {len(shown) - REASONS_SHOWN} other reasons"] if len(shown) > REASONS_SHOWN else []
        yield "all samples ended by", ", ".join([*shown[:REASONS_SHOWN], *more])


def _spread(numbers: Spread, unit: str = "", places: int = 1) -> str:
    """Mean, 90th percentile and most. The last two are whole numbers where `places` is 1 and they are."""
    p90, most = (
        f"{number:,.0f}" if places == 1 and number == round(number) else f"{number:,.{places}f}"
        for number in (numbers.p90, numbers.max)
    )
    return f"mean {numbers.mean:,.{places}f}{unit}, p90 {p90}{unit}, most {most}{unit}"


def _at_k(at: AtK | None) -> tuple[str, str]:
    return ("–", "–") if at is None else (percent(at.value), interval(at))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
