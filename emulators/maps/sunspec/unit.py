"""A Modbus unit with a SunSpec chain: model 1 first, vendor models last for what no other model carries."""

from __future__ import annotations

from collections.abc import Sequence

from pilotfarm.emulators.maps.binding import Quantities
from pilotfarm.emulators.maps.modbus_bits import COILS, DISCRETES
from pilotfarm.emulators.maps.sunspec.chain import SERIAL, UNIT_ID, VENDOR_MODELS, Chain, Model, chain, common, vendor
from pilotfarm.emulators.plans.modbus import Identity, Register, Unit, Window


def with_vendor(
    models: Sequence[Model], identity: Identity, has: Quantities, besides: Sequence[Register] = ()
) -> Chain:
    """A chain with model 1 before it, and behind it the vendor models for what neither it nor ``besides`` has."""
    models = [common(identity), *models]
    carried = {name for register in (*chain(models, has).registers, *besides) for name in register.carries}
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
    serial_numbers: Sequence[int] = (),
    makes_room: bool = False,
) -> Unit:
    """A unit with a SunSpec chain, and what else it answers below 40000."""
    laid = with_vendor(models, identity, has, () if makes_room else registers)
    return Unit(
        step,
        (*windows, laid.window),
        (*registers, *laid.registers),
        identity,
        DISCRETES,
        COILS,
        serials=(SERIAL, *serials),
        serial_numbers=tuple(serial_numbers),
        own_ids=(UNIT_ID,),
        unimplemented=laid.unimplemented,
        makes_room=makes_room,
        resource=has.resource,
    )
