"""The feeders of a site: voltages, cadence, outages, and power flows without a solution."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.disturbance import ALL_OPEN, BRANCH, FEEDER, Disturbance
from pilotfarm.emulators.contracts.quality import Quality
from pilotfarm.emulators.farm.commands import enabled
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.grid import lowvoltage, powerflow
from pilotfarm.emulators.grid import network as network_module
from pilotfarm.emulators.grid.network import Customers, Network, Supply
from pilotfarm.emulators.site.layout import FeederLayout, GridLayout, SiteLayout

ONE = FeederLayout("one", 230.0, 230.0, transformer_kva=400.0, branches=1, length_m=300.0)
TWO = FeederLayout("two", 230.0, 235.0, transformer_kva=250.0, branches=3, length_m=300.0)
EASY = GridLayout(solve_every_s=1.0)
OUT = Disturbance(at=FEEDER, opened=ALL_OPEN)


def network(
    *feeders: FeederLayout, position: Floats, feeder: Floats | int = 0, branch: Floats | float = 0.0, options=EASY
) -> Network:
    """A network of customers at the given places, rated for nothing in particular."""
    n = len(position)
    return Network(
        feeders,
        options,
        Customers(
            feeder=np.broadcast_to(np.asarray(feeder, dtype=np.intp), n).copy(),
            branch=np.broadcast_to(np.asarray(branch, dtype=float), n).copy(),
            position=position,
            draw_w=np.full(n, 15e3),
            deliver_w=np.full(n, 5e3),
        ),
    )


def stepped(made: Network, active: Floats, reactive: Floats | float = 0.0, dt_s: float = 1.0) -> Floats:
    """Voltages after a step in which every phase has the same power a customer."""
    n = made.voltage_v.shape[1]
    made.step(dt_s, np.tile(np.broadcast_to(active, n), (3, 1)), np.tile(np.broadcast_to(reactive, n), (3, 1)))
    return made.voltage_v


# ----------------------------------------------------------------------------------- known values


def test_one_balanced_load_at_the_end_has_the_voltage_of_the_closed_form() -> None:
    made = network(ONE, position=np.array([1.0]))
    p, q = 20e3, 5e3  # drawn, a phase
    got = stepped(made, np.array([-p]), -q)
    plan = made.plans["one"]
    z = 0.04 * 3 * 230.0**2 / 400e3
    r = plan.transformer.load_loss_w / 400e3 * 3 * 230.0**2 / 400e3
    r_all, x_all = r + 0.208 * 0.3, np.sqrt(z * z - r * r) + 0.08 * 0.3
    # |V|**4 + (2 (rP + xQ) - E**2) |V|**2 + |Z|**2 |S|**2 = 0, of two nodes and one impedance.
    b = 2.0 * (r_all * p + x_all * q) - 230.0**2
    exact = np.sqrt((-b + np.sqrt(b * b - 4.0 * (r_all**2 + x_all**2) * (p * p + q * q))) / 2.0)
    # The transformer magnetises besides, which the closed form leaves out.
    assert got[:, 0] == pytest.approx(exact, abs=0.02)


def test_without_load_every_customer_has_the_sources_voltage() -> None:
    got = stepped(network(ONE, TWO, position=np.full(4, 0.7), feeder=np.array([0, 1, 0, 1])), np.zeros(4))
    assert got == pytest.approx(np.tile([230.0, 235.0, 230.0, 235.0], (3, 1)), abs=0.05)


def test_a_load_on_one_phase_lowers_it_and_moves_the_neutral() -> None:
    made = network(ONE, position=np.array([1.0]))
    power = np.array([[-8e3], [0.0], [0.0]])
    made.step(1.0, power, np.zeros((3, 1)))
    low, other, third = made.voltage_v[:, 0]
    # (Z1 + Z2 + Z0) / 3 with Z0 = 4 Z1: the way there and back.
    ohm = 2.0 * 0.208 * 0.3 + made.plans["one"].transformer.load_loss_w / 400e3 * 3.0 * 230.0**2 / 400e3
    assert 230.0 - low == pytest.approx(ohm * 8e3 / low, rel=0.03)
    # Its current flows back through the neutral and lifts the phases that carry nothing.
    assert min(other, third) > 230.0


def test_a_transformer_is_as_full_as_its_fullest_winding() -> None:
    """A third of the rating on one phase is one winding at its rated current: two thirds of the rating are no use."""
    made = network(ONE, position=np.array([0.01]))
    made.step(1.0, np.array([[-400e3 / 3.0], [0.0], [0.0]]), np.zeros((3, 1)))
    state = made.feeder("one")
    amperes = 400e3 / 3.0 / made.voltage_v[0, 0]
    assert state.loading_frac == pytest.approx(amperes / (400e3 / 3.0 / 230.0), rel=1e-3)
    assert state.loading_frac > 1.0


def test_the_linear_sweep_and_the_network_agree_on_an_easy_feeder() -> None:
    rng = np.random.default_rng(3)
    n = 40
    position = np.ceil(rng.uniform(0.05, 1.0, n) * 12) / 12
    stiff = replace(ONE, transformer_kva=100_000.0, transformer_uk_frac=0.01)
    simple = FeederLayout("one", 230.0, 230.0, 0.208 * 0.3, 0.08 * 0.3)
    power, vars_ = rng.uniform(-800.0, 200.0, n), rng.uniform(-200.0, 0.0, n)
    ours = stepped(network(stiff, position=position), power, vars_)
    sweep = stepped(network(simple, position=position), power, vars_)
    assert ours == pytest.approx(sweep, abs=0.15)  # losses and line capacitance are what the sweep leaves out
    assert ours.min() < 229.0


def test_generation_raises_and_load_lowers_the_voltage_more_the_farther_away() -> None:
    position = np.linspace(0.1, 1.0, 10)
    for power, side in ((-2e3, -1.0), (2e3, 1.0)):
        got = stepped(network(ONE, position=position), np.full(10, power))[0]
        assert np.all(side * np.diff(got) > 0.0)


def test_a_feeder_that_delivers_has_losses_too_and_says_so() -> None:
    made = network(ONE, position=np.linspace(0.1, 1.0, 10))
    stepped(made, np.full(10, 5e3))
    state = made.feeder("one")
    assert state.power_w == pytest.approx(150e3 - state.losses_w, rel=1e-6)
    assert state.transformer_losses_w > 387.0 + 0.9 * 3_250.0 * (state.power_w / 400e3) ** 2
    assert state.loading_frac == pytest.approx(150e3 / 400e3, rel=0.05)


def test_one_feeder_does_not_feel_another() -> None:
    position, feeder = np.full(6, 0.9), np.array([0, 1, 0, 1, 0, 1])
    quiet = stepped(network(ONE, TWO, position=position, feeder=feeder), np.where(feeder == 0, -1e3, 0.0))
    loud = stepped(network(ONE, TWO, position=position, feeder=feeder), np.where(feeder == 0, -1e3, -9e3))
    assert np.array_equal(quiet[:, feeder == 0], loud[:, feeder == 0])


def test_many_customers_stand_behind_many_transformers_and_feel_their_own() -> None:
    rng = np.random.default_rng(4)
    n = 3_000
    made = network(
        FeederLayout("town", 230.0, 230.0), position=rng.uniform(0.05, 1.0, n), branch=rng.uniform(0.0, 1.0, n)
    )
    assert made.plans["town"].substations > 5
    got = stepped(made, rng.uniform(-3_000.0, 0.0, n))
    assert 215.0 < got.min() < got.max() < 231.0
    assert made.feeder("town").power_w < 0.0


def test_a_power_flow_ends_where_more_turns_would_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a town whose voltages leave their band: to a tenth of a millivolt, and the balance to a millionth."""
    rng = np.random.default_rng(11)
    n = 300
    power, vars_ = rng.uniform(-10e3, 4e3, (3, n)), rng.uniform(-2e3, 0.0, (3, n))
    position, branch = np.linspace(0.1, 1.0, n), rng.permuted(np.arange(n)) / n

    def solved() -> Network:
        made = network(FeederLayout("town", 230.0, 230.0, transformers=4), position=position, branch=branch)
        made.step(1.0, power, vars_)
        return made

    ours = solved()
    monkeypatch.setattr(powerflow, "_OPTIONS", {**powerflow._OPTIONS, "error_tolerance": 1e-13})
    exact = solved()
    assert ours.voltage_v.min() < 207.0
    assert not np.array_equal(ours.voltage_v, exact.voltage_v)
    assert ours.voltage_v == pytest.approx(exact.voltage_v, abs=1e-4, rel=0.0)
    state = ours.feeder("town")
    assert state.losses_w == pytest.approx(exact.feeder("town").losses_w, rel=1e-5)
    assert abs(power.sum() - state.power_w - state.losses_w) <= 1e-6 * np.abs(power).sum()


