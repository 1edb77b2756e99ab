"""``pilotfarm scenario run``: on a farm of its own, with servers or without, or on one that runs already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilotfarm.api.commands import Addresses, PortsFrom, addressing, completion
from pilotfarm.api.commands.simulate import INTERRUPTED, recorded, until_interrupted
from pilotfarm.api.commands.up import Every, Quantities, recording

if TYPE_CHECKING:
    from pilotfarm.api.scenario_report import Report
    from pilotfarm.api.sesp_load import Loads, Target
    from pilotfarm.emulators.record.ledger import Recording
    from pilotfarm.emulators.serving.pilot import Pilot

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
Fast = Annotated[
    bool, typer.Option("--fast", help="Without servers, as fast as it can, as `simulate` does; else as `up` does.")
]
Junit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML there.", show_default=False)
]
JsonLines = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write JSON Lines there.", show_default=False)
]
Speed = Annotated[
    float, typer.Option("--speed", metavar="X", min=0.001, max=100_000.0, help="Site seconds a wall second.")
]
Api = Annotated[
    str, typer.Option("--api", metavar="HOST:PORT", help="Where the REST API listens; port 0 takes any free one.")
]
Token = Annotated[
    str | None,
    typer.Option("--token", envvar="PILOTFARM_TOKEN", help="What the API's users must show; needed off loopback."),
]
Ledger = Annotated[
    Path | None,
    typer.Option("--ledger", metavar="DIR", help="Record what is true, said, told and broken, as Parquet."),
]
Sesp = Annotated[
    str | None,
    typer.Option(
        "--sesp",
        metavar="URL",
        help="The SESP that phases put load on, such as http://127.0.0.1:8090.",
        show_default=False,
    ),
]
SespToken = Annotated[
    str | None,
    typer.Option("--sesp-token", envvar="PILOTFARM_SESP_TOKEN", help="The SESP's token, if it has one."),
]
AllowRemote = Annotated[bool, typer.Option("--allow-remote", help="Load a SESP that is not on loopback.")]
AtFarm = Annotated[
    str | None,
    typer.Option("--farm", metavar="URL", help="On the farm that runs there, over its REST API.", show_default=False),
]
AsIs = Annotated[
    bool,
    typer.Option(
        "--as-is", help="With --farm: take it as it is, whatever the scenario says of site, start, seed and step_s."
    ),
]
_OF_AN_OWN_FARM = (
    *("site", "fast", "seed", "speed", "api", "ports_from", "addresses", "ledger", "every", "quantities"),
    *("sesp", "sesp_token", "allow_remote"),
)
"""Options that a farm which runs already has no use for."""


def run(
    ctx: typer.Context,
    file: File,
    site: OnSite = None,
    fast: Fast = False,
    junit: Junit = None,
    json_lines: JsonLines = None,
    seed: Seed = None,
    speed: Speed = 1.0,
    api: Api = "127.0.0.1:8080",
    token: Token = None,
    ports_from: PortsFrom = None,
    addresses: Addresses = None,
    ledger: Ledger = None,
    every: Every = 0.0,
    quantities: Quantities = None,
    sesp: Sesp = None,
    sesp_token: SespToken = None,
    allow_remote: AllowRemote = False,
    farm: AtFarm = None,
    as_is: AsIs = False,
) -> None:
    """Run a scenario, and tell what became of each step and expectation.

    Exits with 0 if nothing failed or was blocked, else with 1; with 2 if the scenario cannot be run, and with 130 after
    Ctrl-C.

    Example: `pilotfarm scenario run feeder-outage --fast --junit outage.xml`
    """
    from pilotfarm.api.scenario_report import Report
    from pilotfarm.api.sesp_load import Loads
    from pilotfarm.emulators.scenarios import reading

    if as_is and farm is None:
        raise typer.BadParameter("goes with --farm alone", param_hint="--as-is")
    if farm is not None:
        from pilotfarm.api.scenario_at_farm import run_at

        _refuse_beside_farm(ctx)
        raise typer.Exit(run_at(farm, token, file, as_is=as_is, lines=json_lines, junit=junit))
    kept = recording("--ledger", ledger, every, quantities)
    target = None if sesp is None else _target(sesp, sesp_token, allow_remote)
    draft = reading.load(file)
    layout = draft.layout(site, seed, addressing(ports_from, addresses))
    with Report(draft, layout, lines=json_lines, junit=junit) as report, Loads(layout, target, speed) as loads:
        loss = _run_fast(report, kept) if fast else _run_served(report, kept, api, token, loads)
        _end(report, loss)


def _target(url: str, token: str | None, allow_remote: bool) -> Target:
    from pilotfarm.api.sesp_load import Target
    from pilotfarm.emulators.errors import StateError
    from pilotfarm.loadtests.hosts import check_token
    from pilotfarm.loadtests.plan import target
    from pilotfarm.loadtests.run import has_locust

    check_token(token, "PILOTFARM_SESP_TOKEN")
    if not has_locust():
        raise StateError("load on a SESP needs Locust, which is not installed: pip install 'pilotfarm[loadtest]'")
    try:
        return Target(target(url, allow_remote), token, allow_remote)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--sesp") from None


def _refuse_beside_farm(ctx: typer.Context) -> None:
    """A farm that runs already was brought up as it is."""
    for name in _OF_AN_OWN_FARM:
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter("does not go with --farm", param_hint="--" + name.replace("_", "-"))


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


def _run_served(report: Report, kept: Recording | None, api: str, token: str | None, loads: Loads) -> str:
    from pilotfarm.loadtests import logs
    from pilotfarm.loadtests.hosts import parse_address, require_token

    logs.configure()
    host, port = parse_address(api, "--api")
    require_token(host, token, "--api", "PILOTFARM_TOKEN")
    from pilotfarm.api import serve

    def attend(pilot: Pilot, stop: Callable[[], None]) -> None:
        loads.paced_by(lambda speed: pilot.runner.change(speed=speed))
        report.begin(pilot.farm, pilot.clock.now_s, loads)

        def after_step() -> None:
            report.advance()
            if report.run.over:
                pilot.stop()  # with this step: what is recorded ends with it at any speed
                stop()

        pilot.attendants.append(after_step)

    options = serve.Options(host, port, token, loads.usual_speed, kept)
    return serve.run(report.layout, options, lambda url: report.say(f"ready {url}"), attend)
