"""A prosumer's home: a household with a heat pump and loads that can wait, an EV, a storage and PV.

The EV charging point, the storage and the PV generator are the kinds of those names; ``home`` is everything else in
the house, with the power of its appliances, which are stepped with those of all households. What crosses the
connection point is the sum of the four, phase by phase.

Who is asked what: a set-point written to a resource is that resource's. An active power set-point of the
connection point is met by the storage, which makes up for all the others; what the storage cannot draw,
the loads that can wait draw as far as they have something waiting, and until then they wait. Its reactive power,
power factor, voltage and frequency set-points are the storage's to meet. A limit of the power to the grid
curtails the PV by what neither the house nor a set-point of the storage takes, and holds the storage back.
The storage's own limits go before what the home asks of it. A storage that may not charge from the grid charges with
no more than the power of the PV.
Without any, each resource does what it would do alone and the loads run by and by. Identification, local mode
and the SESP's link are the home's, and hold for all of its resources but for the owner of the EV, who has a
card of his own.

``stop`` stops the EV, the storage and the PV; the household runs on. The switch cuts off everything: it is the supply
relay of the home's meter (``relay``), and none of the storages here feeds a home that is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import Any, Final

import numpy as np

from pilotfarm.emulators.columns.arrays import Columns, Floats, anywhere, is_nothing, nothing
from pilotfarm.emulators.columns.resource import Resource
from pilotfarm.emulators.columns.views import Seen, as_resource, of_resource
from pilotfarm.emulators.contracts.device import (
    DeviceSpec,
    Effect,
    Flow,
    Keys,
    Limits,
    OfColumn,
    Rating,
    ResourceColumns,
    Turn,
    with_reverted,
)
from pilotfarm.emulators.contracts.replay import PRICE
from pilotfarm.emulators.contracts.world import Place, Surroundings
from pilotfarm.emulators.devices import (
    appliances,
    battery,
    common,
    compound,
    connection,
    ev_charger,
    household,
    pv_generator,
    relay,
    support,
)
from pilotfarm.emulators.devices.appliances import APPLIANCES
from pilotfarm.emulators.devices.keys import key_columns
from pilotfarm.emulators.devices.prosumer import dispatch
from pilotfarm.emulators.quantities import (
    COMMON,
    CONNECTION_POINT,
    EV,
    HOME,
    METERING,
    PV,
    RELAY,
    RESOURCES,
    STORAGE,
    SUPPORT,
    quantities,
)

_SPECS: Final = {EV: ev_charger.DEVICE, STORAGE: battery.DEVICE, PV: pv_generator.DEVICE}
_RESOURCES: Final = {APPLIANCES: appliances.DEVICE} | {name: _SPECS[name] for name in (EV, PV, STORAGE)}
_DEFAULTS: Final[Mapping[str, float | Mapping[str, Any]]] = {
    "ev_rated_current_a": 16.0,
    "ev_site_type": 0.0,
    "ev_invalid_card_share": 0.0,
    "storage_rated_power_w": {"choice": [3_000, 5_000]},
    "storage_rated_energy_wh": {"choice": [6_000, 10_000]},
    "pv_rated_power_w": {"choice": [5_000, 8_000]},
}

_OF_THE_HOME: Final = (
    # What a resource has not got for itself: it stands at the connection point.
    *("online", "local_mode", "remote_enabled", "grid_switch_closed"),
    *("grid_switch", "grid_switch_window_s", "grid_switch_reversion_s", "grid_switch_reversion_remaining_s"),
    *("sesp_link_lost", "sesp_receipts", "sesp_receipt", "sesp_heartbeat", "sesp_timeout_s"),
    "outside_temperature_degc",
)
_IDENTIFICATION: Final = ("identified", "identification_failed", "identification_clear")


def _names(resource: Resource, spec: DeviceSpec) -> tuple[str, ...]:
    shared = _OF_THE_HOME if resource == EV else (*_OF_THE_HOME, *_IDENTIFICATION)
    return tuple(resource.of(q.name) for q in spec.quantities if q.name not in shared)


QUANTITIES: Final = (
    *COMMON,
    *SUPPORT,
    *METERING,
    *RELAY,
    "outside_temperature_degc",
    *(name for resource, spec in _SPECS.items() for name in _names(resource, spec)),
    *map(HOME.of, household.QUANTITIES),
)

_SHARED_RATINGS: Final = tuple(rating.name for rating in common.COMMON_RATINGS)
RATINGS: Final = (
    *common.COMMON_RATINGS,
    Rating("main_fuse_a", "A", 35.0, 6.0, 1_000.0, "Rated current a phase of the connection"),
    *relay.RATINGS,
    *(
        replace(rating, name=name, default=_DEFAULTS.get(name, rating.default))
        for resource, spec in _SPECS.items()
        for rating in spec.ratings
        if rating.name not in _SHARED_RATINGS and (name := resource.of(rating.name))
    ),
    *(replace(rating, name=HOME.of(rating.name)) for rating in household.RATINGS),
)


def make(ratings: Columns, keys: Keys, place: Place) -> Columns:
    """Build ``n`` homes; a resource has the home's voltage, phases and key."""
    n = len(keys)
    shared = {name: ratings[name] for name in _SHARED_RATINGS}
    own = shared | {rating.name: ratings[rating.name] for rating in relay.RATINGS}
    columns = common.initial_columns((*COMMON, *SUPPORT, *METERING, *RELAY, "outside_temperature_degc"), own, n)
    columns |= relay.initial(n) | key_columns(keys)
    for resource, spec in _SPECS.items():
        columns |= as_resource(spec.make(shared | of_resource(ratings, resource), keys, place), resource)
    house = household.make(shared | of_resource(ratings, HOME), keys)
    columns |= as_resource(house, HOME) | as_resource(appliances.make(house, keys, place), APPLIANCES)
    fuse_w = common.connection_power_w(columns, ratings["main_fuse_a"])
    columns["rated_charge_power_w"] = columns["rated_apparent_power_va"] = fuse_w
    columns["rated_power_w"] = np.minimum(
        columns[EV.of("rated_power_w")] + columns[STORAGE.of("rated_power_w")] + columns[PV.of("rated_power_w")], fuse_w
    )
    columns["reference_min_v"] = 0.9 * columns["nominal_voltage_v"]
    columns["reference_max_v"] = 1.1 * columns["nominal_voltage_v"]
    columns["reach_min_w"], columns["reach_max_w"] = -fuse_w, columns["rated_power_w"].copy()
    return columns


