"""What a series says of the price of energy: at every device, in its day, and to the storages that follow it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenario_rig import problems, run, steps, verdicts

from pilotfarm.emulators import site
from pilotfarm.emulators.contracts.replay import CURRENCIES, REPLAYABLE
from pilotfarm.emulators.errors import ConfigError
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.site.layout import SiteLayout
from pilotfarm.profiles.series import Prices, Replayed, Series

HEAD = """\
name: priced
location: {latitude_deg: 59.1, longitude_deg: 11.0, time_zone: Europe/Oslo}
start: 2025-06-02T00:00:00
"""
SERIES = {"day": "{file: day.csv, zone: Europe/Oslo}", "more": "{file: more.csv}"}
DAY = [71, 64, 60, 58, 57, 66, 80, 95, 90, 70, 40, 12, -3, -8, 5, 30, 55, 85, 110, 118, 105, 92, 83, 75]
MARKET = "market: {replay: {price: {series: day, column: area, unit: EUR/MWh}}}\n"
STORES = "groups:\n  stores: {kind: battery, count: 2, ratings: {own_mode: tariff, own_schedule_frac: 0.01}}\n"


def hours(day: str, prices: list[float]) -> str:
    lines = [f"{day}T{hour:02}:00,{price}\n" for hour, price in enumerate(prices)]
    return "time,area\n" + "".join(lines)


def load(folder: Path, text: str, day: str | None = None, more: str = "time,a,b\n0,1,2\n900,1,2\n") -> SiteLayout:
    (folder / "day.csv").write_text(hours("2025-06-02", DAY) if day is None else day, encoding="utf-8")
    (folder / "more.csv").write_text(more, encoding="utf-8")
    used = [f"  {name}: {how}\n" for name, how in SERIES.items() if f"series: {name}," in text]
    (folder / "site.yaml").write_text(text + ("series:\n" if used else "") + "".join(used), encoding="utf-8")
    return site.load(str(folder / "site.yaml"))


def told(folder: Path, text: str, **files: str) -> list[tuple[str, int, str]]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text, **files)
    return [(Path(each.file).name, each.line, each.message) for each in caught.value.problems]


def by_hour(farm: Farm, group: str, name: str = "active_power_w", count: int = 24) -> list[float]:
    """Return a quantity of a group's first device in the last quarter of each hour."""
    found = []
    for _ in range(count):
        for _ in range(4):
            farm.step(900.0)
        found.append(float(farm.groups[group].columns[name][0]))
    return found


def test_a_storage_charges_in_the_cheapest_hours_of_the_day_and_discharges_in_the_dearest(tmp_path: Path) -> None:
    text = HEAD + MARKET + STORES.replace("0.01", "0.01, tariff_hours: 5")
    power_w = by_hour(Farm(load(tmp_path, text)), "stores")
    order = sorted(range(24), key=DAY.__getitem__)
    assert sorted(np.flatnonzero(np.array(power_w) < 0.0)) == sorted(order[:5])
    assert sorted(np.flatnonzero(np.array(power_w) > 0.0)) == sorted(order[-5:])


def test_hours_of_one_price_are_all_cheap_or_dear_and_a_day_of_one_price_is_neither(tmp_path: Path) -> None:
    night = [50.0] * 6 + [90.0] * 18
    farm = Farm(load(tmp_path, HEAD + MARKET + STORES, hours("2025-06-02", night)))
    power_w = np.array(by_hour(farm, "stores", count=8))
    assert (power_w[:6] < 0.0).all()
    assert (power_w[6:] > 0.0).all()
    farm = Farm(load(tmp_path, HEAD + MARKET + STORES, hours("2025-06-02", [70.0] * 24)))
    assert by_hour(farm, "stores", count=11) == [0.0] * 11


def test_the_storage_of_a_home_follows_the_price_and_one_by_the_clock_does_not(tmp_path: Path) -> None:
    text = HEAD + MARKET + "groups:\n  tariff: {kind: prosumer, count: 1, ratings: {storage_own_mode: tariff}}\n"
    farm = Farm(load(tmp_path, text + "  clock: {kind: prosumer, count: 1}\n"))
    tariff_w = by_hour(farm, "tariff", "storage_active_power_w", 11)
    assert farm.groups["clock"].columns["storage_active_power_w"][0] < 0.0 == tariff_w[10]
    assert by_hour(farm, "tariff", "storage_active_power_w", 2)[1] < 0.0
    priced, bare = (
        Farm(load(tmp_path, head + STORES.replace("own_mode: tariff, ", ""))) for head in (HEAD + MARKET, HEAD)
    )
    assert by_hour(priced, "stores", count=11) == by_hour(bare, "stores", count=11)


