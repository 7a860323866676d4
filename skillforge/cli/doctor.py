"""`skillforge doctor`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click
import msgspec

from skillforge import __version__
from skillforge.child import Child, ChildDied, ChildHung, Parent
from skillforge.errors import UsageError
from skillforge.parts.part import Finding
from skillforge.registry import PartEntry, Registry, default_registry
from skillforge.text import one_line, printable

if TYPE_CHECKING:
    from skillforge.pipeline.resolve import Chosen
    from skillforge.probe import Stock

DIAGNOSIS_LIMIT = 20.0
"""Seconds that one part may take."""

MARKS = {"ok": ("✓", "green"), "weak": ("!", "yellow"), "missing": ("✗", "red")}


class Diagnosis(msgspec.Struct, frozen=True):
    """What one part found."""

    kind: str
    name: str
    package: str
    findings: list[Finding]

    @property
    def usable(self) -> bool:
        return all(finding.state != "missing" for finding in self.findings)


class ServerDiagnosis(msgspec.Struct, frozen=True):
    """What was found of a running server."""

    base_url: str
    backend: str
    findings: list[Finding]


@click.command()
@click.option(
    "--base-url",
    metavar="TEXT",
    help="Look at the running server at this address instead; of several, split by commas.",
)
@click.option("--backend", metavar="TEXT", help="With --base-url: what speaks to it. Default: what fits addresses.")
@click.option("--model", metavar="TEXT", help="With --base-url: the model to ask. Default: the first that it has.")
@click.option(
    "-o", "assignments", multiple=True, metavar="backend.NAME=VALUE", help="With --base-url: an option of the backend."
)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@click.pass_context
def doctor(
    ctx: click.Context,
    base_url: str | None,
    backend: str | None,
    model: str | None,
    assignments: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what this installation has, and what it lacks; or what a running server has.

    \b
    skillforge doctor
    skillforge doctor --base-url http://localhost:8000/v1

    The exit code is 1 where a plugin is broken, or where something is missing for each part of a kind: a sandbox that
    cannot be used is no fault while there is another. Of a server it is 1 where something is missing that a run needs. The
    server is sent one or two short requests; keys are never shown.
    """
    if base_url is not None:
        ctx.exit(_look_at_servers(base_url, backend, model, assignments, as_json))
    for value, name in ((backend, "--backend"), (model, "--model"), (assignments, "-o")):
        if value:
            raise UsageError(f"{name} is for a look at a server", "name the server with --base-url")
    from skillforge.probe import take_stock

    stocks = take_stock(default_registry().all_entries)
    faulty = [stock for stock in stocks if stock.state != "ok"]
    diagnoses = list(diagnose([stock.entry for stock in stocks if stock.part]))
    told = [diagnosis for diagnosis in diagnoses if diagnosis.findings]
    if as_json:
        faults = [
            {**msgspec.to_builtins(stock.entry), "state": stock.state, "cause": stock.cause, "fix": stock.fix}
            for stock in faulty
        ]
        click.echo(msgspec.json.encode({"versions": _versions(), "faulty": faults, "diagnoses": told}))
    else:
        _print(len(stocks), faulty, told)
    ctx.exit(1 if any(stock.state == "broken" for stock in stocks) or _kinds_without_use(diagnoses) else 0)


def diagnose(entries: Sequence[PartEntry], limit: float = DIAGNOSIS_LIMIT) -> Iterator[Diagnosis]:
    """What each part finds. They are asked in a process of their own, anew after one that ended it or hung."""
    child: Child | None = None
    try:
        for entry in entries:
            child = child or Child(__name__)
            child.send(msgspec.json.encode(entry))
            try:
                findings = msgspec.json.decode(child.receive(limit), type=list[Finding])
            except msgspec.MsgspecError as error:
                findings = [_fault(f"returned something else than findings ({one_line(str(error))})")]
            except (ChildHung, ChildDied) as fault:
                findings = [_fault(str(fault) or f"did not finish within {limit:g} s")]
                child.close()
                child = None
            yield Diagnosis(entry.kind, entry.name, entry.package, findings)
    finally:
        if child:
            child.close()


def _fault(how: str) -> Finding:
    return Finding("diagnosis", "missing", f"diagnose() {how}", "report it to the author of the plugin")


