"""pysunspec2, the SunSpec Alliance's own client, scans, reads and commands every SunSpec unit of the site tiny."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final

import pytest
import sunspec2.device
from running_farm import RunningFarm
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP
from sunspec2.modbus.modbus import ModbusClientException

from pilotfarm.emulators.maps.sunspec.chain import VENDOR_MODELS

VENDOR: Final = VENDOR_MODELS
_CHARGER: Final = (1, 701, 702, 704, 713, 714, 715)
_BATTERY: Final = (1, 103, 120, 121, 122, 123, 124, 701, 702, 703, 704, 713, 715, 802, 803)
_PV: Final = (1, 103, 120, 121, 122, 123, 160, 701, 702, 703, 704, 715, 302, 303, 307)
_METER: Final = (1, 203)

UNITS: Final = {
    ("charger-001", 1): ("", _CHARGER),
    ("battery-001", 1): ("", _BATTERY),
    ("pv-001", 1): ("", _PV),
    ("meter-001", 1): ("", _METER),
    ("home-001", 1): ("", _METER),
    ("home-001", 2): ("ev_", _CHARGER),
    ("home-001", 3): ("storage_", _BATTERY),
    ("home-001", 4): ("pv_", _PV),
    ("home-001", 5): ("home_", _METER),
}
"""Device and unit -> prefix of its quantities, and the standard models it has to have."""


def _phases(stem: str, quantity: str, gain: float = 1.0, names: str = "123") -> dict[str, tuple[str, float]]:
    return {stem.replace("#", names[k - 1]): (quantity.replace("#", str(k)), gain) for k in (1, 2, 3)}


MEANING: Final[dict[int, dict[str, tuple[str, float]]]] = {
    103: {
        "W": ("active_power_w", 1),
        "VAr": ("reactive_power_var", 1),
        "VA": ("apparent_power_va", 1),
        "Hz": ("frequency_hz", 1),
        "PF": ("power_factor", 100),
        "WH": ("energy_exported_wh", 1),
        "DCV": ("dc_voltage_v", 1),
        **_phases("PhVph#", "voltage_l#_v", names="ABC"),
        **_phases("Aph#", "current_l#_a", names="ABC"),
    },
    120: {
        "WRtg": ("rated_power_w", 1),
        "VARtg": ("rated_apparent_power_va", 1),
        "VArRtgQ1": ("rated_reactive_power_var", 1),
        "VArRtgQ4": ("rated_reactive_power_var", -1),
    },
    121: {"WMax": ("active_power_max_w", 1), "VRef": ("voltage_setpoint_v", 1)},
    122: {"ActWh": ("energy_exported_wh", 1)},
    123: {"WMaxLimPct": ("active_power_limit_frac", 100), "Conn": ("grid_switch", 1)},
    124: {
        "ChaState": ("soc_frac", 100),
        "MinRsvPct": ("soc_min_frac", 100),
        "InBatV": ("dc_voltage_v", 1),
        "WChaMax": ("reference_power_w", 1),
        "WChaGra": ("charge_ramp_frac_per_s", 100),
        "WDisChaGra": ("discharge_ramp_frac_per_s", 100),
        "InWRte": ("charge_limit_frac", 100),
        "OutWRte": ("discharge_limit_frac", 100),
        "ChaGriSet": ("grid_charging_allowed", 1),
    },
    160: {
        "module.DCA": ("dc_current_a", 1),
        "module.DCV": ("dc_voltage_v", 1),
        "module.DCWH": ("dc_energy_wh", 1),
    },
    203: {
        "W": ("active_power_w", -1),
        "VAR": ("reactive_power_var", -1),
        "VA": ("apparent_power_va", 1),
        "Hz": ("frequency_hz", 1),
        "PF": ("power_factor", -100),
        "PPV": ("voltage_ll_v", 1),
        "TotWhImp": ("energy_imported_wh", 1),
        "TotWhExp": ("energy_exported_wh", 1),
        **_phases("PhVph#", "voltage_l#_v", names="ABC"),
        **_phases("Aph#", "current_l#_a", names="ABC"),
        **_phases("Wph#", "active_power_l#_w", -1, names="ABC"),
        **_phases("VARph#", "reactive_power_l#_var", -1, names="ABC"),
    },
    302: {
        "repeating.GHI": ("irradiance_horizontal_w_per_m2", 1),
        "repeating.POAI": ("irradiance_plane_w_per_m2", 1),
    },
    303: {"temp.TmpBOM": ("module_temperature_degc", 1)},
    307: {
        "RH": ("humidity_frac", 100),
        "Pres": ("pressure_pa", 0.01),
        "WndSpd": ("wind_speed_m_per_s", 1),
        "WndDir": ("wind_direction_deg", 1),
        "TmpAmb": ("outside_temperature_degc", 1),
    },
    701: {
        "W": ("active_power_w", 1),
        "Var": ("reactive_power_var", 1),
        "VA": ("apparent_power_va", 1),
        "PF": ("power_factor", 1),
        "Hz": ("frequency_hz", 1),
        "LLV": ("voltage_ll_v", 1),
        "TotWhInj": ("energy_exported_wh", 1),
        "TotWhAbs": ("energy_imported_wh", 1),
        "TotVarhInj": ("reactive_energy_exported_varh", 1),
        "TotVarhAbs": ("reactive_energy_imported_varh", 1),
        "St": ("running", 1),
        "ConnSt": ("grid_switch_closed", 1),
        **_phases("VL#", "voltage_l#_v"),
        **_phases("AL#", "current_l#_a"),
        **_phases("WL#", "active_power_l#_w"),
        **_phases("VarL#", "reactive_power_l#_var"),
    },
    702: {
        "WMaxRtg": ("rated_power_w", 1),
        "VAMaxRtg": ("rated_apparent_power_va", 1),
        "VarMaxInjRtg": ("rated_reactive_power_var", 1),
        "WMax": ("active_power_max_w", 1),
    },
    704: {
        "WSet": ("active_power_setpoint_w", 1),
        "WSetEna": ("active_power_setpoint_enabled", 1),
        "VarSet": ("reactive_power_setpoint_var", 1),
        "VarSetEna": ("reactive_power_setpoint_enabled", 1),
        "WMaxLimPct": ("active_power_limit_frac", 100),
        "WMaxLimPctEna": ("active_power_limit_enabled", 1),
    },
    714: {"Prt.DCW": ("active_power_w", 1)},
    715: {"LocRemCtl": ("local_mode", 1)},
    802: {
        "WHRtg": ("rated_energy_wh", 1),
        "SoC": ("soc_frac", 100),
        "SoH": ("soh_frac", 100),
        "NCyc": ("cycle_count", 1),
        "V": ("dc_voltage_v", 1),
        "A": ("dc_current_a", 1),
        "W": ("charge_rate_w", 1),
        "SoCRsvMin": ("soc_min_frac", 100),
    },
    803: {
        "ModTmpMax": ("temperature_max_degc", 1),
        "ModTmpAvg": ("temperature_degc", 1),
        "string.StrCellVAvg": ("cell_voltage_v", 1),
        "string.StrSoC": ("soc_frac", 100),
        "string.StrSoH": ("soh_frac", 100),
    },
}
"""What SunSpec says a point is, in our quantities, with the gain to the point's unit."""