# ---------------------------------------------------------------------------------------- cadence


def test_a_large_site_keeps_its_voltages_between_two_power_flows() -> None:
    made = network(ONE, position=np.array([1.0]), options=GridLayout(solve_every_s=10.0, moved_frac=0.5))
    first = stepped(made, np.array([-1e3])).copy()
    for _ in range(8):
        assert np.array_equal(stepped(made, np.array([-5e3])), first)
    assert stepped(made, np.array([-5e3]))[0, 0] < first[0, 0]


def test_a_load_that_moves_far_is_answered_at_once() -> None:
    made = network(ONE, position=np.array([1.0]), options=GridLayout(solve_every_s=900.0, moved_frac=0.05))
    first = stepped(made, np.array([-1e3])).copy()
    assert np.array_equal(stepped(made, np.array([-7e3])), first)
    assert stepped(made, np.array([-9e3]))[0, 0] < first[0, 0]


def test_a_step_longer_than_the_cadence_is_solved_every_time() -> None:
    made = network(ONE, position=np.array([1.0]), options=GridLayout(solve_every_s=10.0, moved_frac=9.0))
    voltages = [stepped(made, np.array([power]), dt_s=60.0)[0, 0] for power in (-1e3, -2e3, -3e3)]
    assert voltages[0] > voltages[1] > voltages[2]