def _kinds_without_use(diagnoses: Sequence[Diagnosis]) -> set[str]:
    """The kinds of which each part lacks something."""
    return {one.kind for one in diagnoses} - {one.kind for one in diagnoses if one.usable}


def _versions() -> dict[str, str]:
    return {
        "SkillForge": __version__,
        "Python": f"{platform.python_version()} ({sys.executable})",
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
    }


# ---------------------------------------------------------------------------------------------------------------
# A running server
# ---------------------------------------------------------------------------------------------------------------


def _look_at_servers(
    base_url: str, backend: str | None, model: str | None, assignments: Sequence[str], as_json: bool
) -> int:
    """Show what is found of each server, as it is found; the exit code."""
    import asyncio

    from skillforge.cli.declared import part_options
    from skillforge.pipeline.resolve import backend_for
    from skillforge.pipeline.settings import addresses

    values = part_options(assignments)
    if strange := values.keys() - {"backend"}:
        raise UsageError(f"'{strange.pop()}' is not used here", "set options of the backend: -o backend.NAME=VALUE")
    urls = addresses(base_url)
    chosen = backend_for(backend, base_url, values.get("backend", {}), None, default_registry())
    servers = [asyncio.run(_look_at(chosen, url, model, shown=not as_json)) for url in urls]
    if as_json:
        click.echo(msgspec.json.encode({"servers": servers}))
    return int(any(finding.state == "missing" for server in servers for finding in server.findings))


async def _look_at(backend: Chosen, url: str, model: str | None, *, shown: bool) -> ServerDiagnosis:
    from skillforge.pipeline.server_check import check_server
    from skillforge.pipeline.settings import without_credentials

    told = ServerDiagnosis(without_credentials(url) or "", backend.id, [])
    findings = check_server(backend, url, model)
    if shown:
        _print_title("server", told.base_url, f"backend {backend.part.name}")
    async for finding in findings:
        told.findings.append(finding)
        if shown:
            _print_finding(finding.state, finding.name, finding.detail, finding.fix)
    return told


# ---------------------------------------------------------------------------------------------------------------
# What is shown
# ---------------------------------------------------------------------------------------------------------------


def _print(parts: int, faulty: Sequence[Stock], told: Sequence[Diagnosis]) -> None:
    for label, value in _versions().items():
        _print_line(f"{label}: {value}")
    _print_line(f"parts: {parts}, {len(faulty) or 'none'} with a fault")
    for stock in faulty:
        _print_title(stock.entry.kind, stock.entry.name, stock.entry.package)
        _print_finding("missing" if stock.state == "broken" else "weak", stock.state, stock.cause, stock.fix)
    for one in told:
        _print_title(one.kind, one.name, one.package)
        for finding in one.findings:
            _print_finding(finding.state, finding.name, finding.detail, finding.fix)


def _print_line(text: str) -> None:
    click.echo(one_line(text))


def _print_title(kind: str, name: str, package: str) -> None:
    click.echo("\n" + click.style(one_line(f"{kind} {name}"), bold=True) + f" ({one_line(package)})")


def _print_finding(state: str, name: str, detail: str | None, fix: str | None) -> None:
    mark, colour = MARKS[state]
    text = f"{name}: {detail}" if detail else name
    click.echo(click.style(f"  {mark} ", fg=colour) + printable(text).replace("\n", "\n    "))
    if fix and state != "ok":
        click.echo("    → " + printable(fix).replace("\n", "\n      "))


# ---------------------------------------------------------------------------------------------------------------
# The child's side: python -m skillforge.cli.doctor
# ---------------------------------------------------------------------------------------------------------------


def _child() -> None:
    parent = Parent()
    registry = Registry()
    while True:
        try:
            entry = msgspec.json.decode(parent.receive(), type=PartEntry)
        except EOFError:
            os._exit(0)  # threads and exit handlers that a plugin left behind are not waited for
        try:
            answer = msgspec.json.encode(list(registry.load(entry).diagnose()))
        except BaseException as error:
            answer = msgspec.json.encode([_fault(f"raised {type(error).__name__}: {one_line(str(error))}")])
        parent.send(answer)


if __name__ == "__main__":
    _child()
