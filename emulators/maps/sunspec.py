"""SunSpec over Modbus for any kind without resources (SunSpec Information Model Specification 1.9).

Every chain begins at 40000 with model 1 and ends with vendor models for what no standard model has. A meter
also answers as an Eastron SDM630 at 0 to 381, where no SunSpec client looks.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from functools import cache
from typing import Final

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.device import DeviceSpec
from pilotfarm.emulators.contracts.protocol import MapSpec, PointRow
from pilotfarm.emulators.maps import sdm630
from pilotfarm.emulators.maps import sunspec_chains as chains
from pilotfarm.emulators.maps.binding import Quantities, quantities_of, resources_of
from pilotfarm.emulators.maps.modbus_bits import COILS, DISCRETES
from pilotfarm.emulators.maps.sunspec_models import SERIAL, VENDOR_MODELS, Model, chain, common, vendor
from pilotfarm.emulators.plans.modbus import Identity, Plan, Register, Unit, Window, check_covers

VENDOR: Final = "pilotfarm"
REVISION: Final = "1.0"

BATTERY: Final = (
    chains.INVERTER_103,
    chains.nameplate_120(82),
    chains.SETTINGS_121,
    chains.status_122(storage=True),
    chains.CONTROLS_123,
    chains.STORAGE_124,
    chains.MEASURED_701,
    chains.CAPACITY_702,
    chains.ENTER_SERVICE_703,
    chains.CONTROLS_704,
    chains.storage_713("soc_frac", chains.STORED),
    chains.SUPERVISION_715,
    chains.BATTERY_802,
    chains.BATTERY_803,
)
PV: Final = (
    chains.INVERTER_103,
    chains.nameplate_120(4),
    chains.SETTINGS_121,
    chains.status_122(storage=False),
    chains.CONTROLS_123,
    chains.STRINGS_160,
    chains.MEASURED_701,
    chains.CAPACITY_702,
    chains.ENTER_SERVICE_703,
    chains.CONTROLS_704,
    chains.SUPERVISION_715,
    chains.IRRADIANCE_302,
    chains.MODULE_303,
    chains.WEATHER_307,
)
METER: Final = (chains.METER_203,)

DER: Final = (
    chains.MEASURED_701,
    chains.CAPACITY_702,
    chains.ENTER_SERVICE_703,
    chains.CONTROLS_704,
    chains.SUPERVISION_715,
)
"""What follows set-points and is none of the others."""


def with_vendor(
    models: Sequence[Model], identity: Identity, has: Quantities, besides: Sequence[Register] = ()
) -> tuple[Window, list[Register]]:
    """A chain with model 1 before it, and behind it the vendor models for what neither it nor ``besides`` has."""
    models = [common(identity), *models]
    _, registers = chain(models, has)
    carried = {name for register in (*registers, *besides) for name in register.carries}
    left = set(filter(None, map(has.resource.plain, has.names - carried)))
    models += [model for model in (vendor(model_id, left) for model_id in VENDOR_MODELS) if model.points]
    return chain(models, has)


def sunspec_unit(
    step: int | None,
    models: Sequence[Model],
    identity: Identity,
    has: Quantities,
    windows: Sequence[Window] = (),
    registers: Sequence[Register] = (),
    serials: Sequence[tuple[int, int]] = (),
) -> Unit:
    """A unit with a SunSpec chain, and what else it answers below 40000."""
    window, bound = with_vendor(models, identity, has, registers)
    return Unit(
        step,
        (*windows, window),
        (*registers, *bound),
        identity,
        DISCRETES,
        COILS,
        serials=(SERIAL, *serials),
        resource=has.resource,
    )


def _models(names: Container[str]) -> tuple[tuple[Model, ...], str]:
    """Return the standard models that suit what a kind has, and the product code of a device with them."""
    if "soc_frac" in names:
        return BATTERY, "PF-BAT"
    if "available_power_w" in names:
        return PV, "PF-PV"
    return (DER, "PF-DER") if "active_power_setpoint_w" in names else (METER, "PF-MET")


@cache
def _plan(kind: str, names: frozenset[str]) -> Plan:
    models, code = _models(names)
    identity, has = Identity(VENDOR, code, REVISION, kind.replace("_", "-")), Quantities(names)
    if models is METER:
        unit = sunspec_unit(0, models, identity, has, (sdm630.WINDOW,), sdm630.registers(has))
    else:
        unit = sunspec_unit(0, models, identity, has)
    return check_covers(Plan((unit,), names))


def plan(spec: DeviceSpec) -> Plan:
    return _plan(spec.kind, quantities_of(spec))


def points(spec: DeviceSpec, columns: Mapping[str, Floats]) -> Sequence[PointRow]:
    return plan(spec).points(columns)


MAP = MapSpec(
    name="sunspec",
    protocol="modbus",
    title="SunSpec models at 40000 (meters also as Eastron SDM630)",
    plan=plan,
    points=points,
    fits=lambda spec: not resources_of(spec),
)