def flow(own: Columns, before: ResourceColumns, surroundings: Surroundings, dt_s: float) -> Flow:
    """Take the homes through one step: EV, household and PV first, then the storage, which balances them."""
    used = yield Turn(APPLIANCES)
    new = common.life_cycle(own, surroundings, dt_s, switched=relay.switched)
    inputs, links = _inputs(own, new), {"sesp_timeout_s": own["sesp_timeout_s"]}
    live = new["running"] if anywhere(new["running"] == 0.0) else None
    limit_w, asked_w = dispatch.limit_w(new), dispatch.asked_w(new)
    parts: dict[Resource, Seen] = {}
    parts[EV] = ev = yield Turn(EV, inputs | {"credential_refused": new["identification_failed"]}, links, live)
    spare_w = None
    if asked_w is not None:
        before_w = before[PV]["active_power_w"] + ev["active_power_w"]
        spare_w = before_w - asked_w + before[STORAGE]["reach_min_w"]
    parts[HOME] = house = household.step(
        of_resource(own, HOME),
        _with_voltage_where(new["grid_switch_closed"], surroundings),
        dt_s,
        used=used,
        remote=new["remote_enabled"],
        spare_w=spare_w,
    )
    capped: Columns = {}
    if limit_w is not None:
        room_w = limit_w - ev["active_power_w"] - house["active_power_w"]
        capped = dispatch.capped(before[PV], room_w + dispatch.stored_w(before[STORAGE], new, asked_w, dt_s))
    parts[PV] = yield Turn(PV, inputs, links | capped, live)
    others_w = ev["active_power_w"] + house["active_power_w"] + parts[PV]["active_power_w"]
    asked = dispatch.asked_of_storage(
        before[STORAGE], new, parts, None if asked_w is None else asked_w - others_w, dt_s
    )
    if limit_w is not None:
        asked |= dispatch.capped(before[STORAGE], limit_w - others_w)
    asked |= dispatch.generation_beside(before[STORAGE], parts[PV])
    parts[STORAGE] = storage = yield Turn(STORAGE, inputs, links | asked, live)
    new["outside_temperature_degc"] = np.full_like(others_w, surroundings.air_temperature_degc)
    new = _summed(new, parts, surroundings, dt_s)
    relay.watch(new, surroundings, common.DEAD_FRAC, dt_s)
    # What the loads that wait draw now is within what they can.
    more_w = house["deferrable_power_w"] - house["deferred_w"]
    new["reach_min_w"] = np.minimum(others_w + storage["reach_min_w"] - np.maximum(more_w, 0.0), new["active_power_w"])
    new["reach_max_w"] = np.maximum(others_w + storage["reach_max_w"], new["active_power_w"])
    return _end_step(new | as_resource(house, HOME), parts)


def _inputs(columns: Columns, new: Columns) -> Columns:
    """Return what the home has in place of its resources: the SESP's link, identification, local mode."""
    return {
        "local_mode": columns["local_mode"],
        "sesp_heard": common.sesp_heard(columns),
        "sesp_silence_s": columns["sesp_silence_s"],
        "identification_failed": new["identification_failed"],
    }


def _with_voltage_where(live: Floats, surroundings: Surroundings) -> Surroundings:
    """Return the surroundings with no voltage where ``live`` is 0."""
    if not anywhere(live == 0.0):
        return surroundings
    return surroundings.darkened(live)