def test_the_parts_of_a_large_network_take_turns() -> None:
    rng = np.random.default_rng(5)
    n = 3_000
    made = network(
        FeederLayout("town", 230.0, 230.0),
        position=rng.uniform(0.05, 1.0, n),
        branch=rng.uniform(0.0, 1.0, n),
        options=GridLayout(solve_every_s=4.0, moved_frac=9.0),
    )
    counts = [made.solves]
    for _ in range(9):
        stepped(made, np.full(n, -500.0))
        counts.append(made.solves)
    at_first, *later = np.diff(counts)
    assert sum(later) == 2 * at_first
    assert max(later) < at_first


def test_the_same_powers_give_the_same_bytes() -> None:
    def run() -> bytes:
        rng = np.random.default_rng(7)
        n = 500
        town = FeederLayout("town", 230.0, 230.0)
        made = network(town, position=rng.uniform(0.05, 1.0, n), branch=rng.uniform(0.0, 1.0, n))
        for _ in range(5):
            stepped(made, rng.uniform(-3_000.0, 1_000.0, n))
        return made.voltage_v.tobytes()

    assert run() == run()


# ---------------------------------------------------------------------------------------- outages


@pytest.mark.parametrize("dt_s", [0.1, 1.0, 3.0, 7.0])
def test_no_voltage_is_older_than_the_cadence_and_a_step(dt_s: float) -> None:
    made = network(ONE, position=np.array([1.0]), options=GridLayout(solve_every_s=2.0, moved_frac=9.0))
    stepped(made, np.array([-1e3]), dt_s=dt_s)
    before, age_s = made.solves, 0.0
    for _ in range(100):
        stepped(made, np.array([-1e3]), dt_s=dt_s)
        age_s = 0.0 if made.solves > before else age_s + dt_s
        before = made.solves
        assert age_s < 2.0 - 1e-6