def test_where_no_price_is_known_it_follows_the_clock(tmp_path: Path) -> None:
    farm = Farm(load(tmp_path, HEAD + MARKET + STORES, hours("2025-06-02", DAY[:14])))
    clock = Farm(load(tmp_path, HEAD + STORES.replace("own_mode: tariff, ", "")))
    by_price, by_clock = by_hour(farm, "stores", count=18), by_hour(clock, "stores", count=18)
    known = sorted(range(14), key=DAY.__getitem__)
    assert sorted(np.flatnonzero(np.array(by_price[:14]) < 0.0)) == sorted(known[:4])
    assert sorted(np.flatnonzero(np.array(by_price[:14]) > 0.0)) == sorted(known[-4:])
    assert by_price[15:] == by_clock[15:]
    assert any(by_clock[15:])
    assert np.isnan(farm.world.prices_of("stores")).all()


def line_of(folder: Path, part: str) -> int:
    """Return the line of the site file with a part of its text."""
    (line,) = (number for number, text in enumerate((folder / "site.yaml").read_text().splitlines(), 1) if part in text)
    return line


def test_a_day_with_an_hour_that_comes_twice_has_twenty_five(tmp_path: Path) -> None:
    names = ["00", "01", "02", "02", *(f"{hour:02}" for hour in range(3, 24))]
    day = "time,area\n" + "".join(f"2025-10-26T{hour}:00,{at}\n" for at, hour in enumerate(names))
    text = (HEAD + MARKET + STORES).replace("2025-06-02T00:00:00", "2025-10-26T00:00:00")
    farm = Farm(load(tmp_path, text, day))
    for hour in range(25):
        for _ in range(4):
            farm.step(900.0)
        assert farm.world.prices_of("stores")[:, 0].tolist() == [hour, hour, 24 - hour]
    assert farm.now == datetime.fromisoformat("2025-10-27T00:00:00+01:00")


@settings(deadline=None, max_examples=25)
@given(lasts_s=st.lists(st.integers(600, 20_000), min_size=1, max_size=8), data=st.data())
def test_every_second_of_a_day_is_cheaper_dearer_or_the_same(lasts_s: list[int], data: st.DataObject) -> None:
    """Told apart second by second, of two devices with prices of their own and of a series that goes round."""
    day_s = datetime.fromisoformat("2025-06-02T00:00:00+00:00").timestamp()
    edges_s = day_s + np.concatenate(([0], np.cumsum(lasts_s)))
    values = np.array([[data.draw(st.integers(-3, 3)) for _ in range(2)] for _ in lasts_s], dtype=np.float64)
    series = Series(Path("x"), ("a", "b"), edges_s, values, 1.0, True, "mean", lambda row: (0, ""))
    prices = Prices(Replayed(series, np.arange(2), 10.0), "UTC")
    by_second = 10.0 * values[np.repeat(np.arange(len(lasts_s)), lasts_s)][np.arange(86_400) % sum(lasts_s)]
    for second in data.draw(st.lists(st.integers(0, 86_399), min_size=1, max_size=4)):
        price, cheaper_h, dearer_h = prices.at(day_s + second + 1.0, 1.0)
        assert price.tolist() == by_second[second].tolist()
        assert cheaper_h * 3_600.0 == pytest.approx((by_second < price).sum(axis=0))
        assert dearer_h * 3_600.0 == pytest.approx((by_second > price).sum(axis=0))


def test_a_price_that_lasts_over_midnight_is_seen_in_the_new_day(tmp_path: Path) -> None:
    long = "time,area\n2025-06-02T06:00,1\n2025-06-02T18:00,2\n2025-06-03T06:00,3\n"
    farm = Farm(load(tmp_path, HEAD.replace("T00:00:00", "T23:59:00") + MARKET + STORES, long))
    farm.step(60.0)
    assert farm.world.prices_of("stores")[:, 0].tolist() == [2, 12, 0]
    farm.step(60.0)
    assert farm.world.prices_of("stores")[:, 0].tolist() == [2, 0, 12]


def test_what_a_group_pays_goes_before_the_market(tmp_path: Path) -> None:
    own = "ratings: {own_mode: tariff}, replay: {price: {series: more, column: [a, b], unit: ct/kWh}}"
    contract = f"  own: {{kind: battery, count: 2, {own}}}\n"
    assert load(tmp_path, HEAD + "groups:\n" + contract).currency == "EUR", "it needs no market"
    farm = Farm(load(tmp_path, HEAD + MARKET + STORES + contract))
    assert farm.world.prices_of("own") is None
    farm.step(60.0)
    assert farm.world.prices_of("own")[0].tolist() == [10.0, 20.0]
    assert farm.world.prices_of("stores")[0].tolist() == [71.0, 71.0]
    farm.step(900.0)
    farm.step(900.0)
    assert farm.world.prices_of("own")[0].tolist() == [71.0, 71.0], "its own has ended"