def _summed(new: Columns, parts: ResourceColumns, surroundings: Surroundings, dt_s: float) -> Columns:
    """Show the connection point: the sum of the four resources, phase by phase."""
    none = nothing(len(new["online"]))

    def total(name: str) -> Floats:
        moving = [column for resource in RESOURCES if (column := parts[resource][name]) is not none]
        return reduce(np.add, moving) if moving else none

    active_w = np.array([total(f"active_power_l{phase}_w") for phase in (1, 2, 3)])
    reactive_var = np.array([total(f"reactive_power_l{phase}_var") for phase in (1, 2, 3)])
    totals = total("active_power_w"), total("reactive_power_var")
    return connection.by_phase(new, surroundings, active_w, reactive_var, dt_s, totals)


def _end_step(new: Columns, parts: ResourceColumns) -> Columns:
    """End the step; an alarm of a resource is an alarm of the home."""
    ended = common.end_step(new)
    alarms = (ended["general_alarm"], *(parts[resource]["general_alarm"] for resource in _SPECS))
    raised = [alarm for alarm in alarms if not is_nothing(alarm)]
    if raised:
        ended["general_alarm"] = reduce(np.maximum, raised)
    return ended


def _limits() -> dict[str, Limits]:
    """The limits of every resource under their names at the home, and the connection point's own."""
    found = {
        "active_power_setpoint_w": Limits(
            OfColumn("rated_charge_power_w", -1.0),
            OfColumn("rated_power_w"),
            OfColumn("reach_min_w"),
            OfColumn("reach_max_w"),
        ),
        "reactive_power_setpoint_var": Limits(
            OfColumn("rated_apparent_power_va", -1.0), OfColumn("rated_apparent_power_va")
        ),
        "voltage_setpoint_v": Limits(OfColumn("reference_min_v"), OfColumn("reference_max_v")),
        "home_active_power_setpoint_w": Limits(
            OfColumn("home_deferrable_rated_w", -1.0), 0.0, OfColumn("home_deferrable_power_w", -1.0), 0.0
        ),
    }
    for resource, spec in _SPECS.items():
        for name, limits in spec.limits.items():
            found[resource.of(name)] = limits.with_columns(resource.of)
    return with_reverted(found)


def _follows() -> dict[str, Effect]:
    found = {
        **common.FOLLOWS,
        "active_power_setpoint_w": Effect("active_power_w"),
        "home_active_power_setpoint_w": Effect("home_active_power_w"),
    }
    for resource, spec in _SPECS.items():
        for name, shown in spec.follows.items():
            if resource.of(name) in QUANTITIES:
                found[resource.of(name)] = replace(shown, quantity=resource.of(shown.quantity))
    return found


def _of_all(names: tuple[str, ...]) -> tuple[str, ...]:
    """Quantities of the connection point and of every resource that has them."""
    everywhere = (*names, *(resource.of(name) for resource in RESOURCES for name in names))
    return tuple(name for name in everywhere if name in QUANTITIES)


DEVICE: Final = DeviceSpec(
    kind="prosumer",
    use_case="UC-5-PRO",
    title="Prosumer home",
    quantities=quantities(QUANTITIES),
    items={
        "electrical state variables set-points of all resources": _of_all(
            (*common.SET_POINT_ITEMS, "current_limit_a", "charging_phases", "session_energy_limit_wh")
        ),
        "commands / requests of information": _of_all(
            (*common.COMMAND_ITEMS, "charge_release", *(each.name for each in quantities(RELAY) if each.writable))
        ),
        "electrical state variables measurements of all resources": _of_all((*CONNECTION_POINT, *METERING)),
        "state of charge of EV": ("ev_vehicle_soc_frac",),
        "state of charge of storage": ("storage_soc_frac",),
        "lifespan of storage": ("storage_soh_frac", "storage_cycle_count", "storage_remaining_life_years"),
        "room temperature": ("home_room_temperature_degc",),
        "outside temperature": ("outside_temperature_degc",),
        "capacity of deferrable loads": ("home_deferrable_power_w", "home_deferrable_energy_wh"),
        "generation capacity over the maximum": ("pv_available_power_frac", "pv_available_power_w"),
    },
    behaviour={
        **common.EXCEPTIONS,
        **support.BEHAVIOUR,
        "modify active power produced or consumed": _of_all(("active_power_setpoint_w", "active_power_w")),
        "modifies its energy consumed/generated": _of_all(("energy_imported_wh", "energy_exported_wh")),
        "modifies its power factor": _of_all(("power_factor",)),
        "the SESP notifies that it has received the information": ("sesp_receipt", "sesp_receipts"),
    },
    ratings=RATINGS,
    limits=_limits(),
    follows=_follows(),
    make=make,
    sunlit=lambda columns: True,
    step=compound.stepped(flow, _RESOURCES),
    resources=_RESOURCES,
    flow=flow,
    feels=("temperature", "wind_speed"),
    replays={
        "load": lambda ratings: common.connection_power_w(ratings, ratings["main_fuse_a"]),
        "pv_power": lambda ratings: ratings["pv_rated_power_w"],
        "irradiance": common.no_most,
        "sessions": lambda ratings: ev_charger.most_w(
            {name: ratings[name] for name in _SHARED_RATINGS} | of_resource(ratings, EV)
        ),
        PRICE: common.no_most,
    },
    by_price=lambda ratings: battery.own.by_price(of_resource(ratings, STORAGE)),
    with_any_command=common.WITH_ANY_COMMAND,
)