def test_the_larger_a_site_the_longer_it_may_wait() -> None:
    assert [network_module.cadence_s(n) for n in (1, 1_000, 5_000, 10_000, 100_000)] == [1.0, 1.0, 5.0, 10.0, 10.0]


@pytest.mark.parametrize("simple", [False, True])
def test_a_feeder_without_supply_is_dead_and_its_neighbour_is_not(simple: bool) -> None:
    first = FeederLayout("one", 230.0, 230.0, 0.05, 0.03) if simple else ONE
    feeder = np.array([0, 1, 0, 1])
    made = network(first, TWO, position=np.full(4, 0.9), feeder=feeder)
    alive = stepped(made, np.full(4, -1e3)).copy()
    made.disturb({Supply("one"): OUT})
    dead = stepped(made, np.where(feeder == 0, 0.0, -1e3))
    assert not dead[:, feeder == 0].any()
    assert dead[:, feeder == 1] == pytest.approx(alive[:, feeder == 1])
    assert (made.feeder("one").energised, made.feeder("two").energised) == (False, True)
    assert (made.feeder("one").power_w, made.feeder("one").losses_w) == (0.0, 0.0)
    made.disturb({})
    assert stepped(made, np.full(4, -1e3)) == pytest.approx(alive)


def test_an_open_branch_islands_who_stands_on_it_and_nobody_else() -> None:
    branch = np.array([0.1, 0.5, 0.9, 0.5])
    made = network(TWO, position=np.full(4, 0.5), branch=branch)
    assert [made.branch_of(row) for row in range(4)] == [0, 1, 2, 1]
    made.disturb({Supply("two", BRANCH, 1): OUT})
    got = stepped(made, np.array([-1e3, 0.0, -1e3, 0.0]))
    assert np.array_equal(got.any(axis=0), [True, False, True, False])
    made.disturb({})
    assert stepped(made, np.zeros(4)).all()


@pytest.mark.parametrize("dt_s", [1.0, 900.0])
@pytest.mark.parametrize("mode", ["feeder", "branch"])
def test_nothing_is_delivered_to_a_dead_feeder_not_even_in_the_step_in_which_it_dies(
    make_layout: Callable[..., SiteLayout], mode: str, dt_s: float
) -> None:
    layout = make_layout("  b:\n    kind: battery\n    count: 4\n    feeder: east\n")
    farm = Farm(replace(layout, feeders={**layout.feeders, "east": replace(TWO, name="east")}))
    for device in farm:
        device.submit({"active_power_setpoint_w": 2e3, "active_power_setpoint_enabled": 1.0}, "test", "here", 0.0)
    for _ in range(20):
        farm.step(1.0)
    before = farm.groups["b"].columns
    assert np.all(before["active_power_w"] > 1e3)
    farm.faults.add("outage", {"feeder": "east"}, mode=mode)
    farm.step(dt_s)
    after = farm.groups["b"].columns
    for name in ("voltage_l1_v", "active_power_w", "current_l1_a"):
        assert not after[name].any(), name
    assert np.array_equal(after["energy_exported_wh"], before["energy_exported_wh"])
    state = farm.network.feeder("east")
    assert state.power_w + state.losses_w == pytest.approx(0.0, abs=1e-6)
    assert before["voltage_l1_v"].all(), "what was handed over has changed"


@pytest.mark.parametrize("others", [0, 2])
def test_a_network_without_customers_draws_what_its_transformer_does(others: int) -> None:
    """Alone or beside feeders that are impedances: there is no cable then, and no load, in any model."""
    simple = FeederLayout("simple", 230.0, 230.0, 0.05, 0.03)
    made = network(simple, ONE, position=np.full(others, 0.5))
    stepped(made, np.full(others, -1e3))
    state = made.feeder("one")
    idle_w = made.plans["one"].transformer.no_load_loss_w
    assert state.converged
    assert (state.power_w, state.losses_w) == (pytest.approx(-idle_w, rel=0.02), pytest.approx(idle_w, rel=0.02))
    made.disturb({Supply("one"): OUT})
    stepped(made, np.full(others, -1e3))
    assert (made.feeder("one").power_w, made.feeder("one").losses_w) == (0.0, 0.0)


