"""What a step costs beside the physics: tables by who looks at them, and many faults at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import MeasurementFault
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.serving.images import Images
from pilotfarm.emulators.serving.pilot import Pilot
from pilotfarm.emulators.site.layout import SiteLayout

WARM_UP: Final = 5
FAULTS: Final = 1_000
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "measurement": ("stuck", "bias", "noise"),
    "device": ("follows-none", "derating"),
    "clock": ("clock-step", "clock-drift"),
    "admission": ("offline", "refused"),
    "link": ("latency", "loss"),
    "protocol": ("silence", "modbus-exception"),
}
"""Some kinds of each family that may stand on any device; the last three need devices that are served over Modbus."""
_QUANTITIES: Final = ("active_power_w", "voltage_l1_v", "*_power_w")


class _Alone:
    """A site that nobody serves."""

    def __init__(self, layout: SiteLayout) -> None:
        self.farm = Farm(layout)

    def step(self, dt_s: float) -> None:
        self.farm.step(dt_s)


Stepped: TypeAlias = _Alone | Pilot


def stepped(layout: SiteLayout) -> Stepped:
    """Make a site that is stepped by hand, with all that serves its devices if any are."""
    return Pilot(layout) if layout.stations else _Alone(layout)


class _Ear:
    """Somebody who listens to a table and forgets what it hears."""

    def changed(self, *_: object) -> None: ...
    def stepped(self, *_: object) -> None: ...
    def analog_moved(self, *_: object) -> None: ...
    def binary_moved(self, *_: object) -> None: ...


def arm(images: Images) -> None:
    """Listen to every row of every table that has events, as its stations do once a master has come."""
    for (_, name, *_), image in images:
        listen = getattr(image.table, "listen", None)
        if listen is not None:
            address = (1,) if name.startswith("iec") else ()
            for row in range(image.group.size):
                listen(row, _Ear(), *address)


def read(images: Images) -> None:
    """Have the bytes of every table, as a read after a step does."""
    for _, image in images:
        image.table.row(0)  # type: ignore[attr-defined]


def step_ms(farm: Farm, after: Callable[[], None], steps: int) -> float:
    """Median processor time of a step of 1 s and what is done after it. [ms]"""
    took_s = []
    for n in range(WARM_UP + steps):
        begin_s = time.process_time()
        farm.step(1.0)
        after()
        if n >= WARM_UP:
            took_s.append(time.process_time() - begin_s)
    return 1e3 * statistics.median(took_s)


def break_many(farm: Farm, family: str, faults: int = FAULTS) -> float:
    """Put so many faults of a family on single devices all over the site, in turn of its kinds; how long it took [ms].

    A device that cannot have the next of them is passed over.
    """
    devices = list(farm.population.devices)
    put = 0
    begin_s = time.process_time()
    for n in range(4 * len(devices)):
        spec = registry.fault(FAMILIES[family][put % len(FAMILIES[family])])
        target = {"device": devices[n * 7 % len(devices)]}
        if isinstance(spec, MeasurementFault):
            target["quantity"] = _QUANTITIES[n % len(_QUANTITIES)]
        try:
            farm.faults.add(spec.kind, target, parameters=spec.example)
        except ConfigError:
            continue
        put += 1
        if put == faults:
            return 1e3 * (time.process_time() - begin_s)
    raise AssertionError(f"the site has room for {put} faults of {family}")


@dataclass(frozen=True, slots=True)
class Broken:
    """What many faults of a family cost, as medians: putting them on, and steps without and with them. [ms]"""

    put_ms: float
    spared_ms: float
    struck_ms: float
    added_frac: float
    """How much longer a step with them takes than the one without them beside it."""


def broken(spared: Stepped, struck: Stepped, family: str, rounds: int, steps: int, faults: int = FAULTS) -> Broken:
    """Put faults of a family on one of two sites that are alike, which step in turn."""
    put_ms: list[float] = []
    pairs: list[tuple[float, float]] = []
    for _ in range(rounds):
        put_ms.append(break_many(struck.farm, family, faults))
        for n in range(WARM_UP + steps):
            first, second = (spared, struck) if n % 2 else (struck, spared)
            took_ms = {each: _took_ms(each) for each in (first, second)}
            if n >= WARM_UP:
                pairs.append((took_ms[spared], took_ms[struck]))
        struck.farm.faults.clear_all()
    spared_ms, struck_ms = (statistics.median(each) for each in zip(*pairs, strict=True))
    added_frac = statistics.median(faulty / calm for calm, faulty in pairs) - 1.0
    return Broken(statistics.median(put_ms), spared_ms, struck_ms, added_frac)


def _took_ms(site: Stepped) -> float:
    begin_s = time.process_time()
    site.step(1.0)
    return 1e3 * (time.process_time() - begin_s)