@pytest.fixture(autouse=True, scope="module")
def vendor_definitions() -> Iterator[None]:
    """Hand the client our vendor models' definitions, as an integrator would, and take them away again."""
    known = list(sunspec2.device.get_model_defs_path())
    with resources.as_file(resources.files("pilotfarm.emulators.maps") / "models") as path:
        sunspec2.device.set_model_defs_path([str(path), *known])
        yield
        sunspec2.device.set_model_defs_path(known)


@contextmanager
def scanned(site: RunningFarm, device: str, unit: int = 1) -> Iterator[SunSpecModbusClientDeviceTCP]:
    way = site.ways("modbus")[device]
    client = SunSpecModbusClientDeviceTCP(slave_id=unit, ipaddr=way.host, ipport=way.port, timeout=5)
    try:
        client.scan()
        yield client
    finally:
        client.close()


def models(client: SunSpecModbusClientDeviceTCP) -> dict[int, Any]:
    return {number: found[0] for number, found in client.models.items() if isinstance(number, int)}


def point(model: Any, path: str) -> Any:
    """A point of a model, or of the first repetition of one of its groups."""
    *groups, name = path.split(".")
    group = model
    for each in groups:
        found = group.groups[each]
        group = found[0] if isinstance(found, list) else found
    return group.points[name]