def test_a_feeder_that_fails_does_no_harm_to_one_without_customers() -> None:
    made = network(ONE, TWO, position=np.array([0.9]))
    stepped(made, np.array([IMPOSSIBLE_W]))
    assert (made.feeder("one").converged, made.feeder("two").converged) == (False, True)
    assert made.feeder("two").losses_w > 0.0


def test_an_outage_of_something_else_is_refused() -> None:
    made = network(TWO, position=np.full(4, 0.5))
    with pytest.raises(KeyError, match="no feeder three"):
        made.disturb({Supply("three"): OUT})
    with pytest.raises(KeyError, match="has 3 of its kind branch"):
        made.disturb({Supply("two", BRANCH, 3): OUT})


@pytest.mark.parametrize("kind", ["battery", "ev_charger", "pv_generator", "prosumer", "smart_meter"])
def test_devices_on_a_dead_feeder_draw_nothing_and_come_back(make_layout: Callable[..., SiteLayout], kind: str) -> None:
    group = f"  them:\n    kind: {kind}\n    count: 5\n    feeder: east\n"
    farm = Farm(make_layout(group))
    for _ in range(3):
        farm.step(10.0)
    farm.network.disturb({Supply("east"): OUT})
    for _ in range(3):
        farm.step(10.0)
    columns = farm.groups["them"].columns
    assert not any(np.isnan(column).any() for column in columns.values())
    assert not columns["voltage_l1_v"].any()
    assert not columns["active_power_w"].any()
    assert not columns["current_l1_a"].any()
    farm.network.disturb({})
    for _ in range(3):
        farm.step(900.0)
    assert (farm.groups["them"].columns["voltage_l1_v"] > 200.0).all()
    assert farm.groups["them"].columns["active_power_w"].any() or kind == "battery"


def test_an_open_switch_cuts_off_its_own_device_and_not_the_neighbour(make_layout: Callable[..., SiteLayout]) -> None:
    farm = Farm(make_layout("  homes:\n    kind: prosumer\n    count: 2\n    feeder: east\n"))
    for _ in range(3):
        farm.step(60.0)
    farm.device("homes-001").submit({"grid_switch": 0.0}, "test", "me", 0.0)
    for _ in range(3):
        farm.step(60.0)
    columns = farm.groups["homes"].columns
    assert np.array_equal(columns["grid_switch_closed"], [0.0, 1.0])
    assert columns["active_power_w"][0] == 0.0
    assert columns["active_power_w"][1] != 0.0
    for part in ("pv", "storage", "ev", "home"):
        assert columns[f"{part}_active_power_w"][0] == 0.0, part
    assert farm.network.voltage_v.all()  # the street in front of the switch is alive


def test_a_loss_of_generation_reaches_every_device(make_layout: Callable[..., SiteLayout]) -> None:
    calm, hit = Farm(make_layout()), Farm(make_layout())
    hit.lost_generation_w = 3e9
    lowest = 0.0
    for _ in range(40):
        calm.step(1.0)
        hit.step(1.0)
        away = [
            hit.groups[name].columns["frequency_hz"] - calm.groups[name].columns["frequency_hz"] for name in hit.groups
        ]
        assert np.ptp(np.concatenate(away)) == 0.0
        lowest = min(lowest, float(away[0][0]))
    assert lowest == pytest.approx(49.56 - 50.0, abs=0.01)
    hit.lost_generation_w = 0.0
    for made in (calm, hit):
        for _ in range(20):
            made.step(900.0)
    assert [each.true_value("frequency_hz") for each in hit] == [each.true_value("frequency_hz") for each in calm]


# --------------------------------------------------------------------------------- no convergence

IMPOSSIBLE_W = -1e6


