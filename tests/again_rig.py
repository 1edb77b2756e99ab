"""A site stepped with commands and faults at given steps, under a ledger: what stands in it is told by a digest a file.

Run by itself it plays the sites it is told at a speed that changes, written in parts:
`python again_rig.py FOLDER SITE...`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from pilotfarm.emulators import registry
from pilotfarm.emulators.clock import ManualClock
from pilotfarm.emulators.contracts.fault import needed
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import WARM_UP_S, Farm
from pilotfarm.emulators.record import windows
from pilotfarm.emulators.record.ledger import Ledger
from pilotfarm.emulators.record.schema import OF_THE_WALL_CLOCK
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site import load

STEPS = 8
WINDOW = timedelta(seconds=3)
FEW = 50
"""Sites with more devices have fewer kinds of fault, and are served by nobody."""
ASKED = ("active_power_setpoint_w", "active_power_limit_frac", "power_factor_setpoint", "session_energy_limit_wh")


def digests(folder: Path) -> Mapping[str, str]:
    """What each file of a ledger is that a run again has to be the same in."""
    files = sorted(path for path in folder.rglob("*.parquet") if path.parts[-3] not in OF_THE_WALL_CLOCK)
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def commands(farm: Farm, step: int) -> Iterator[tuple[str, Mapping[str, float]]]:
    """What devices are told before a step: one or two of each group, within their bounds, to be renewed or not."""
    for number, group in enumerate(farm.population):
        row = step % group.size
        for name in ASKED:
            if name not in group.readable or (step + number) % 3:
                continue
            low, high = (min(max(each, -1e4), 1e4) for each in group.bounds(name, row))
            values = {name: low + (high - low) * (step % 5) / 4}
            if f"{name.removesuffix('_w')}_reversion_s" in group.readable and step % 2:
                values[f"{name.removesuffix('_w')}_reversion_s"] = 100_000.0
            yield group.layout.devices[row], enabled(values)


def add_faults(farm: Farm, step: int) -> int:
    """Put on the farm what is due at a step of every kind there is, or every third; how many it can have."""
    put, every = 0, 1 if len(farm.population.devices) < FEW else 3
    for number, kind in enumerate(registry.FAULTS):
        if number % STEPS == step and number % every == 0:
            put += _add(farm, kind, number)
    return put


def _add(farm: Farm, kind: str, number: int) -> bool:
    spec = registry.fault(kind)
    target: dict[str, Any] = {"pick": "60 %", "exclude": "*-002"}
    if "quantity" in needed(spec):
        target["quantity"] = "*power*"
    if "station" in needed(spec):
        target["station"] = next((each.name for each in farm.layout.stations if each.name), "none")
    if "label" in needed(spec):
        target["label"] = "cell=north"
    for each in (target, {key: target[key] for key in needed(spec)}, {}):
        try:
            farm.faults.add(kind, each, None, spec.example, duration_s=1.0 + number % 6)
        except ConfigError:
            continue
        return True
    return False


def play(
    site: str, folder: Path, clock: ManualClock, after: Callable[[Ledger, int], None] | None = None
) -> Mapping[str, str]:
    """Play a site; ``after`` is called after each step, and if there is one masters read a small site."""
    layout = load(site)
    served = Pilot(layout, clock) if after is not None and layout.device_count < FEW else None
    farm = Farm(layout) if served is None else served.farm
    if served is None:
        farm.step(WARM_UP_S, clock.now_s())
    ledger = Ledger(folder, farm, clock, lossless=True)
    farm.observers.append(ledger)
    put = 0
    for step in range(STEPS):
        for device, values in commands(farm, step):
            farm.device(device).submit(values, "rest", f"peer {clock.now_s()}", clock.now_s())
        put += add_faults(farm, step)
        if served is None:
            farm.step(layout.step_s, clock.now_s())
        else:
            served.step(layout.step_s)
            for _, image in served.images:
                image.table.row(0)  # type: ignore[attr-defined]
        if after is not None:
            after(ledger, step)
    ledger.close()
    assert put >= 20, "kinds of fault"
    assert not ledger.loss
    return digests(folder)


if __name__ == "__main__":
    windows.LENGTHS = (WINDOW,)
    here = ManualClock(1_900_000_000.0)

    def pass_time(ledger: Ledger, step: int) -> None:
        """Let time pass, ever faster, and have most steps in a part of their own."""
        here.advance(0.01 * 2.0**step)
        if step % 3 != 2:
            written = ledger.writer.rows_written
            ledger.writer.press()
            while ledger.writer.rows_written == written:
                threading.Event().wait(0.002)

    for name in sys.argv[2:]:
        play(name, Path(sys.argv[1]) / name, here, pass_time)
