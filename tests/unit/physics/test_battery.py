"""The battery's converter, cells and heat, against closed forms and known values."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.physics import battery, cells

KINDS = pytest.mark.parametrize("kind", range(len(cells.NAMES)), ids=cells.NAMES)
SOC = np.linspace(0.0, 1.0, 1_001)


def at(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def new(kind: int, soc: np.ndarray, warm: float = 25.0) -> battery.Circuit:
    alike = cells.of(np.full(len(soc), float(kind)))
    return battery.circuit(alike, soc, np.full_like(soc, warm), np.ones_like(soc), np.zeros_like(soc))


# --------------------------------------------------------------------------------------- converter


@pytest.mark.parametrize(("load", "efficiency"), [(1.0, 0.95997), (0.5, 0.96932), (0.1, 0.92984)])
def test_the_converter_has_the_efficiency_of_nottons_type_2(load: float, efficiency: float) -> None:
    """p / (p + 0.0072 + 0.0345 p**2), Notton 2010."""
    assert load / battery.with_loss(at(load)) == pytest.approx(efficiency, abs=1e-5)


def test_what_goes_through_the_converter_comes_back_out_and_nothing_comes_from_nothing() -> None:
    power = np.linspace(0.0, 1.5, 3_001)
    inside = battery.with_loss(power)
    assert battery.without_loss(inside) == pytest.approx(power, abs=1e-15)
    assert np.all(np.diff(inside) > 0.0)
    assert inside[0] == 0.0
    assert np.all(inside[1:] > power[1:])


def test_cells_give_more_than_is_delivered_and_take_less_than_is_drawn() -> None:
    found = battery.cell_power(at(960.0, -1_000.0, 0.0), at(5_000.0, 5_000.0, 5_000.0))
    assert found[0] > 960.0
    assert -1_000.0 < found[1] < 0.0
    assert found[2] == 0.0


# ------------------------------------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("kind", "soc", "volts"),
    [(0, 0.5, 3.299), (0, 0.0, 2.286), (0, 1.0, 3.530), (1, 0.5, 3.694), (1, 0.0, 3.238), (1, 1.0, 4.127)],
)  # Naumann 2018 and Collath 2024, as tabulated and as calculated by SimSES
def test_the_open_circuit_voltage_is_the_published_one(kind: int, soc: float, volts: float) -> None:
    assert cells.open_circuit(kind, at(soc))[0] == pytest.approx(volts, abs=6e-4)


@KINDS
def test_the_voltage_rises_with_the_charge_and_its_integral_is_the_energy(kind: int) -> None:
    volts, _, energy = cells.open_circuit(kind, SOC)
    assert np.all(np.diff(volts) > 0.0)
    exact = np.concatenate(([0.0], np.cumsum(0.5 * (volts[1:] + volts[:-1]) * 0.001)))
    assert energy == pytest.approx(exact, abs=1e-12)
    assert energy[-1] == pytest.approx(cells.of(at(kind)).nominal_v, rel=0.05)


def test_the_resistance_is_the_tabulated_one_at_its_nodes_and_held_beyond() -> None:
    charge, discharge = cells.resistance(0, at(0.5, 0.5, 0.5), at(25.0, 10.0, -20.0))
    assert charge == pytest.approx([0.044767, 0.0626483, 0.0626483])
    assert discharge == pytest.approx([0.0478279, 0.0693901, 0.0693901])


def test_mixed_chemistries_give_each_battery_the_numbers_of_its_own() -> None:
    kinds, soc, warm = at(0.0, 1.0, 1.0, 0.0), at(0.2, 0.4, 0.6, 0.8), at(12.0, 20.0, 30.0, 45.0)
    mixed = cells.of(kinds)
    for row in range(4):
        alone, here = cells.of(kinds[row : row + 1]), slice(row, row + 1)
        assert cells.open_circuit(mixed.kind, soc)[2][row] == cells.open_circuit(alone.kind, soc[here])[2][0]
        assert cells.resistance(mixed.kind, soc, warm)[0][row] == cells.resistance(alone.kind, soc[here], warm[here])[0]
        assert np.asarray(mixed.nominal_wh)[row] == alone.nominal_wh


@KINDS
@pytest.mark.parametrize("dt_s", [0.1, 1.0, 60.0, 900.0])
def test_a_step_at_the_limit_ends_at_the_edge_of_the_window(kind: int, dt_s: float) -> None:
    """A window so narrow that it is the window that limits, not the current."""
    here = new(kind, at(0.5))
    narrow = 0.5 * dt_s / 3_600.0
    room, store = battery.reach(here, (at(0.5 - narrow), at(0.5 + narrow)), at(5.0), dt_s)
    assert battery.drawn(here, store, dt_s) == pytest.approx(0.5 - narrow, abs=1e-9)
    assert battery.drawn(here, -room, dt_s) == pytest.approx(0.5 + narrow, abs=1e-9)


def test_outside_its_window_a_battery_only_moves_back_towards_it() -> None:
    room, store = battery.reach(new(0, at(0.05, 0.99)), (at(0.1, 0.1), at(0.9, 0.9)), at(1.0), 1.0)
    assert store[0] == 0.0
    assert room[0] > 0.0
    assert room[1] == 0.0
    assert store[1] > 0.0


def test_the_share_of_the_current_that_may_go_in_is_not_that_which_may_come_out() -> None:
    cold = battery.thermal_derating(at(-2.0, -15.0))
    here, window = new(0, at(0.5, 0.5)), (at(0.1, 0.1), at(0.9, 0.9))
    room, store = battery.reach(here, window, cold * at(1.0, 1.0), 1.0)
    assert room.tolist() == [0.0, 0.0]
    assert store[0] == pytest.approx(battery.reach(here, window, at(1.0, 1.0), 1.0)[1][0])
    assert store[1] == pytest.approx(0.5 * store[0], rel=0.05)


@KINDS
def test_current_and_voltage_stay_within_their_limits(kind: int) -> None:
    here = new(kind, SOC, warm=10.0)
    of = here.cells
    room, store = battery.reach(here, (np.zeros_like(SOC), np.ones_like(SOC)), np.full_like(SOC, 2.0), 1.0)
    for power in (store, -room):
        amperes = (SOC - battery.drawn(here, power, 1.0)) * here.capacity_ah * 3_600.0
        assert np.all(np.abs(amperes) <= 2.0 * of.capacity_ah * (1.0 + 1e-6))
        volts = np.divide(power, amperes, out=here.open_v.copy(), where=np.abs(amperes) > 0.0)
        # By as much as the open circuit voltage of an empty cell moves in a second.
        assert np.all((volts >= of.voltage_min_v - 0.03) & (volts <= of.voltage_max_v + 0.01))


@KINDS
@pytest.mark.parametrize("dt_s", [0.1, 1.0, 60.0, 900.0])
def test_chemical_energy_goes_into_power_and_heat_and_no_heat_is_negative(kind: int, dt_s: float) -> None:
    """And the heat is that of the current in the resistance, but for what the voltage bends within a step."""
    soc = np.linspace(0.3, 0.7, 401)
    here = new(kind, soc)
    watts = np.linspace(-1.0, 1.0, 401) * here.cells.nominal_wh
    after = battery.drawn(here, watts, dt_s)
    heat = battery.heat(here, cells.open_circuit(here.cells.kind, after)[2], watts, dt_s)
    ohm = np.where(watts > 0.0, here.discharge_ohm, here.charge_ohm)
    assert np.all(heat >= -1e-9)
    amperes = (soc - after) * here.capacity_ah * 3_600.0 / dt_s
    assert heat == pytest.approx(ohm * amperes**2, rel=1e-3, abs=1e-6 * float(here.cells.nominal_wh))


@KINDS
@pytest.mark.parametrize("dt_s", [11.0, 60.0, 900.0])
def test_a_long_step_gives_the_power_asked_for_from_any_charge(kind: int, dt_s: float) -> None:
    """Chemical energy less the heat of the resistance is the power, to nine digits, up to the most there is."""
    here = new(kind, SOC)
    room, store = battery.reach(here, (np.zeros_like(SOC), np.ones_like(SOC)), np.ones_like(SOC), dt_s)
    for share in (1.0, 0.5, 0.01):
        for power, ohm in ((share * store, here.discharge_ohm), (-share * room, here.charge_ohm)):
            after = battery.drawn(here, power, dt_s)
            amperes = (SOC - after) * here.capacity_ah * 3_600.0 / dt_s
            heat = battery.heat(here, cells.open_circuit(kind, after)[2], power, dt_s)
            assert heat == pytest.approx(ohm * amperes**2, abs=1e-9 * float(here.cells.nominal_wh))


@KINDS
@pytest.mark.parametrize("dt_s", [10.1, 60.0, 300.0, 900.0])
@pytest.mark.parametrize("c_rate_per_h", [0.2, 1.0, 2.0])
def test_a_long_step_ends_where_halving_an_interval_finds_the_end(kind: int, dt_s: float, c_rate_per_h: float) -> None:
    """To 1e-11 of the charge, from any charge to any power in reach, cool and warm, new and old."""
    for warm, rise in ((5.0, 0.0), (5.0, 0.5), (25.0, 0.0), (45.0, 0.5)):
        ohms = battery.resistance(of := cells.of(np.full_like(SOC, float(kind))), SOC, np.full_like(SOC, warm), rise)
        here = battery.Circuit(of, SOC, *cells.open_circuit(kind, SOC), *ohms, capacity_ah=0.8 * of.capacity_ah)
        most = np.full_like(SOC, c_rate_per_h)
        room, store = battery.reach(here, (np.zeros_like(SOC), np.ones_like(SOC)), most, dt_s)
        for share in (1.0, 0.7, 0.3, 0.01):
            for power, ohm in ((share * store, here.discharge_ohm), (-share * room, here.charge_ohm)):
                expected = halved(here, power, ohm, c_rate_per_h / 0.8, dt_s)
                assert battery.drawn(here, power, dt_s) == pytest.approx(expected, abs=1e-11)


def halved(at: battery.Circuit, power: np.ndarray, ohm: np.ndarray, per_h: float, dt_s: float) -> np.ndarray:
    """State of charge after a step at a power, by halving what ``per_h`` could move."""
    per_frac = at.capacity_ah * 3_600.0 / dt_s
    sign = np.sign(power)
    least, most = np.zeros_like(power), np.where(sign > 0.0, at.soc_frac, 1.0 - at.soc_frac)
    most = np.minimum(most, per_h * dt_s / 3_600.0)
    for _ in range(45):
        moved = 0.5 * (least + most)
        energy = cells.open_circuit(at.cells.kind, at.soc_frac - sign * moved)[2]
        given = np.abs(at.energy_v - energy) - sign * ohm * per_frac * moved**2
        short = given * per_frac < np.abs(power)
        least, most = np.where(short, moved, least), np.where(short, most, moved)
    return at.soc_frac - sign * least


@KINDS
def test_a_long_step_ends_where_many_short_ones_do(kind: int) -> None:
    """At constant power; the resistance is held over a step, hence 0.2 % of what was moved."""
    power = 0.5 * np.asarray(cells.of(at(kind)).nominal_wh) * at(1.0)
    for sign in (-1.0, 1.0):
        soc = at(0.5)
        for _ in range(900):
            soc = battery.drawn(new(kind, soc), sign * power, 1.0)
        whole = battery.drawn(new(kind, at(0.5)), sign * power, 900.0)
        assert whole - 0.5 == pytest.approx(soc - 0.5, rel=2e-3)


def test_the_current_solves_the_circuit() -> None:
    here = new(0, at(0.5))
    volts, after = battery.terminal_voltage(here, at(3.0)), battery.drawn(here, at(3.0), 0.1)
    amperes = 3.0 / volts
    heat = battery.heat(here, cells.open_circuit(0, after)[2], at(3.0), 0.1)
    assert volts == pytest.approx(here.open_v - here.discharge_ohm * amperes, abs=1e-6)
    assert heat == pytest.approx(here.discharge_ohm * amperes**2, rel=1e-4)


# -------------------------------------------------------------------------------------------- heat


def test_cold_stops_charging_first_and_heat_stops_both() -> None:
    share_in, share_out = battery.thermal_derating(at(-25.0, -5.0, 2.5, 25.0, 54.0, 60.0))
    assert share_in.tolist() == [0.0, 0.0, 0.5, 1.0, 0.5, 0.0]
    assert share_out.tolist() == [0.0, 1.0, 1.0, 1.0, 0.5, 0.0]


def test_a_constant_heat_warms_by_heat_over_conductance_in_the_end() -> None:
    conductance = 70.0 / 10_800.0
    mean, hottest = battery.warmed(at(20.0), at(20.0), at(0.1), 70.0, 1e6)
    assert mean == pytest.approx(20.0 + 0.1 / conductance)
    assert hottest == pytest.approx(20.0 + 1.15 * 0.1 / conductance)


@pytest.mark.parametrize("dt_s", [0.1, 60.0, 900.0, 86_400.0])
def test_the_hottest_cell_is_hotter_than_the_mean_by_its_share_of_the_rise_and_never_cooler(dt_s: float) -> None:
    """Cells that come in from the cold, or stand in the heat, have no cold spot."""
    warm, around, heat = (
        axis.ravel() for axis in np.meshgrid(np.linspace(-30.0, 60.0, 19), np.linspace(-30.0, 60.0, 19), at(0.0, 0.2))
    )
    mean, hottest = battery.warmed(warm, around, heat, 70.0, dt_s)
    rise = mean - around
    assert hottest[rise > 0.0] == pytest.approx((mean + 0.15 * rise)[rise > 0.0])
    assert np.array_equal(hottest[rise <= 0.0], mean[rise <= 0.0])
    assert np.any(rise < -1.0) == (dt_s < 86_400.0)


def test_warming_does_not_depend_on_how_the_time_is_cut() -> None:
    around, heat = at(15.0), at(0.2)
    whole, _ = battery.warmed(at(25.0), around, heat, 70.0, 900.0)
    cut = at(25.0)
    for _ in range(9_000):
        cut, _ = battery.warmed(cut, around, heat, 70.0, 0.1)
    assert cut == pytest.approx(whole, abs=1e-9)