def test_without_a_solution_the_last_voltages_stand_and_are_questionable(caplog: pytest.LogCaptureFixture) -> None:
    feeder = np.array([0, 1, 0, 1])
    made = network(ONE, TWO, position=np.full(4, 0.9), feeder=feeder)
    good = stepped(made, np.full(4, -1e3)).copy()
    assert not made.questionable.any()
    with caplog.at_level(logging.WARNING, lowvoltage.__name__):
        for _ in range(3):
            kept = stepped(made, np.where(feeder == 0, IMPOSSIBLE_W, -2e3))
    assert np.array_equal(kept[:, feeder == 0], good[:, feeder == 0])
    assert np.all(kept[:, feeder == 1] < good[:, feeder == 1])  # the neighbour's power flow goes on
    assert np.array_equal(made.questionable, feeder == 0)
    assert made.failures == 3
    assert (made.feeder("one").converged, made.feeder("one").failures) == (False, 3)
    assert (made.feeder("two").converged, made.feeder("two").failures) == (True, 0)
    assert len(caplog.records) == 1  # once, when it begins
    assert "feeder one: the power flow fails" in caplog.text
    again = stepped(made, np.full(4, -1e3))
    assert not made.questionable.any()
    assert again == pytest.approx(good)
    assert made.feeder("one").failures == 3


def test_what_flowed_before_a_failure_can_be_asked_for_after_it() -> None:
    """Whether or not somebody has asked before, of a part of two substations and of one alone."""
    feeder = np.array([0, 1, 0, 1])
    asked, unasked = (network(ONE, TWO, position=np.full(4, 0.9), feeder=feeder) for _ in range(2))
    for power in (-1e3, -2e3):
        for made in (asked, unasked):
            stepped(made, np.full(4, power))
        before = asked.feeder("one")
        for made in (asked, unasked):
            stepped(made, np.where(feeder == 0, IMPOSSIBLE_W, -3e3))
        after = unasked.feeder("one")
        assert not after.converged
        for name in ("power_w", "reactive_power_var", "cable_losses_w", "transformer_losses_w", "loading_frac"):
            assert getattr(after, name) == getattr(before, name) != 0.0, name
        assert unasked.feeder("two") == asked.feeder("two")
        assert unasked.feeder("two").power_w < -18e3


def test_an_impossible_load_on_what_is_cut_off_is_no_failure_until_it_is_back() -> None:
    feeder = np.array([0, 1, 0, 1])
    made = network(TWO, ONE, position=np.full(4, 0.9), feeder=feeder)
    load = np.where(feeder == 0, IMPOSSIBLE_W, -1e3)
    stepped(made, np.full(4, -1e3))
    made.disturb({Supply("two"): OUT})
    stepped(made, load)
    assert (made.feeder("two").converged, made.failures) == (True, 0)
    made.disturb({})
    stepped(made, load)
    assert (made.feeder("two").converged, made.feeder("one").converged) == (False, True)


def test_where_the_last_powers_have_no_solution_a_disturbance_begins_without_load() -> None:
    made = network(TWO, position=np.full(4, 0.9), branch=np.full(4, 0.1))
    before = stepped(made, np.full(4, -2e3)).copy()
    made.disturb({Supply("two"): Disturbance(voltage=(0.1, 1.0, 1.0))})
    assert before.max() < 234.0
    assert made.voltage_v == pytest.approx(np.outer([23.5, 235.0, 235.0], np.ones(4)))
    assert not made.questionable.any()
    stepped(made, np.full(4, -2e3))
    assert made.questionable.all()
    assert made.feeder("two").failures == 1
    stepped(made, np.full(4, -1.0))
    assert not made.questionable.any()


def test_what_fails_while_it_is_disturbed_and_comes_back_with_its_end_is_called_by_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = network(ONE, TWO, position=np.full(4, 0.9), feeder=np.array([0, 0, 1, 1]))
    made.disturb({Supply("two"): Disturbance(voltage=(0.1, 1.0, 1.0))})
    stepped(made, np.full(4, -2e3))
    made.disturb({})
    stepped(made, np.full(4, -2e3))
    failed, back = caplog.messages
    assert failed.startswith("feeder two: the power flow fails")
    assert back == "feeder two: the power flow converges again"
    assert not made.questionable.any()