@pytest.mark.parametrize(("unit", "per_mwh"), [("EUR/MWh", 0.2), ("NOK/kWh", 200.0), ("ct/kWh", 2.0), ("p/kWh", 2.0)])
def test_prices_are_a_mwh_in_their_own_currency(tmp_path: Path, unit: str, per_mwh: float) -> None:
    layout = load(tmp_path, HEAD + MARKET.replace("EUR/MWh", unit) + STORES, hours("2025-06-02", [0.2] * 24))
    farm = Farm(layout)
    farm.step(60.0)
    assert farm.world.prices_of("stores")[0] == pytest.approx([per_mwh] * 2)
    assert layout.currency == {"ct": "EUR", "p": "GBP"}.get(unit.split("/")[0], unit.split("/")[0])


def test_every_currency_has_both_units() -> None:
    assert {f"{name}/{energy}" for name in CURRENCIES for energy in ("MWh", "kWh")} <= set(REPLAYABLE["price"].units)


def test_a_tariff_without_a_price_is_a_problem(tmp_path: Path) -> None:
    homes = "groups:\n  homes: {kind: prosumer, count: 3, ratings: {storage_own_mode: tariff}}\n"
    words = "a tariff follows the price of energy, and neither the group nor market: replays one"
    assert told(tmp_path, HEAD + homes) == [("site.yaml", line_of(tmp_path, "prosumer"), words)]
    mixed = STORES.replace("own_mode: tariff", "own_mode: {choice: [schedule, tariff], weights: [1, 1]}")
    assert told(tmp_path, HEAD + mixed.replace("count: 2", "count: 40"))[0][2] == words
    # Of a price that is there and wrong, that alone is told.
    ((_, line, message),) = told(tmp_path, HEAD + MARKET.replace("column: area", "column: aera") + STORES)
    assert (line, "'aera'" in message) == (line_of(tmp_path, "market"), True)


def test_a_site_has_one_currency(tmp_path: Path) -> None:
    own = "  own: {kind: battery, count: 1, replay: {price: {series: more, column: a, unit: SEK/kWh}}}\n"
    ((_, line, message),) = told(tmp_path, HEAD + MARKET + STORES + own)
    assert line == line_of(tmp_path, "SEK")
    market = line_of(tmp_path, "market")
    assert message == f"is in SEK, and market.replay.price.unit (line {market}) in EUR; a site has one currency"


def test_a_price_that_is_too_high_names_the_unit_that_would_fit(tmp_path: Path) -> None:
    ((file, line, message),) = told(tmp_path, HEAD + MARKET.replace("EUR/MWh", "EUR/kWh") + STORES)
    assert (file, line) == ("day.csv", 2)
    assert message == (
        "area: price would be 71,000 EUR a MWh, and at most 10,000 EUR a MWh is possible; "
        "are the numbers in EUR/MWh or ct/kWh?"
    )
    # Four hundred forints are about a euro.
    load(tmp_path, HEAD + MARKET.replace("EUR/MWh", "HUF/kWh") + STORES)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("price:", "prices:", "there is no series of the market 'prices'; did you mean 'price'?"),
        ("unit: EUR/MWh", "unit: EUR", "there is no unit of price 'EUR'"),
        ("unit: EUR/MWh", "unit: eur/MWh", "did you mean 'EUR/MWh'?"),
        ("market: {replay", "market: {currency: EUR, replay", "unknown key; known are replay"),
        (MARKET, "market: day\n", "must be a table of keys and values, not 'day'"),
    ],
)
def test_what_is_wrong_with_the_market_has_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    found = told(tmp_path, HEAD + MARKET.replace(old, new) + STORES.replace("own_mode: tariff, ", ""))
    assert [line for _, line, message in found if words in message] == [line_of(tmp_path, "market")]


def test_a_scenario_may_wait_for_a_price(tmp_path: Path) -> None:
    farm = Farm(load(tmp_path, HEAD + MARKET + STORES))
    text = steps(
        "when: stores-001.price_per_mwh < 0 within 1 d",
        "expect: all stores-*.active_power_w true < 0 within 900 s",
        "expect: any stores-*.price_per_mwh true == -3 +- 0.01",
    )
    made = run(text, farm, dt_s=900.0)
    assert [verdict for _, verdict in verdicts(made)] == ["PASS"] * 3
    assert farm.now.hour in (12, 13)


def test_a_price_is_true_alone_and_of_a_site_that_has_one(tmp_path: Path) -> None:
    expect = steps("expect: stores-001.price_per_mwh reported < 0")
    (problem,) = problems(expect, Farm(load(tmp_path, HEAD + MARKET + STORES)))
    assert problem.message == "price_per_mwh is what is, and no device says it; say true"
    bare = Farm(load(tmp_path, HEAD + STORES.replace("own_mode: tariff, ", "")))
    (problem,) = problems(expect.replace("reported", "true"), bare)
    assert "has no such quantity" in problem.message
