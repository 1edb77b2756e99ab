"""``pilotfarm simulate``: days of a site in minutes, without servers."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pilotfarm.api.commands import Site
from pilotfarm.api.commands.up import Every, Quantities, Seed, Start, load_site, recording
from pilotfarm.emulators.columns.resource import ITSELF, Resource
from pilotfarm.loadtests import signals

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from pilotfarm.emulators.columns.arrays import Columns
    from pilotfarm.emulators.farm.farm import Farm
    from pilotfarm.emulators.grid.network import FeederState
    from pilotfarm.emulators.record.ledger import Ledger, Recording

STEP_S: Final = 60.0
STEP_MIN_S, STEP_MAX_S = 0.1, 900.0  # the farm's, whose import would slow down every command
DAY_S: Final = 86_400.0
DAYS_MAX: Final = 3_660.0
INTERRUPTED: Final = 130
"""Exit code after Ctrl-C: 128 and the signal's number, as shells count."""

_PV: Final = {"pv_generator": ITSELF, "prosumer": Resource("pv")}
_STORAGE: Final = {"battery": ITSELF, "prosumer": Resource("storage")}
"""Kind -> its resource of that sort."""
_COUNTED: Final = (
    "energy_exported_wh",
    "energy_imported_wh",
    *(part.of("energy_exported_wh") for part in _PV.values() if part),
    *(part.of("cycle_count") for part in _STORAGE.values()),
)


def register(app: typer.Typer) -> None:
    app.command()(simulate)


def simulate(
    site: Site,
    days: Annotated[float, typer.Option("--days", metavar="N", min=0.0, max=DAYS_MAX, help="Days of site time.")],
    step: Annotated[
        float,
        typer.Option("--step", metavar="S", help=f"Seconds of site time a step, {STEP_MIN_S:g} to {STEP_MAX_S:g}."),
    ] = STEP_S,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Record what happens there, as `up --ledger` does."),
    ] = None,
    every: Every = 0.0,
    quantities: Quantities = None,
    start: Start = None,
    seed: Seed = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the energy of devices and feeders as JSON.")] = False,
) -> None:
    """Run a site without servers, as fast as it can, and sum up its energy.

    Ctrl-C ends it early with what there is by then, and exit code 130.

    Example: `pilotfarm simulate germany --days 7 --out week`
    """
    if not STEP_MIN_S <= step <= STEP_MAX_S:
        message = f"{step:g} s is not between {STEP_MIN_S:g} and {STEP_MAX_S:g} s, the steps the models hold for"
        raise typer.BadParameter(message, param_hint="--step")
    from pilotfarm.emulators.farm.farm import Farm

    kept = recording("--out", out, every, quantities)
    layout = load_site(site, None, None, start, seed, step)
    farm = Farm(layout)
    # Registers need not begin at 0; what counts is what the run adds.
    begin = _counts(farm)
    steps = max(1, round(days * DAY_S / step))
    feeders = {state.name: _Feeder(state.name) for state in farm.network}
    bar = _progress(sys.stderr.isatty())
    with until_interrupted() as interrupt, recorded(farm, kept) as ledger, bar as progress:
        _run(farm, feeders, steps, step, interrupt, progress)
    summary = _summary(farm, begin, feeders, interrupt.received)
    if as_json:
        typer.echo(json.dumps(summary, indent=2))
    else:
        _show(summary)
    if ledger is not None and ledger.loss:
        typer.echo(f"error: {ledger.loss}", err=True)
        raise typer.Exit(1)
    if interrupt.received:
        raise typer.Exit(INTERRUPTED)


@dataclass(slots=True)
class _Feeder:
    """The energy at a feeder's supply over the run, and the extremes of its state."""

    feeder: str
    exported_wh: float = 0.0
    imported_wh: float = 0.0
    cable_losses_wh: float = 0.0
    transformer_losses_wh: float = 0.0
    highest_loading_frac: float = 0.0
    lowest_voltage_v: float = inf
    highest_voltage_v: float = 0.0
    failures: int = 0

    def add(self, state: FeederState, hours: float) -> None:
        """Add a step of ``hours`` with this power flow."""
        self.exported_wh += max(state.power_w, 0.0) * hours
        self.imported_wh += max(-state.power_w, 0.0) * hours
        self.cable_losses_wh += state.cable_losses_w * hours
        self.transformer_losses_wh += state.transformer_losses_w * hours
        self.highest_loading_frac = max(self.highest_loading_frac, state.loading_frac)
        self.lowest_voltage_v = min(self.lowest_voltage_v, state.lowest_voltage_v)
        self.highest_voltage_v = max(self.highest_voltage_v, state.highest_voltage_v)
        self.failures = state.failures


@dataclass(slots=True)
class Interrupt:
    received: bool = False


@contextmanager
def until_interrupted() -> Iterator[Interrupt]:
    """Note SIGINT, SIGTERM and SIGHUP, so that the current step and file are finished first."""
    interrupt = Interrupt()

    def note(*_: object) -> None:
        interrupt.received = True

    before = {number: signal.signal(number, note) for number in signals.ending()}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def recorded(farm: Farm, recording: Recording | None) -> Iterator[Ledger | None]:
    if recording is None:
        yield None
        return
    from pilotfarm.emulators.clock import WallClock

    ledger = recording.of(farm, WallClock(), lossless=True)
    farm.observers.append(ledger)
    try:
        yield ledger
    finally:
        ledger.close()


