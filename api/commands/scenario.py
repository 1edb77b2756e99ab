"""``pilotfarm scenario``: what goes wrong at a site and when, and whether what must be seen is seen."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pilotfarm.api.commands import Addresses, PortsFrom, addressing, completion
from pilotfarm.api.commands.simulate import INTERRUPTED, recorded, until_interrupted
from pilotfarm.api.commands.up import Every, Quantities, recording

if TYPE_CHECKING:
    from pilotfarm.api.scenario_report import Report
    from pilotfarm.emulators.record.ledger import Recording
    from pilotfarm.emulators.scenarios.reading import StepDraft
    from pilotfarm.emulators.serving.pilot import Pilot

scenarios = typer.Typer(
    no_args_is_help=True,
    help="Run what goes wrong at a site, and judge what is seen.\n\n"
    "Example: `pilotfarm scenario run stuck-meter --fast`",
)

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="Name of a built-in scenario, or path of a scenario file.",
        show_default=False,
        autocompletion=completion.scenarios,
    ),
]
OnSite = Annotated[
    str | None,
    typer.Option(
        "--site",
        metavar="SITE",
        help="Name of a built-in site, or path of a site file, in place of the scenario's.",
        show_default=False,
        autocompletion=completion.sites,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", metavar="N", min=0, help="Seed of all randomness; the scenario's or the site's if left out."
    ),
]


def register(app: typer.Typer) -> None:
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


# ------------------------------------------------------------------------------------------ running


@scenarios.command()
def run(
    file: File,
    site: OnSite = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Without servers, as fast as it can, as `simulate` does; else as `up` does.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML there.", show_default=False)
    ] = None,
    json_lines: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write JSON Lines there.", show_default=False)
    ] = None,
    seed: Seed = None,
    speed: Annotated[
        float, typer.Option("--speed", metavar="X", min=0.001, max=100_000.0, help="Site seconds a wall second.")
    ] = 1.0,
    api: Annotated[
        str, typer.Option("--api", metavar="HOST:PORT", help="Where the REST API listens; port 0 takes any free one.")
    ] = "127.0.0.1:8080",
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="PILOTFARM_TOKEN", help="What the API's users must show; needed off loopback."),
    ] = None,
    ports_from: PortsFrom = None,
    addresses: Addresses = None,
    ledger: Annotated[
        Path | None,
        typer.Option("--ledger", metavar="DIR", help="Record what is true, said, told and broken, as Parquet."),
    ] = None,
    every: Every = 0.0,
    quantities: Quantities = None,
) -> None:
    """Run a scenario, and tell what became of each step and expectation.

    Exits with 0 if nothing failed or was blocked, else with 1; with 2 if the scenario cannot be run, and with 130 after
    Ctrl-C.

    Example: `pilotfarm scenario run feeder-outage --fast --junit outage.xml`
    """
    from pilotfarm.api.scenario_report import Report
    from pilotfarm.emulators.scenarios import reading

    kept = recording("--ledger", ledger, every, quantities)
    draft = reading.load(file)
    layout = draft.layout(site, seed, addressing(ports_from, addresses))
    with Report(draft, layout, lines=json_lines, junit=junit) as report:
        loss = _run_fast(report, kept) if fast else _run_served(report, kept, api, token, speed)
        _end(report, loss)


def _end(report: Report, loss: str) -> None:
    """Leave with what became of the run, ``loss`` is what its ledger lost."""
    from pilotfarm.emulators.scenarios.verdict import Verdict

    made = report.run
    interrupted = not made.over
    if interrupted:
        made.stop("interrupted")
    report.finish()
    if loss:
        typer.echo(f"error: {loss}", err=True)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if loss or made.verdict is Verdict.FAIL:
        raise typer.Exit(1)


def _run_fast(report: Report, kept: Recording | None) -> str:
    from pilotfarm.emulators.farm.farm import WARM_UP_S, Farm

    farm = Farm(report.layout)
    farm.step(WARM_UP_S)
    with recorded(farm, kept) as ledger, until_interrupted() as interrupt:
        report.begin(farm, None)
        while not report.run.over and not interrupt.received:
            farm.step(report.layout.step_s)
            report.advance()
    return "" if ledger is None else ledger.loss


def _run_served(report: Report, kept: Recording | None, api: str, token: str | None, speed: float) -> str:
    from pilotfarm.loadtests import logs
    from pilotfarm.loadtests.hosts import parse_address, require_token

    logs.configure()
    host, port = parse_address(api, "--api")
    require_token(host, token, "--api", "PILOTFARM_TOKEN")
    from pilotfarm.api import serve

    def attend(pilot: Pilot, stop: Callable[[], None]) -> None:
        report.begin(pilot.farm, pilot.clock.now_s)

        def after_step() -> None:
            report.advance()
            if report.run.over:
                pilot.stop()  # with this step: what is recorded ends with it at any speed
                stop()

        pilot.attendants.append(after_step)

    options = serve.Options(host, port, token, speed, kept)
    return serve.run(report.layout, options, lambda url: report.say(f"ready {url}"), attend)