def agrees(found: Any, truth: float) -> bool:
    """Whether a point shows this value as finely as its type and scale factor can; registers count whole units."""
    shown = found.cvalue
    if shown is None and found.pdef["type"].startswith("acc"):
        shown = 0  # SunSpec: an accumulator at 0 has not accumulated anything
    if shown is None or math.isnan(truth):
        return shown is None and math.isnan(truth)
    step = 10.0 ** (found.sf_value or 0)
    slack = abs(truth) * 1e-6 if found.pdef["type"].startswith("float") else 0.5001 * step
    counts = found.pdef["type"].startswith(("acc", "uint64"))
    return bool(abs(shown - truth) <= (step if counts else slack) + 1e-9)


@pytest.mark.parametrize(("device", "unit"), UNITS)
def test_a_scan_finds_the_models_of_the_kind_and_vendor_models_behind_them(
    site: RunningFarm, device: str, unit: int
) -> None:
    _, standard = UNITS[device, unit]
    with scanned(site, device, unit) as client:
        found = models(client)
        assert client.base_addr == 40_000
        assert tuple(found)[: len(standard)] == standard
        assert set(list(found)[len(standard) :]) <= set(VENDOR)
        assert [each.error_info for each in found.values() if each.error_info] == []
        assert found[1].Mn.value == "pilotfarm"


def test_the_serial_numbers_tell_devices_apart(site: RunningFarm) -> None:
    serials = []
    for device in site.ways("modbus"):
        with scanned(site, device) as client:
            serials.append(models(client)[1].SN.value)
    assert len(set(serials)) == len(serials)
    assert all(serials)


@pytest.mark.parametrize(("device", "unit"), UNITS)
def test_every_point_a_client_reads_is_what_the_ledger_says(site: RunningFarm, device: str, unit: int) -> None:
    prefix, standard = UNITS[device, unit]
    truth = site.values(device) | site.ledger_now()[device]
    with scanned(site, device, unit) as client:
        found = models(client)
    wrong, seen = [], set()
    for number in standard:
        for path, (quantity, gain) in MEANING.get(number, {}).items():
            name = prefix + quantity
            if name not in truth:
                continue
            seen.add(quantity)
            read = point(found[number], path)
            if not agrees(read, truth[name] * gain):
                wrong.append((number, path, read.cvalue, truth[name] * gain))
    for number in set(VENDOR) & found.keys():
        for quantity, read in found[number].points.items():
            # A quantity that a standard model carries is not implemented here.
            if quantity not in ("ID", "L") and read.cvalue is not None:
                seen.add(quantity)
                if not agrees(read, truth[prefix + quantity]):
                    wrong.append((number, quantity, read.cvalue, truth[prefix + quantity]))
    assert wrong == []
    wanted = {"active_power_w", "reactive_power_var", "voltage_l1_v", "current_l3_a", "energy_imported_wh"}
    wanted |= (
        {"soc_frac", "soh_frac", "temperature_degc", "cycle_count", "real_capacity_wh"} if 802 in standard else set()
    )
    wanted |= (
        {"irradiance_plane_w_per_m2", "module_temperature_degc", "available_power_frac"} if 307 in standard else set()
    )
    wanted |= {"room_temperature_degc", "deferrable_power_w"} if (device, unit) == ("home-001", 5) else set()
    wanted |= {"session_energy_wh", "time_to_departure_s"} if 714 in standard else set()
    assert wanted <= seen