def _progress(wanted: bool) -> Any:
    if not wanted:
        return nullcontext()
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _run(
    farm: Farm,
    feeders: dict[str, _Feeder],
    steps: int,
    step_s: float,
    interrupt: Interrupt,
    progress: Progress | None,
) -> None:
    task = None if progress is None else progress.add_task(farm.layout.name, total=steps)
    for done in range(1, steps + 1):
        farm.step(step_s)
        for state in farm.network:
            feeders[state.name].add(state, step_s / 3600.0)
        if progress is not None and task is not None and (done % 50 == 0 or done == steps):
            progress.update(task, completed=done, description=f"{farm.now:%Y-%m-%d %H:%M}")
        if interrupt.received:
            return


def _counts(farm: Farm) -> dict[str, Columns]:
    return {
        name: {each: group.columns[each] for each in _COUNTED if each in group.columns}
        for name, group in farm.groups.items()
    }


def _summary(farm: Farm, begin: dict[str, Columns], feeders: dict[str, _Feeder], interrupted: bool) -> dict[str, Any]:
    devices = [row for name, counts in begin.items() for row in _rows(farm, name, counts)]
    kinds: dict[str, dict[str, float]] = {}
    for row in devices:
        kind = kinds.setdefault(row["kind"], {"devices": 0, "exported_wh": 0.0, "imported_wh": 0.0})
        kind["devices"] += 1
        kind["exported_wh"] += row["exported_wh"]
        kind["imported_wh"] += row["imported_wh"]
    return {
        "site": farm.layout.name,
        "seed": farm.layout.seed,
        "start": farm.layout.start.isoformat(),
        "end": farm.now.isoformat(),
        "days": farm.time_s / DAY_S,
        "step_s": farm.layout.step_s,
        "steps": farm.steps,
        "interrupted": interrupted,
        "kinds": kinds,
        "feeders": [asdict(feeder) for feeder in feeders.values()],
        "devices": devices,
    }


def _rows(farm: Farm, name: str, begin: Columns) -> Iterator[dict[str, Any]]:
    """Yield what the run added to each device of a group, and the usual figures of its kind."""
    group = farm.groups[name]
    added = {each: group.columns[each] - before for each, before in begin.items()}
    for row, device in enumerate(group.layout.devices):
        found: dict[str, Any] = {
            "device": device,
            "kind": group.spec.kind,
            "exported_wh": float(added["energy_exported_wh"][row]),
            "imported_wh": float(added["energy_imported_wh"][row]),
        }
        pv, storage = _PV.get(group.spec.kind), _STORAGE.get(group.spec.kind)
        if pv is not None and (rated_w := float(group.columns[pv.of("dc_power_w")][row])) > 0.0:
            found["kwh_per_kwp"] = float(added[pv.of("energy_exported_wh")][row]) / rated_w
        if storage is not None and group.columns[storage.of("rated_energy_wh")][row] > 0:
            found["full_cycles"] = float(added[storage.of("cycle_count")][row])
            found["soh_frac"] = float(group.columns[storage.of("soh_frac")][row])
        yield found


def _show(summary: dict[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    ended = "interrupted at" if summary["interrupted"] else "to"
    typer.echo(
        f"{summary['site']}: {summary['start']} {ended} {summary['end']}, {summary['steps']:,} steps of "
        f"{summary['step_s']:g} s"
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("kind", "devices", "delivered kWh", "drawn kWh", "besides"):
        table.add_column(column, justify="left" if column in ("kind", "besides") else "right")
    for kind, sums in summary["kinds"].items():
        rows = [row for row in summary["devices"] if row["kind"] == kind]
        energies = (f"{sums[name] / 1000:,.1f}" for name in ("exported_wh", "imported_wh"))
        table.add_row(kind, f"{sums['devices']:,}", *energies, _kind_figures(rows))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(_feeder_table(summary["feeders"]))
    for row in summary["feeders"]:
        if row["failures"]:
            typer.echo(
                f"feeder {row['feeder']}: the power flow failed {row['failures']:,} times, and its last voltages stood"
            )


def _feeder_table(feeders: list[dict[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("feeder", "delivered kWh", "drawn kWh", "cables lost kWh", "transformers lost kWh", "loading", "V"):
        table.add_column(column, justify="left" if column == "feeder" else "right")
    energies = ("exported_wh", "imported_wh", "cable_losses_wh", "transformer_losses_wh")
    for row in feeders:
        table.add_row(
            row["feeder"],
            *(f"{row[name] / 1000:,.1f}" for name in energies),
            f"up to {row['highest_loading_frac']:.0%}",
            f"{row['lowest_voltage_v']:.1f} to {row['highest_voltage_v']:.1f}",
        )
    return table


def _kind_figures(rows: list[dict[str, Any]]) -> str:
    """Return the means over a kind's devices of the figures only that kind has."""
    texts = {"kwh_per_kwp": "{:.2f} kWh/kWp", "full_cycles": "{:.2f} full cycles", "soh_frac": "state of health {:.4f}"}
    figures = []
    for name, text in texts.items():
        values = [row[name] for row in rows if name in row]
        if values:
            figures.append(text.format(sum(values) / len(values)))
    return ", ".join(figures)
