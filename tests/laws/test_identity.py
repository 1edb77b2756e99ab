"""What a column is makes a step quicker, never another: zeros in an array of their own mean what ``nothing`` means."""

from __future__ import annotations

import numpy as np
import pytest
from test_pools import SITE, cut, site, world
from world import HOUR_S, devices, surroundings

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import Columns, Floats, canonical, everything, nothing
from pilotfarm.emulators.columns.views import Seen
from pilotfarm.emulators.contracts.device import Bound, DeviceSpec, Limits, OfColumn
from pilotfarm.emulators.farm.pools import Pools

N = 16
KINDS = list(registry.DEVICES)
GRID = [(230.0, 50.0)] * 6 + [(0.0, 50.0), (230.0, 50.6), (205.0, 49.6), (252.0, 50.0), (270.0, 50.0)]
"""Voltage and frequency, one pair a step, over and over."""
STEPS = [(1.0, 23), (900.0, 34)]
"""Their length [s] and how many: the longer ones until after midnight, the shorter ones twice the grid's pairs."""


def loosened(columns: Columns) -> Columns:
    """The same values, but none in an array that says so by itself: each such column is a writable copy."""
    return {name: column.copy() if is_shared(column) else column for name, column in columns.items()}


def is_shared(column: Floats) -> bool:
    return column is nothing(len(column)) or column is everything(len(column))


def tightened(columns: Columns) -> Columns:
    """The same values, and every column of zeros or ones the very array that says so."""
    return {name: canonical(column) for name, column in columns.items()}


def writes(spec: DeviceSpec, columns: Seen, rng: np.random.Generator) -> dict[str, dict[int, float]]:
    """Commands and set-points for some devices: quantity -> row -> a value within its limits."""
    n = len(columns["online"])

    def value(bound: Bound, row: int) -> float:
        return float(columns[bound.name][row]) * bound.gain if isinstance(bound, OfColumn) else bound

    asked: dict[str, dict[int, float]] = {}
    for quantity in spec.quantities:
        if not quantity.writable or rng.random() > 0.25:
            continue
        limits = spec.limits.get(quantity.name, Limits(quantity.min, quantity.max))
        for row in np.flatnonzero(rng.random(n) < 0.3).tolist():
            low, high = value(limits.min, row), value(limits.max, row)
            chosen = float(rng.integers(0, 2)) if quantity.is_binary else rng.uniform(max(low, -1e5), min(high, 1e5))
            asked.setdefault(quantity.name, {})[row] = chosen
    heard = {row for rows in asked.values() for row in rows}
    return {**asked, **{name: dict.fromkeys(heard, value) for name, value in spec.with_any_command.items()}}


def written(columns: Columns, asked: dict[str, dict[int, float]]) -> Columns:
    new = dict(columns)
    for name, rows in asked.items():
        new[name] = new[name].copy()
        for row, value in rows.items():
            new[name][row] = value
    return new


@pytest.mark.parametrize(("dt_s", "steps"), STEPS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_kinds_step_is_the_same_whatever_arrays_its_columns_are(kind: str, dt_s: float, steps: int) -> None:
    """Over sun, dusk, dips and dead grids, with commands and set-points that come and go."""
    spec, rng = registry.device(kind), np.random.default_rng(16)
    plain = devices(spec, N)
    loose, tight = plain, plain
    shared = 0
    for k in range(1, steps + 1):
        voltage_v, hertz = GRID[k % len(GRID)]
        here = surroundings(N, 16.5 * HOUR_S + k * dt_s, voltage_v=voltage_v, frequency_hz=hertz)
        asked = writes(spec, plain, rng) if k % 3 == 1 else {}
        plain = spec.step(written(plain, asked), here, dt_s)
        loose = spec.step(loosened(written(loose, asked)), here, dt_s)
        tight = spec.step(tightened(written(tight, asked)), here, dt_s)
        for name, column in plain.items():
            assert np.array_equal(loose[name], column), f"{name} in step {k}, loosened"
            assert np.array_equal(tight[name], column), f"{name} in step {k}, tightened"
            shared += is_shared(column)
    assert shared > 0


@pytest.mark.parametrize(("dt_s", "steps"), STEPS)
@pytest.mark.parametrize("kind", KINDS)
def test_rows_do_not_feel_what_their_neighbours_are_told(kind: str, dt_s: float, steps: int) -> None:
    """Each is the same, to the last bit, among all and among a few, whoever of them is steered."""
    spec, rng = registry.device(kind), np.random.default_rng(61)
    together = devices(spec, N)
    groups = [np.array(rows) for rows in ([0], [1, 2], [15, 3, 7, 11], [4, 5, 6, 8, 9, 10, 12, 13, 14])]
    apart = [{name: column[rows] for name, column in together.items()} for rows in groups]
    for k in range(1, steps + 1):
        voltage_v, hertz = GRID[k % len(GRID)]
        asked = writes(spec, together, rng) if k % 3 == 1 else {}
        worlds = [
            surroundings(n, 16.5 * HOUR_S + k * dt_s, voltage_v=voltage_v, frequency_hz=hertz)
            for n in (N, *map(len, groups))
        ]
        together = spec.step(tightened(written(together, asked)), worlds[0], dt_s)
        for place, (rows, here) in enumerate(zip(groups, worlds[1:], strict=True)):
            own = {
                name: {at: told[row] for at, row in enumerate(rows.tolist()) if row in told}
                for name, told in asked.items()
            }
            apart[place] = spec.step(tightened(written(apart[place], own)), here, dt_s)
            for name, column in apart[place].items():
                assert np.array_equal(column, together[name][rows]), f"{name} of {rows} in step {k}"


@pytest.mark.parametrize("dt_s", [1.0, 300.0])
def test_a_sites_step_is_the_same_whatever_arrays_its_columns_are(dt_s: float) -> None:
    """Homes among them, whose resources are stepped with all devices of their kinds."""
    rng = np.random.default_rng(7)
    plain, loose = Pools(site()), Pools(site())
    for k in range(1, 25):
        now = world(16.5 * HOUR_S + k * dt_s)
        for group, (kind, _, _) in SITE.items():
            asked = writes(registry.device(kind), plain.seen_by(group), rng) if k % 4 == 1 else {}
            for pools in (plain, loose):
                for name, rows in asked.items():
                    for row, value in rows.items():
                        pools.write(group, name, row, value)
        for pools in (plain, loose):
            pools.show_written()
        for pool in loose:
            pool.columns = loosened(pool.columns)
        for pools in (plain, loose):
            pools.step(lambda rows, now=now: cut(now, rows), dt_s)
        for group in SITE:
            seen, other = plain.seen_by(group), loose.seen_by(group)
            for name in seen:
                assert np.array_equal(seen[name], other[name]), f"{group}: {name} in step {k}"
