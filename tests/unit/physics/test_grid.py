"""What low-voltage networks are made of, and how large they are planned."""

from __future__ import annotations

import numpy as np
import pytest

from pilotfarm.emulators.physics import grid


def test_the_common_cable_has_the_data_of_the_tables() -> None:
    cable = grid.CABLES["NAYY-4x150"]
    assert (cable.resistance_ohm_per_km, cable.reactance_ohm_per_km, cable.current_max_a) == (0.208, 0.080, 270.0)


@pytest.mark.parametrize(("kva", "load_w", "idle_w"), [(250.0, 2_350.0, 270.0), (400.0, 3_250.0, 387.0)])
def test_a_usual_transformer_has_the_losses_the_regulation_allows(kva: float, load_w: float, idle_w: float) -> None:
    made = grid.transformer(kva)
    assert (made.load_loss_w, made.no_load_loss_w) == (load_w, idle_w)
    assert made.uk_frac == 0.04


def test_between_and_beyond_the_table_losses_are_in_proportion() -> None:
    assert 2_350.0 < grid.transformer(300.0).load_loss_w < 2_800.0
    assert grid.transformer(6_300.0).load_loss_w == pytest.approx(2.0 * grid.transformer(3_150.0).load_loss_w)
    assert grid.transformer(25.0).no_load_loss_w == pytest.approx(0.5 * grid.transformer(50.0).no_load_loss_w)


def test_a_given_ratio_of_r_to_x_decides_the_load_losses() -> None:
    made = grid.transformer(400.0, uk_frac=0.05, rx_ratio=0.75)
    assert made.load_loss_w == pytest.approx(400e3 * 0.05 * 0.6)  # 3, 4, 5


@pytest.mark.parametrize(
    ("kva", "size"), [(1.0, 50.0), (50.0, 50.0), (50.1, 100.0), (630.0, 630.0), (3_151.0, 4_000.0)]
)
def test_transformers_come_in_sizes(kva: float, size: float) -> None:
    assert grid.standard_kva(kva) == size


def test_drawing_does_not_coincide_and_the_sun_shines_on_all() -> None:
    homes, roofs = np.full(100, 40e3), np.full(100, 8e3)
    drawn_kw = grid.coincident_kw(homes, np.zeros(100))
    assert drawn_kw == pytest.approx(4_000.0 * (0.15 + 0.85 * 100**-0.75))
    assert grid.coincident_kw(np.zeros(100), roofs) == 800.0
    assert grid.coincident_kw(homes[:1], roofs[:1]) == 40.0


@pytest.mark.parametrize("n", [0, 1, 5, 100, 1_000, 100_000])
@pytest.mark.parametrize("rated_w", [0.0, 10e3, 5e6])
def test_whoever_stands_there_the_network_bears_them(n: int, rated_w: float) -> None:
    draw, deliver = np.full(n, rated_w), np.full(n, rated_w)
    plan = grid.planned(draw, deliver)
    need_kw = grid.coincident_kw(draw, deliver)
    assert plan.substations * plan.transformer.rated_va >= need_kw * 1e3
    assert plan.substations >= 1
    assert 1 <= plan.branches <= grid.BRANCHES_MAX
    # Spread evenly, nobody's voltage falls by more than a few per cent: P (R x + X x 0) / V**2.
    ohm = plan.cable.resistance_ohm_per_km * plan.length_m / 1e3 / plan.parallel
    a_branch_w = max(need_kw * 1e3 / plan.substations / plan.branches, rated_w if n else 0.0)
    assert a_branch_w * ohm / 400.0**2 < 0.05


def test_what_is_given_stands() -> None:
    plan = grid.planned(
        np.full(50, 40e3),
        np.zeros(50),
        transformers=3,
        transformer_kva=250.0,
        uk_frac=0.06,
        branches=2,
        cable="AL-48",
        length_m=750.0,
    )
    assert (plan.substations, plan.transformer.rated_va, plan.transformer.uk_frac) == (3, 250e3, 0.06)
    assert (plan.branches, plan.cable, plan.parallel, plan.length_m) == (2, grid.CABLES["AL-48"], 1, 750.0)


def test_a_transformer_whose_size_is_given_is_the_only_one() -> None:
    assert grid.planned(np.full(1_000, 40e3), np.zeros(1_000), transformer_kva=400.0).substations == 1