def test_a_solver_that_failed_starts_afresh_in_whatever_thread() -> None:
    """Loads without a solution, an outage and another thread leave nothing behind in a later solution."""
    used, fresh = (network(TWO, position=np.linspace(0.1, 1.0, 6), branch=np.linspace(0.0, 0.9, 6)) for _ in range(2))
    power_w = np.linspace(2e3, -1e3, 6)
    stepped(used, np.full(6, -9e6))
    assert not used.feeder("two").converged
    used.disturb({Supply("two", BRANCH, 1): OUT})
    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(stepped, used, np.linspace(-4e3, 3e3, 6)).result()
    used.disturb({})
    assert np.array_equal(stepped(used, power_w), stepped(fresh, power_w))
    assert replace(used.feeder("two"), failures=0) == fresh.feeder("two")


def test_only_the_substation_at_fault_is_doubted() -> None:
    rng = np.random.default_rng(6)
    n = 300
    town = FeederLayout("town", 230.0, 230.0, transformers=4)
    made = network(town, position=rng.uniform(0.1, 1.0, n), branch=np.arange(n) / n)
    stepped(made, np.full(n, -500.0))
    made.disturb({Supply("town", BRANCH, 0): OUT})
    power = np.full(n, -500.0)
    power[-1] = IMPOSSIBLE_W
    got = stepped(made, power)
    assert np.array_equal(np.flatnonzero(made.questionable), np.arange(225, 300))
    dead = np.array([made.branch_of(row) == 0 for row in range(n)])
    assert np.array_equal(got.any(axis=0), ~dead)  # a switch that was open stays open


TOO_MUCH = "ratings: {%srated_power_w: 3e6, %srated_charge_power_w: 3e6, %srated_energy_wh: 1e7, %sc_rate_per_h: 1}"
"""A battery that can draw more than its feeder could ever carry."""


def overloaded(make_layout: Callable[..., SiteLayout], kind: str, prefix: str = "") -> Farm:
    ratings = TOO_MUCH.replace("%s", prefix)
    layout = make_layout(f"  b:\n    kind: {kind}\n    count: 2\n    feeder: east\n    {ratings}\n")
    return Farm(replace(layout, feeders={**layout.feeders, "east": replace(ONE, name="east")}))


def draw_too_much(farm: Farm, prefix: str = "") -> None:
    """Let every battery charge as fast as it can, until the power flow has no solution."""
    for device in farm:
        device.submit(enabled({f"{prefix}active_power_setpoint_w": -3e6}), "test", "me", 0.0)
    for _ in range(100):
        farm.step(0.1)
        if farm.network.questionable.all():
            return
    raise AssertionError("every power flow had a solution")


def test_a_homes_resources_doubt_their_voltage_with_it(make_layout: Callable[..., SiteLayout]) -> None:
    farm = overloaded(make_layout, "prosumer", "storage_")
    draw_too_much(farm, "storage_")
    home = farm.device("b-001")
    for part in ("", "ev_", "storage_", "pv_", "home_"):
        assert home.quality(f"{part}voltage_l2_v") == Quality.NOT_TOPICAL
    assert home.quality("storage_dc_voltage_v") == Quality.GOOD


def test_masters_are_told_that_a_voltage_is_questionable(make_layout: Callable[..., SiteLayout]) -> None:
    farm = overloaded(make_layout, "battery")
    farm.step(1.0)
    battery = farm.device("b-001")
    assert battery.quality("voltage_l1_v") == Quality.GOOD
    draw_too_much(farm)
    for name in ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v", "voltage_ll_v"):
        assert battery.quality(name) == Quality.NOT_TOPICAL
        assert battery.value(name) == battery.true_value(name)
    assert battery.quality("active_power_w") == Quality.GOOD
    assert battery.quality("dc_voltage_v") == Quality.GOOD
    for device in farm:
        device.submit(enabled({"active_power_setpoint_w": 0.0}), "test", "me", 0.0)
    for _ in range(10):
        farm.step(1.0)
    assert battery.quality("voltage_l1_v") == Quality.GOOD