def test_available_energy_of_713_is_real_capacity_times_state_of_charge(site: RunningFarm) -> None:
    truth = site.ledger_now()["battery-001"]
    with scanned(site, "battery-001") as client:
        storage = models(client)[713]
    assert agrees(storage.points["SoC"], 100 * truth["soc_frac"])
    assert agrees(storage.points["SoH"], 100 * truth["soh_frac"])
    assert agrees(storage.points["WHAvail"], truth["real_capacity_wh"] * truth["soc_frac"])


@pytest.mark.parametrize(
    ("device", "unit", "asked_w", "asked_var"), [("battery-001", 1, -2000, 1200), ("home-001", 3, 1500, -600)]
)
def test_a_storage_follows_active_and_reactive_power_set_over_704(
    site: RunningFarm, device: str, unit: int, asked_w: int, asked_var: int
) -> None:
    prefix, _ = UNITS[device, unit]
    with scanned(site, device, unit) as client:
        controls = models(client)[704]
        controls.WSetEna.cvalue, controls.WSet.cvalue = 1, asked_w
        controls.VarSetEna.cvalue, controls.VarSet.cvalue = 1, asked_var
        controls.write()
        site.step(30)
        controls.read()
        assert (controls.WSetEna.cvalue, controls.WSet.cvalue) == (1, asked_w)
        measured = models(client)[701]
        measured.read()
        assert measured.W.cvalue == pytest.approx(asked_w, rel=0.02)
        assert measured.Var.cvalue == pytest.approx(asked_var, rel=0.02)
        cells = models(client)[802]
        cells.read()
        assert cells.ChaSt.cvalue == (4 if asked_w < 0 else 3), "charging or discharging"
        site.proves(device, f"{prefix}active_power_setpoint_w", asked_w, "modbus")
        site.proves(device, f"{prefix}reactive_power_setpoint_var", asked_var, "modbus")

        controls.WSetEna.cvalue = controls.VarSetEna.cvalue = 0
        controls.write()
        site.step(30)
        measured.read()
        assert (measured.W.cvalue, measured.Var.cvalue) == (0, 0)


@pytest.mark.parametrize(("device", "unit"), [("battery-001", 1), ("home-001", 3)])
def test_a_storage_keeps_within_the_window_set_over_124(site: RunningFarm, device: str, unit: int) -> None:
    prefix, _ = UNITS[device, unit]
    with scanned(site, device, unit) as client:
        found = models(client)
        control, measured = found[124], found[701]
        base_w = control.WChaMax.cvalue
        for into, out, mode, share in ((75, -50, 3, -0.5), (-30, 100, 1, 0.3), (20, 20, 0, 0.0)):
            control.InWRte.cvalue, control.OutWRte.cvalue, control.StorCtl_Mod.cvalue = into, out, mode
            control.write()
            site.step(30)
            control.read()
            assert (control.InWRte.cvalue, control.OutWRte.cvalue, control.StorCtl_Mod.cvalue) == (into, out, mode)
            measured.read()
            assert measured.W.cvalue == pytest.approx(share * base_w, abs=2.0)
            site.commanded(device, f"{prefix}charge_limit_frac", into / 100, "modbus")


