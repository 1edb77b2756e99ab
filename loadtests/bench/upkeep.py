"""What a step costs beside the physics: tables by who looks at them, and many faults at once."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Final

from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.serving.images import Images

WARM_UP: Final = 5
FAULTS: Final = 1_000
_KINDS: Final[tuple[tuple[str, dict[str, float]], ...]] = (("stuck", {}), ("bias", {"offset": 1.0}))
_QUANTITIES: Final = ("active_power_w", "voltage_l1_v", "*_power_w")


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


def break_many(farm: Farm) -> None:
    """Put as many faults as there may be on devices all over the site."""
    devices = list(farm.population.devices)
    for n in range(FAULTS):
        kind, parameters = _KINDS[n % len(_KINDS)]
        target = {"device": devices[n * 7 % len(devices)], "quantity": _QUANTITIES[n % len(_QUANTITIES)]}
        farm.faults.add(kind, target, parameters=parameters)


def faulty_step_ms(farm: Farm, rounds: int, steps: int) -> list[tuple[float, float]]:
    """Steps without a fault and with ``FAULTS`` active ones, taken in turn: the medians of each round. [ms]"""
    pairs = []
    for _ in range(rounds):
        calm_ms = step_ms(farm, lambda: None, steps)
        break_many(farm)
        pairs.append((calm_ms, step_ms(farm, lambda: None, steps)))
        farm.faults.clear_all()
    return pairs
