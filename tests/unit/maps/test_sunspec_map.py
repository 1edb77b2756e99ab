"""SunSpec chains as pysunspec2 understands their bytes: which models, which numbers, which signs."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
import pytest
import sunspec2.device
from modbus_bench import Bench
from sunspec_bench import points

from pilotfarm.emulators import registry
from pilotfarm.emulators.maps.modbus_bits import COILS, DISCRETES
from pilotfarm.emulators.maps.sunspec.chain import BASE, VENDOR_MODELS, definition
from pilotfarm.emulators.quantities import CATALOGUE, quantity
from pilotfarm.emulators.wire.sources import Scaled

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


def test_what_storage_control_has_is_in_no_vendor_model_too() -> None:
    found = models(Bench("battery"))
    named = {name for values in MEANT.values() for name in values}
    points = [found[vendor].points for vendor in VENDOR_MODELS if vendor in found]
    assert named <= {name for each in points for name in each}
    assert {each[name].value for each in points for name in named & each.keys()} == {None}


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
    assert found[704].VarSetPct.value is None
    assert found[103].TmpSnk.value is None


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


# ------------------------------------------------------------------------------- values as they should be


def shown(kind: str, unit: int = 0, **values: float) -> dict[int, sunspec2.device.Model]:
    bench = Bench(kind)
    bench.columns |= {name: np.array([value]) for name, value in values.items()}
    bench.step()
    return models(bench, unit)


@pytest.mark.parametrize("kind", ["battery", "prosumer"])
def test_the_unit_id_is_in_model_1(kind: str) -> None:
    for first in (1, 17):
        bench = Bench(kind, seats=(first,))
        bench.engine.receive(b"", 0.0)
        bench.ask(struct.pack(">BHH", 3, BASE, 2), first)
        for unit in bench.plan.units:
            assert unit.step is not None
            found = bench.registers(BASE + 68, 1, first + unit.step)
            assert int.from_bytes(found, "big") == first + unit.step


@pytest.mark.parametrize("watts", [105.0, -105.0, 5.0, 32_766.0, -32_767.0, 32_768.0, 43_470.0, -1_234_567.0])
def test_a_meter_shows_single_watts_and_no_less_than_it_has(watts: float) -> None:
    meter = shown("smart_meter", active_power_w=watts, **{f"active_power_l{k}_w": watts / 3.0 for k in (1, 2, 3)})[203]
    step = 10.0**meter.W_SF.value
    assert meter.W.cvalue == pytest.approx(-watts, abs=0.5 * step + 1e-6)
    assert step == 1.0 if abs(watts) <= 32_767.0 else step >= abs(watts) / 32_767.0
    assert meter.WphB.cvalue == pytest.approx(-watts / 3.0, abs=0.5 * step + 1e-6)


def test_a_phase_that_is_larger_than_the_sum_sets_the_scale_factor() -> None:
    meter = shown("smart_meter", active_power_w=0.0, active_power_l1_w=40_000.0, active_power_l2_w=-40_000.0)[203]
    assert (meter.WphA.cvalue, meter.WphB.cvalue) == (-40_000, 40_000)


@pytest.mark.parametrize("kind", ["smart_meter", "ev_charger", "battery", "pv_generator"])
def test_without_load_the_power_factor_is_1_on_every_side(kind: str) -> None:
    idle = {"active_power_w": 0.0, "reactive_power_var": 0.0, "apparent_power_va": 0.0, "power_factor": 1.0}
    idle |= {
        f"{q}_l{k}_{unit}": 0.0 for q, unit in (("active_power", "w"), ("reactive_power", "var")) for k in (1, 2, 3)
    }
    found = shown(kind, **idle)
    for number, whole in ((103, 100), (203, 100), (701, 1)):
        if number in found:
            assert found[number].PF.cvalue == whole
            for name in ("PFphA", "PFL1"):
                if name in found[number].points:
                    assert found[number].points[name].cvalue == whole


@pytest.mark.parametrize(("watts", "sign"), [(-2_000.0, 1), (2_000.0, -1)])
def test_a_meter_counts_what_is_drawn_as_a_positive_power_factor(watts: float, sign: int) -> None:
    meter = shown("smart_meter", active_power_w=watts, apparent_power_va=2_500.0, power_factor=watts / 2_500.0)[203]
    assert meter.PF.cvalue == pytest.approx(sign * 80.0)


@pytest.mark.parametrize("amperes", [3.5, -3.5])
def test_a_charging_battery_shows_its_direct_current_where_the_register_has_no_sign(amperes: float) -> None:
    found = shown("battery", dc_current_a=amperes, charge_rate_w=400.0 * amperes)
    assert found[103].DCA.cvalue == 3.5
    assert found[802].A.cvalue == amperes
    assert found[103].DCW.cvalue == 400.0 * amperes


def test_no_register_without_a_sign_shows_a_quantity_that_has_one() -> None:
    """A charger's own power and its session's energy are cut off at 0 on purpose; PV has direct current one way."""
    wrong = set()
    for kind in registry.DEVICES:
        one_way = {"dc_current_a"} if kind != "battery" else set()
        for each in registry.maps_for("modbus", kind):
            for unit in each.plan(registry.device(kind)).units:
                for register in unit.registers:
                    source = getattr(register.shows, "source", register.shows)
                    if register.dtype[1] != "u" or not isinstance(source, Scaled) or source.floor is not None:
                        continue
                    if quantity(unit.resource.of(source.quantity)).min < 0.0 and source.quantity not in one_way:
                        wrong.add((each.name, source.quantity))
    assert wrong == set()


ABLE = {"running": 1.0, "available": 1.0, "fault_trip": 0.0}


@pytest.mark.parametrize(
    ("kind", "values", "st", "inverter"),
    [
        ("pv_generator", {"available_power_w": 4_000.0, "active_power_w": 4_000.0}, 4, 3),
        ("pv_generator", {"available_power_w": 4_000.0, "active_power_w": 1_000.0}, 5, 4),
        ("pv_generator", {"available_power_w": 0.0, "active_power_w": 0.0}, 2, 1),
        ("pv_generator", {"available_power_w": 4_000.0, "active_power_w": 0.0, "running": 0.0}, 1, 0),
        ("pv_generator", {"available_power_w": 4_000.0, "active_power_w": 0.0, "fault_trip": 1.0}, 7, 6),
        ("battery", {"active_power_w": 2_000.0, "active_power_limit_enabled": 1.0}, 5, 4),
        ("battery", {"active_power_w": 1_500.0, "active_power_limit_enabled": 1.0}, 4, 3),
        ("battery", {"active_power_w": 2_000.0, "active_power_limit_enabled": 0.0}, 4, 3),
        ("battery", {"active_power_w": -2_000.0, "active_power_limit_enabled": 1.0}, 4, 3),
    ],
)
def test_an_inverter_says_that_it_is_throttled(kind: str, values: dict[str, float], st: int, inverter: int) -> None:
    limit = {"active_power_limit_frac": 0.2, "active_power_max_w": 10_000.0}
    found = shown(kind, **{**ABLE, **limit, **values})
    assert (found[103].St.value, found[701].InvSt.value) == (st, inverter)
    if kind == "pv_generator":
        assert found[160].groups["module"][0].DCSt.value == st


def test_an_accumulator_rolls_over() -> None:
    assert shown("pv_generator", energy_exported_wh=2.0**32 + 5.0)[103].WH.value == 5


def test_a_nameplate_has_its_reactive_power_and_current() -> None:
    rated = {"rated_reactive_power_var": 6_000.0, "rated_apparent_power_va": 10_000.0, "nominal_voltage_v": 230.0}
    battery, pv = shown("battery", **rated)[120], shown("pv_generator", **rated)[120]
    quadrants = range(1, 5)
    assert [battery.points[f"VArRtgQ{k}"].cvalue for k in quadrants] == [6_000, 6_000, -6_000, -6_000]
    assert [battery.points[f"PFRtgQ{k}"].cvalue for k in quadrants] == [-0.8, 0.8, -0.8, 0.8]  # by EEI
    assert [pv.points[f"VArRtgQ{k}"].cvalue for k in quadrants] == [6_000, 0, 0, -6_000]
    assert battery.ARtg.cvalue == pytest.approx(10_000.0 / 230.0, abs=0.05)


def test_a_battery_has_its_charge_and_its_cells() -> None:
    found = shown("battery", rated_energy_wh=10_000.0, nominal_dc_voltage_v=400.0, cell_voltage_v=3.312)
    assert found[802].AHRtg.cvalue == found[120].AhrRtg.cvalue == 25.0
    cells = found[803].groups["string"][0]
    assert cells.StrCellVMax.cvalue == cells.StrCellVMin.cvalue == cells.StrCellVAvg.cvalue == 3.312


def test_strings_give_power_and_energy() -> None:
    values = {"dc_voltage_v": 600.0, "dc_current_a": 5.0, "dc_energy_wh": 123_456.0}
    found = shown("pv_generator", **values)
    module = found[160].groups["module"][0]
    assert (module.DCW.cvalue, module.DCWH.cvalue) == (3_000, 123_456)
    assert found[103].DCW.cvalue == 3_000


@pytest.mark.parametrize("model", [103, 203, 701])
def test_voltages_between_lines_are_those_of_phases_120_degrees_apart(model: int) -> None:
    volts = {"voltage_l1_v": 230.0, "voltage_l2_v": 210.0, "voltage_l3_v": 240.0}
    found = shown("smart_meter" if model == 203 else "battery", **volts)[model]
    names = {103: "PPVphAB", 203: "PhVphAB", 701: "VL1L2"}
    a, b = 230.0, 210.0 * np.exp(-2j * np.pi / 3.0)
    assert found.points[names[model]].cvalue == pytest.approx(abs(a - b), abs=0.051)


@pytest.mark.parametrize("phase", [0.0, 1.0, 2.0])
def test_a_single_phase_devices_only_phase_is_its_l1(phase: float) -> None:
    for kind, number in (("battery", 103), ("smart_meter", 203)):
        bench = Bench(kind)
        columns = bench.columns | {"phases": np.array([1.0]), "phase": np.array([phase])}
        columns |= {f"voltage_l{k}_v": np.array([220.0 + k]) for k in (1, 2, 3)}
        found = models(Bench(kind, columns=columns))
        single = found[number - 2]
        assert number not in found
        assert single.PhVphA.cvalue == 221.0 + phase
        assert single.PhVphB.value is None


def test_of_a_mixed_group_each_device_says_its_own() -> None:
    one = Bench("battery").columns
    columns = {name: np.concatenate([each, each]) for name, each in one.items()}
    columns |= {"phases": np.array([3.0, 1.0]), "phase": np.array([0.0, 2.0])}
    bench = Bench("battery", seats=(1, 2), columns=columns)
    assert [int.from_bytes(bench.registers(BASE + 70, 1, unit), "big") for unit in (1, 2)] == [103, 101]


# ---------------------------------------------------------------------------------------- shares


def test_a_set_point_in_per_cent_is_the_set_point_in_watts_of_the_direction() -> None:
    bench = Bench("battery")
    bench.columns |= {"active_power_max_w": np.array([5_000.0]), "rated_charge_power_w": np.array([3_000.0])}
    at = address_of(bench, 704, "WSetPct")
    for raw, watts in ((5_000, 2_500.0), (-5_000, -1_500.0), (0, 0.0)):
        assert len(bench.write(at, raw.to_bytes(2, "big", signed=True))) == 5
        assert bench.device.told[-1] == {"active_power_setpoint_w": pytest.approx(watts)}
        bench.columns["active_power_setpoint_w"] = np.array([watts])
        bench.step()
        assert models(bench)[704].WSetPct.value == raw


def test_a_resource_of_a_home_takes_shares_of_its_own_rating() -> None:
    bench = Bench("prosumer")
    bench.columns["storage_active_power_max_w"] = np.array([4_000.0])
    at = address_of(bench, 704, "WSetPct", unit=2)
    assert len(bench.write(at, (2_500).to_bytes(2, "big"), unit=3)) == 5
    assert bench.device.told == [{"storage_active_power_setpoint_w": pytest.approx(1_000.0)}]


def test_a_written_power_counts_in_the_scale_factor_that_is_shown() -> None:
    columns = Bench("battery").columns
    for name in ("rated_power_w", "rated_charge_power_w", "rated_apparent_power_va"):
        columns[name] = np.array([2_000_000.0])
    bench = Bench("battery", columns=columns)
    factor = models(bench)[121].WMax_SF.value
    assert factor == 2
    assert len(bench.write(address_of(bench, 121, "WMax"), (15_000).to_bytes(2, "big"))) == 5
    assert bench.device.told == [{"active_power_max_w": 1_500_000.0}]


def address_of(bench: Bench, model: int, name: str, unit: int = 0) -> int:
    return next(
        BASE + point.address for point in points(image(bench, unit)) if (point.model, point.name) == (model, name)
    )
