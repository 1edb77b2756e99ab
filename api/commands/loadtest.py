"""The commands that load-test a SESP."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

if TYPE_CHECKING:
    from pilotfarm.loadtests.outcome import Outcome
    from pilotfarm.loadtests.plan import Plan
    from pilotfarm.loadtests.reconcile import Report
    from pilotfarm.loadtests.run import Stop

_T = TypeVar("_T")

_HELP: Final = """Load-test a SESP with Locust.

Example: `pilotfarm loadtest sesp --url http://127.0.0.1:8090 --users 300 --duration 1m`"""
MISSING_SHOWN: Final = 5

Duration = Annotated[str, typer.Option("--duration", metavar="TIME", help="How long to send: 30s, 5m, 1h.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(name="loadtest", help=_HELP, no_args_is_help=True)
    # A callback keeps `sesp` a command of its own while it is the only one.
    group.callback()(_loadtest)
    group.command()(sesp)
    app.add_typer(group)


def _loadtest() -> None:
    """Load-test a SESP with Locust; needs the extra `loadtest`."""


def sesp(
    url: Annotated[str, typer.Option("--url", help="Base URL of the SESP, such as http://127.0.0.1:8090.")],
    users: Annotated[int, typer.Option("--users", min=1, max=100_000, help="How many devices send.")],
    duration: Duration,
    site: Annotated[str, typer.Option("--site", metavar="SITE", help="Whose devices send.")] = "norway",
    speedup: Annotated[
        float, typer.Option("--speedup", min=0.001, max=1e6, help="How many times faster than the site's own time.")
    ] = 1.0,
    interval: Annotated[
        str, typer.Option("--interval", metavar="TIME", help="Site time between two readings of a device.")
    ] = "300s",
    daily_interval: Annotated[
        str, typer.Option("--daily-interval", metavar="TIME", help="The same for devices that report daily: meters.")
    ] = "24h",
    spawn_rate: Annotated[
        float | None,
        typer.Option("--spawn-rate", min=0.01, help="Users started a second.", show_default="all in one second"),
    ] = None,
    timeout: Annotated[str, typer.Option("--timeout", metavar="TIME", help="Longest wait for an answer.")] = "10s",
    csv: Annotated[str | None, typer.Option("--csv", metavar="PREFIX", help="Write Locust's own CSV files.")] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the outcome as JSON, whatever it is.", dir_okay=False),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            metavar="FILE",
            help="Add the record of what was sent to an SQLite file.",
            dir_okay=False,
        ),
    ] = None,
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Load a SESP that is not on loopback.")] = False,
    token: Annotated[
        str | None,
        typer.Option("--token", envvar="PILOTFARM_SESP_TOKEN", help="The SESP's token, if it has one."),
    ] = None,
) -> None:
    """Let the devices of a site send their readings to a SESP, then reconcile what was sent and what it stored.

    Exits with 0 when everything sent is stored, 1 when something is not, 2 when the test could not be made or what is
    stored is not known. Ctrl-C, SIGTERM and SIGHUP end the sending early; what was sent is still reconciled.

    Example: `pilotfarm loadtest sesp --url http://127.0.0.1:8090 --users 300 --duration 1m --speedup 60`
    """
    from pilotfarm.loadtests.outcome import EXIT_CODES, told
    from pilotfarm.loadtests.plan import Plan, new_run, seconds, target
    from pilotfarm.loadtests.run import Stop

    stop = Stop()
    with stop.listening():
        with told(json_file) as outcome:
            duration_s = _option(seconds, duration, "--duration")
            plan = Plan(
                run=new_run(),
                url=_option(lambda text: target(text, allow_remote), url, "--url"),
                site=site,
                users=users,
                duration_s=duration_s,
                spawn_per_s=float(users) if spawn_rate is None else spawn_rate,
                speedup=speedup,
                interval_s=_option(seconds, interval, "--interval"),
                daily_s=_option(seconds, daily_interval, "--daily-interval"),
                timeout_s=_option(seconds, timeout, "--timeout"),
                journal="" if journal is None else str(journal.absolute()),
            )
            outcome.begin(plan)
            try:
                outcome.reconciled_as(_run(plan, stop, csv, token))
            finally:
                outcome.ended_early_by = stop.by
        try:
            outcome.write()
        finally:
            _print(outcome)
    raise typer.Exit(EXIT_CODES[outcome.status])


def _option(parse: Callable[[str], _T], text: str, name: str) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=name) from None


def _run(plan: Plan, stop: Stop, csv: str | None, token: str | None) -> Report:
    import sqlite3
    from contextlib import closing
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from pilotfarm.emulators.errors import StateError
    from pilotfarm.emulators.site import load
    from pilotfarm.loadtests.hosts import check_token
    from pilotfarm.loadtests.journal import Journal
    from pilotfarm.loadtests.outcome import require_writable
    from pilotfarm.loadtests.probe import Prober, probe
    from pilotfarm.loadtests.run import has_locust, load_test

    check_token(token, "PILOTFARM_SESP_TOKEN")
    if not has_locust():
        raise StateError("the load test needs Locust, which is not installed: pip install 'pilotfarm[loadtest]'")
    layout = load(plan.site)
    require_writable(csv)
    prober = Prober(layout.groups[0].devices[0], layout.groups[0].kind)
    try:
        with TemporaryDirectory(prefix="pilotfarm-loadtest-") as folder:
            plan = replace(plan, journal=plan.journal or str(Path(folder, "journal.sqlite")))
            with closing(Journal.begin(Path(plan.journal), plan)) as journal:
                probe(plan, prober, token)
                _announce(plan, layout.device_count)
                return load_test(plan, journal, Path(folder), stop, csv, token)
    except (OSError, sqlite3.Error) as error:  # a disk that is full, a journal that somebody took away
        raise StateError(f"the test has no result: {error}") from error


def _announce(plan: Plan, devices: int) -> None:
    typer.echo(f"run {plan.run}: {plan.users} users, {plan.site} ({devices} devices) -> {plan.url}", err=True)
    if plan.users > devices:
        typer.echo("note: more users than devices; devices are taken again under ids such as NAME~2", err=True)


def _print(outcome: Outcome) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    report = outcome.report
    assert report is not None
    balance = report.balance
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"run {report.run}", title_justify="left")
    for column, justify in (("what", "left"), ("value", "right"), ("meaning", "left")):
        table.add_column(column, justify="right" if justify == "right" else "left")
    counts = (
        ("sent", balance.sent, "readings sent"),
        ("acknowledged", balance.acknowledged, "answered with 2xx"),
        ("failed", balance.failed, "answered with something else"),
        ("unconfirmed", balance.unconfirmed, "not answered"),
        ("stored", balance.stored, "held by the SESP for this run"),
        ("lost", balance.lost, "acknowledged, not stored"),
        ("undelivered", balance.undelivered, "not acknowledged, not stored"),
        ("stored unasked", balance.stored_unacknowledged, "not acknowledged, stored all the same"),
        ("duplicates", balance.duplicates, "extra copies that arrived"),
        ("conflicts", balance.conflicts, "copies with other values that arrived"),
        ("extras", balance.extras, "stored, never sent"),
    )
    for name, count, meaning in counts:
        table.add_row(name, f"{count:,}", meaning)
    latencies = (report.latency_p50_s, report.latency_p95_s, report.latency_p99_s, report.latency_max_s)
    for name, latency in zip(("p50", "p95", "p99", "max"), latencies, strict=True):
        table.add_row(f"latency {name}", "-" if latency is None else f"{latency * 1e3:,.1f} ms", "sent to answered")
    table.add_row("throughput", f"{report.throughput_per_s:,.1f} /s", f"over {report.duration_s:.1f} s")
    table.add_row("worst late", f"{report.worst_late_s * 1e3:,.1f} ms", "sent after it was due")
    Console(width=None if sys.stdout.isatty() else 100).print(table)
    for entry in balance.missing[:MISSING_SHOWN]:
        typer.echo(f"not stored: {entry['device_id']} sequence {entry['sequence']}, status {entry['status']}")
    if outcome.ended_early_by is not None:
        typer.echo(f"the sending was ended early by {outcome.ended_early_by}")
    if outcome.reason is not None:
        typer.echo(outcome.reason)
