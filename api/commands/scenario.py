"""``pilotfarm scenario``: what goes wrong at a site and when, and whether what must be seen is seen."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotfarm.api.commands import addressing, completion, scenario_run
from pilotfarm.api.commands.farm import URL, Api, Token
from pilotfarm.api.commands.scenario_run import File, OnSite

if TYPE_CHECKING:
    from pilotfarm.emulators.scenarios.reading import StepDraft

scenarios = typer.Typer(
    no_args_is_help=True,
    help="Run what goes wrong at a site, and judge what is seen.\n\n"
    "Example: `pilotfarm scenario run stuck-meter --fast`",
)


def register(app: typer.Typer) -> None:
    scenarios.command()(scenario_run.run)
    app.add_typer(scenarios, name="scenario")


# ------------------------------------------------------------------------------------------ looking


@scenarios.command("list")
def list_(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="A scenario whose steps are listed; the built-in scenarios if left out.",
            show_default=False,
            autocompletion=completion.scenarios,
        ),
    ] = None,
) -> None:
    """List the built-in scenarios, or the steps of one.

    Example: `pilotfarm scenario list stuck-meter`
    """
    from pilotfarm import profiles
    from pilotfarm.emulators.errors import ConfigError
    from pilotfarm.emulators.scenarios import reading
    from pilotfarm.emulators.scenarios.resolve import said

    if file is None:
        drafts = [(name, reading.load(name)) for name in profiles.scenario_names()]
        heads = [(name, draft.head) for name, draft in drafts]
        _table(("scenario", "site", "title"), [(name, head.site or "", head.title) for name, head in heads if head])
        return
    draft = reading.load(file)
    if draft.problems:
        raise ConfigError(draft.problems)
    rows = [
        (phase.name, step.table.name or f"{number}", _begins(step), does)
        for phase in draft.phases
        for number, step in enumerate(phase.steps, 1)
        if step is not None
        for does in [f"expect {watch.text}" for _, watch in step.expected] or [said(step)]
    ]
    _table(("phase", "step", "begins", "does"), rows)


@scenarios.command()
def check(
    file: File,
    site: OnSite = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object, whatever is found.")] = False,
) -> None:
    """Check a scenario against its site: print every problem with file and line, or what it comes to.

    Exits with 2 if there is a problem. With `--json` problems are as those of `pilotfarm check --json`.

    Example: `pilotfarm scenario check stuck-meter --site germany`
    """
    from pilotfarm.emulators.errors import ConfigError

    try:
        found = _checked(file, site)
    except ConfigError as error:
        if not as_json:
            raise
        problems = [{**asdict(each), "line": each.line or None} for each in error.problems]
        typer.echo(json.dumps({"problems": problems}, indent=2, ensure_ascii=False))
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    typer.echo(
        f"{found['scenario']}: {found['phases']} phases, {found['steps']} steps and {found['expectations']} "
        f"expectations at {found['site']}: no problems"
    )


@scenarios.command()
def schema() -> None:
    """Print the JSON Schema of a scenario file, for an editor or a validator.

    Example: `pilotfarm scenario schema > scenario.schema.json`
    """
    from pilotfarm.emulators.scenarios.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@scenarios.command()
def record(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The scenario file to write: a new one.")],
    masters: Annotated[
        bool, typer.Option("--masters", help="Record what masters write over their protocols, too.")
    ] = False,
    api: Api = URL,
    token: Token = None,
) -> None:
    """Record what is done to a running farm over REST, until Ctrl-C, as a scenario.

    Times count from the site's start, so that a run of it does the same at the same site time. Faults that stand when
    it begins are in it; what devices were told before is not, nor is a change of speed, pause or step.

    Example: `pilotfarm scenario record monday.yaml`
    """
    from pilotfarm.api.scenario_at_farm import record_at

    record_at(api, token, out, masters=masters)


def _checked(file: str, site: str | None) -> dict[str, Any]:
    """What a scenario comes to, for programs."""
    from pilotfarm.emulators.farm.farm import Farm
    from pilotfarm.emulators.scenarios import reading
    from pilotfarm.emulators.scenarios.resolve import resolve

    draft = reading.load(file)
    layout = draft.layout(site, addressing=addressing(None, None))
    plan = resolve(draft, Farm(layout))
    return {
        "problems": [],
        "scenario": plan.name,
        "title": plan.title,
        "site": layout.name,
        "phases": len(plan.phases),
        "steps": sum(len(phase.steps) for phase in plan.phases),
        "expectations": plan.expectations,
    }


def _begins(step: StepDraft) -> str:
    """Say when a step begins, where that is not after the one before it."""
    table = step.table
    said = [] if table.at is None else [f"at {table.at:g} s"]
    said += [] if table.after is None else [f"after {', '.join(table.after)}"]
    return "; ".join([*said, *([f"when {table.when}"] if table.when else [])])


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 200, markup=False).print(table)