@pytest.mark.parametrize(("device", "unit"), [("pv-001", 1), ("home-001", 4)])
@pytest.mark.parametrize("model", [704, 123])
def test_a_generator_obeys_a_limit_in_percent(site: RunningFarm, device: str, unit: int, model: int) -> None:
    enable = "WMaxLimPctEna" if model == 704 else "WMaxLim_Ena"
    prefix, _ = UNITS[device, unit]
    with scanned(site, device, unit) as client:
        controls, measured = models(client)[model], models(client)[701]
        rating = models(client)[702].WMaxRtg.cvalue
        measured.read()
        half = round(50 * measured.W.cvalue / rating, 2)
        assert half > 0.5, "nothing to limit"
        controls.points[enable].cvalue, controls.WMaxLimPct.cvalue = 1, half
        controls.write()
        site.step(20)
        measured.read()
        available = site.values(device)[f"{prefix}available_power_w"]
        assert measured.W.cvalue == pytest.approx(min(available, rating * half / 100), abs=1)
        assert measured.W.cvalue < 0.8 * available
        site.commanded(device, f"{prefix}active_power_limit_frac", half / 100, "modbus")

        controls.points[enable].cvalue, controls.WMaxLimPct.cvalue = 0, 100
        controls.write()
        site.step(20)
        measured.read()
        assert measured.W.cvalue == pytest.approx(site.values(device)[f"{prefix}available_power_w"], abs=1)


def test_a_battery_stops_and_starts_over_715_and_opens_its_switch_over_123(site: RunningFarm) -> None:
    with scanned(site, "battery-001") as client:
        found = models(client)
        for write, back, quantity in (
            ((715, "OpCtl", 0), (715, "OpCtl", 1), "running"),
            ((123, "Conn", 0), (123, "Conn", 1), "grid_switch_closed"),
            ((703, "ES", 0), (703, "ES", 1), "running"),
        ):
            for (model, name, value), stands in ((write, 0.0), (back, 1.0)):
                found[model].points[name].cvalue = value
                found[model].points[name].write()
                site.step(30)
                assert site.values("battery-001")[quantity] == stands, (model, name, value)


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        (704, "WSet", 10_000_000),
        (704, "VarSet", -10_000_000),
        (704, "WMaxLimPct", 300),
        (704, "WSetEna", 7),
        (124, "InWRte", 120),
    ],
)
def test_what_no_battery_can_do_is_refused_and_nothing_changes(
    site: RunningFarm, model: int, name: str, value: float
) -> None:
    before = site.values("battery-001")
    with scanned(site, "battery-001") as client:
        written = models(client)[model].points[name]
        written.cvalue = value
        with pytest.raises(ModbusClientException, match="exception: 3"):
            written.write()
    site.step()
    after = site.values("battery-001")
    quantity, _ = MEANING[model][name]
    assert after[quantity] == before[quantity]


def test_a_storage_follows_a_share_of_its_maximum_and_a_lower_maximum(site: RunningFarm) -> None:
    with scanned(site, "battery-001") as client:
        found = models(client)
        controls, settings, measured = found[704], found[702], found[701]
        rated = settings.WMaxRtg.cvalue
        controls.WSetEna.cvalue, controls.WSetMod.cvalue, controls.WSetPct.cvalue = 1, 0, 60
        controls.write()
        site.step(30)
        controls.read()
        measured.read()
        assert (controls.WSetMod.cvalue, controls.WSetPct.cvalue) == (0, 60)
        assert controls.WSet.cvalue == measured.W.cvalue == pytest.approx(0.6 * rated, abs=1)

        settings.WMax.cvalue = round(0.3 * rated)
        settings.write()
        site.step(30)
        settings.read()
        measured.read()
        assert settings.WMax.cvalue == measured.W.cvalue == pytest.approx(0.3 * rated, abs=1)

        settings.WMax.cvalue, controls.WSetEna.cvalue, controls.WSetMod.cvalue = rated, 0, 1
        settings.write()
        controls.write()
        site.step(30)


def test_a_point_that_is_not_there_cannot_be_written(site: RunningFarm) -> None:
    with scanned(site, "battery-001") as client:
        ramp = models(client)[704].points["WRmp"]
        assert ramp.value is None
        ramp.value = 10
        with pytest.raises(ModbusClientException, match="exception: 2"):
            ramp.write()


def test_what_is_only_read_cannot_be_written(site: RunningFarm) -> None:
    with scanned(site, "meter-001") as client:
        power = models(client)[203].W
        power.cvalue = 0
        with pytest.raises(ModbusClientException, match="exception: 2"):
            power.write()
