"""SunSpec chains as pysunspec2 understands their bytes: which models, which numbers, which signs."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
import sunspec2.device
from modbus_bench import Bench

from pilotfarm.emulators import registry
from pilotfarm.emulators.maps.modbus_bits import COILS, DISCRETES
from pilotfarm.emulators.maps.sunspec.chain import BASE, VENDOR_MODELS, definition
from pilotfarm.emulators.quantities import CATALOGUE, quantity

CHAINS = {
    "battery": [1, 103, 120, 121, 122, 123, 124, 701, 702, 703, 704, 713, 715, 802, 803],
    "pv_generator": [1, 103, 120, 121, 122, 123, 160, 701, 702, 703, 704, 715, 302, 303, 307],
    "smart_meter": [1, 203],
    "ev_charger": [1, 701, 702, 704, 713, 714, 715],
}


def image(bench: Bench, unit: int = 0) -> bytes:
    window = bench.plan.units[unit].windows[-1]
    assert window.first == BASE
    place = bench.plan.place(unit, BASE, 2)
    assert place is not None
    return bytes(bench.table.row(0)[place : place + len(window.data)])


def models(bench: Bench, unit: int = 0) -> dict[int, sunspec2.device.Model]:
    """The chain of a unit, walked as a client walks it."""
    data = image(bench, unit)
    assert data[:4] == b"SunS"
    assert data[-4:] == b"\xff\xff\x00\x00"
    found, at = {}, 4
    while (model_id := int.from_bytes(data[at : at + 2], "big")) != 0xFFFF:
        end = at + 4 + 2 * int.from_bytes(data[at + 2 : at + 4], "big")
        known = definition(model_id) if model_id in VENDOR_MODELS else None
        found[model_id] = sunspec2.device.Model(
            model_id, data=data[at:end], model_len=(end - at) // 2 - 2, model_def=known
        )
        at = end
    assert at == len(data) - 4
    return found


@pytest.mark.parametrize("kind", CHAINS)
def test_a_chain_has_its_standard_models_first_and_vendor_models_last(kind: str) -> None:
    found = models(Bench(kind))
    standard = [model_id for model_id in found if model_id not in VENDOR_MODELS]
    assert standard == CHAINS[kind]
    assert list(found)[: len(standard)] == standard
    assert not any(model.error_info for model in found.values())


def test_the_chains_lie_where_the_documents_say() -> None:
    data = image(Bench("battery"))
    for address, model_id in ((40_070, 103), (40_280, 701), (40_506, 704), (40_591, 802), (40_655, 803)):
        assert int.from_bytes(data[2 * (address - BASE) :][:2], "big") == model_id
    assert image(Bench("smart_meter"))[2 * 70 :][:2] == (203).to_bytes(2, "big")


@pytest.mark.parametrize("rated_w", [3_000.0, 30_000.0, 2_000_000.0])
def test_power_keeps_its_resolution_at_every_size(rated_w: float) -> None:
    bench = Bench("battery")
    columns = dict(bench.columns)
    for name in ("rated_power_w", "rated_charge_power_w", "rated_apparent_power_va"):
        columns[name] = np.array([rated_w])
    columns["active_power_w"] = np.array([-rated_w * 0.987654])
    sized = models(Bench("battery", columns=columns))
    for model_id in (103, 701):
        assert sized[model_id].W.cvalue == pytest.approx(-rated_w * 0.987654, rel=0.001)
    assert sized[702].WMaxRtg.cvalue == pytest.approx(rated_w, rel=0.001)


def test_generation_is_positive_at_an_inverter_and_drawing_is_positive_at_a_meter() -> None:
    for kind, model_id, sign in (("pv_generator", 103, 1), ("pv_generator", 701, 1), ("smart_meter", 203, -1)):
        bench = Bench(kind)
        bench.columns["active_power_w"] = np.array([1_234.0])
        bench.step()
        assert models(bench)[model_id].W.cvalue == pytest.approx(sign * 1_234.0, abs=10.0)


def test_a_meter_counts_in_both_directions() -> None:
    bench = Bench("smart_meter")
    bench.columns |= {"energy_imported_wh": np.array([7e6]), "energy_exported_wh": np.array([3e6])}
    bench.step()
    meter = models(bench)[203]
    assert (meter.TotWhImp.cvalue, meter.TotWhExp.cvalue) == (7_000_000, 3_000_000)


def test_a_battery_shows_its_state_of_charge_and_what_is_in_it() -> None:
    bench = Bench("battery")
    bench.columns |= {
        "soc_frac": np.array([0.6543]),
        "soh_frac": np.array([0.98]),
        "real_capacity_wh": np.array([50_000.0]),
    }
    bench.step()
    found = models(bench)
    assert found[713].SoC.cvalue == found[802].SoC.cvalue == found[124].ChaState.cvalue == pytest.approx(65.43)
    assert found[713].WHAvail.cvalue == pytest.approx(0.6543 * 50_000.0, abs=10.0)


STORAGE_124: Final = 40_254
"""Where a battery has model 124; the offsets below are those of its definition."""
MEANT: Final = {
    (2, 4_000): {"reference_power_w": 4_000.0},
    (3, 55): {"charge_ramp_frac_per_s": 0.055},
    (4, 100): {"discharge_ramp_frac_per_s": 0.1},
    (5, 0): {"charge_limit_enabled": 0.0, "discharge_limit_enabled": 0.0},
    (5, 1): {"charge_limit_enabled": 1.0, "discharge_limit_enabled": 0.0},
    (5, 2): {"charge_limit_enabled": 0.0, "discharge_limit_enabled": 1.0},
    (5, 3): {"charge_limit_enabled": 1.0, "discharge_limit_enabled": 1.0},
    (7, 2_050): {"soc_min_frac": 0.205},
    (12, -10_000): {"discharge_limit_frac": -1.0},
    (12, 4_025): {"discharge_limit_frac": 0.4025},
    (13, -50): {"charge_limit_frac": -0.005},
    (13, 10_000): {"charge_limit_frac": 1.0},
    (17, 0): {"grid_charging_allowed": 0.0},
    (17, 1): {"grid_charging_allowed": 1.0},
}


@pytest.mark.parametrize(("offset", "number"), MEANT)
def test_storage_control_means_what_model_124_says_and_reads_back(offset: int, number: int) -> None:
    bench = Bench("battery")
    assert len(bench.write(STORAGE_124 + offset, number.to_bytes(2, "big", signed=True))) == 5
    (told,) = bench.device.told
    assert told == pytest.approx(MEANT[offset, number])
    bench.columns |= {name: np.array([value]) for name, value in told.items()}
    bench.step()
    assert bench.registers(STORAGE_124 + offset, 1) == number.to_bytes(2, "big", signed=True)


@pytest.mark.parametrize("number", [4, 7, 0xFFFF])
def test_storage_control_refuses_other_bits(number: int) -> None:
    bench = Bench("battery")
    assert bench.write(STORAGE_124 + 5, number.to_bytes(2, "big")) == b"\x90\x03"
    assert not bench.device.told


@pytest.mark.parametrize(("offset", "time"), [(14, "window_s"), (15, "reversion_s"), (16, "ramp_s")])
def test_the_times_of_a_change_of_storage_control_read_back(offset: int, time: str) -> None:
    bench = Bench("battery")
    assert len(bench.write(STORAGE_124 + offset, b"\x00\x3c")) == 5
    assert bench.device.told == [{f"charge_discharge_limits_{time}": 60.0}]
    assert bench.registers(STORAGE_124 + offset, 1) == b"\x00\x3c"


@pytest.mark.parametrize("offset", [0, 1, 6, 8, 9, 10, 11, 18, 25])
def test_what_storage_control_only_shows_or_has_not_cannot_be_written(offset: int) -> None:
    assert Bench("battery").write(STORAGE_124 + offset, b"\0\1") == b"\x90\x02"


@pytest.mark.parametrize("rated_w", [3_000.0, 300_000.0, 2_000_000.0])
def test_what_is_written_has_the_scale_factor_that_is_read(rated_w: float) -> None:
    bench = Bench("battery")
    ratings = ("rated_power_w", "rated_charge_power_w", "rated_apparent_power_va")
    columns = {**bench.columns, **{name: np.array([rated_w]) for name in (*ratings, "reference_power_w")}}
    sized = Bench("battery", columns=columns)
    model = models(sized)[124]
    assert model.WChaMax.cvalue == rated_w
    wanted = round(rated_w / 4.0 / 10.0**model.WChaMax_SF.value)
    sized.write(STORAGE_124 + 2, wanted.to_bytes(2, "big"))
    assert sized.device.told == [{"reference_power_w": pytest.approx(rated_w / 4.0, rel=1e-3)}]


@pytest.mark.parametrize(
    ("state", "charge_status"),
    [
        ({"running": 0.0, "charge_rate_w": 0.0}, "OFF"),
        ({"charge_rate_w": 900.0}, "DISCHARGING"),
        ({"charge_rate_w": -900.0, "soc_high_alarm": 1.0}, "CHARGING"),
        ({"charge_rate_w": 0.0, "soc_low_alarm": 1.0}, "EMPTY"),
        ({"charge_rate_w": 0.0, "soc_high_alarm": 1.0}, "FULL"),
        ({"charge_rate_w": 0.5}, "HOLDING"),
    ],
)
def test_the_charge_status_is_what_the_cells_do(state: dict[str, float], charge_status: str) -> None:
    bench = Bench("battery")
    calm = {"running": 1.0, "soc_low_alarm": 0.0, "soc_high_alarm": 0.0}
    bench.columns |= {name: np.array([value]) for name, value in (calm | state).items()}
    bench.step()
    names = {each["name"]: each["value"] for each in models(bench)[124].ChaSt.pdef["symbols"]}
    assert models(bench)[124].ChaSt.value == models(bench)[802].ChaSt.value == names[charge_status]


def test_a_power_factor_keeps_its_sign_in_two_registers() -> None:
    bench = Bench("battery")
    for value, excitation in ((0.95, 0), (-0.9, 1)):
        bench.columns["power_factor_setpoint"] = np.array([value])
        bench.step()
        group = models(bench)[704].PFWInj
        assert (group.PF.cvalue, group.Ext.value) == (abs(value), excitation)


def test_the_excitation_can_be_written_alone_and_after_its_power_factor() -> None:
    bench = Bench("battery")
    bench.columns["power_factor_setpoint"] = np.array([0.95])
    bench.step()
    register = next(r for r in bench.plan.units[0].registers if r.partly)
    bench.write(register.address + 1, b"\x00\x01")
    bench.write(register.address, (900).to_bytes(2, "big"))
    assert bench.device.told == [{"power_factor_setpoint": -0.95}, {"power_factor_setpoint": -0.9}]


def test_enable_may_come_before_or_after_its_set_point() -> None:
    """pysunspec2 writes in the order of the addresses, so the switch comes first; each write is a command."""
    bench = Bench("battery")
    start = next(r.address for r in bench.plan.units[0].registers if "active_power_setpoint_w" in r.carries)
    assert len(bench.write(start, (-5000).to_bytes(4, "big", signed=True))) == 5
    assert len(bench.write(start - 2, b"\x00\x01")) == 5
    assert bench.device.told == [{"active_power_setpoint_w": -5000.0}, {"active_power_setpoint_enabled": 1.0}]


def test_a_point_without_a_quantity_reads_as_not_implemented() -> None:
    found = models(Bench("battery"))
    assert found[704].WSetPct.value is None
    assert found[103].PPVphAB.value is None


def test_vendor_models_are_the_catalogue_in_sunspec_words() -> None:
    named = set()
    for model_id in VENDOR_MODELS:
        for point in definition(model_id)["group"]["points"][2:]:
            known = quantity(point["name"])
            assert point["desc"] == known.doc
            assert (point.get("access", "R") == "RW") is known.writable
            assert (point["type"] == "enum16") is (known.is_binary or known.unit == "enum")
            named.add(point["name"])
    measured_everywhere = {q.name for q in CATALOGUE.values()} - named
    assert measured_everywhere <= {q.name for q in registry.device("smart_meter").quantities}


def test_a_meter_is_an_eastron_meter_too() -> None:
    bench = Bench("smart_meter")
    bench.columns |= {"active_power_w": np.array([-1_500.5]), "energy_imported_wh": np.array([12_345_678.0])}
    bench.step()
    power, energy = (np.frombuffer(bench.registers(address, 2, function=4), ">f4")[0] for address in (0x34, 0x48))
    assert power == 1_500.5
    assert energy == pytest.approx(12_345.678)
    for first, count in ((0, 80), (80, 28), (200, 70), (334, 48)):
        bench.registers(first, count, function=4)


def test_bits_have_a_number_each_once() -> None:
    assert len(set(DISCRETES)) == len(DISCRETES)
    assert len(set(COILS)) == len(COILS)


def test_a_point_list_says_how_a_number_becomes_a_quantity() -> None:
    bench = Bench("smart_meter")
    listed = {(point.quantity, point.address): point for point in bench.points()}
    power = listed["active_power_w", "input register 52"]
    assert (power.scale, power.data_type, power.access) == (-1.0, "float32", "r")
    (raw,) = np.frombuffer(bench.registers(52, 2, function=4), ">f4")
    assert raw * power.scale == pytest.approx(bench.columns["active_power_w"][0])
    assert listed["low_power_factor_alarm", "register 40175 bit 4"].data_type == "uint32"
    assert ("undervoltage_l1_alarm", "register 40175 bit 3") not in listed
