"""Modbus over TCP and serial lines: one engine a connection, over one row of bytes a device.

Sources: MODBUS Application Protocol Specification V1.1b3 ("AP"), MODBUS Messaging on TCP/IP Implementation Guide
V1.0b ("TCP") and MODBUS over Serial Line V1.02 ("SL").

``options`` is what a site file may say, ``table`` the registers of a group, ``functions`` and ``application``
what a master is answered, ``engine`` the framing of TCP and the station, ``rtu`` the framing of serial lines.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.protocol import OnLine, ProtocolSpec
from pilotfarm.emulators.contracts.way import WhenFull
from pilotfarm.emulators.plans.chains import Chains
from pilotfarm.emulators.protocols.modbus.asking import ASKING
from pilotfarm.emulators.protocols.modbus.engine import ModbusStation
from pilotfarm.emulators.protocols.modbus.options import UNITS, ModbusOptions
from pilotfarm.emulators.protocols.modbus.table import ModbusTable


def _form(options: ModbusOptions) -> Chains:
    return Chains(options.sunspec_base, options.sunspec_common)


_OF_CONNECTIONS: Final = ("max_connections", "idle_timeout_s")


def _refused_on_a_line(options: ModbusOptions) -> str:
    if options.framing == "tcp":
        return "framing: tcp does not go over a serial line, which carries RTU frames; leave framing out"
    if options.bus is not None:
        return "a serial line has no bus behind it: leave out bus"
    said = [name for name in _OF_CONNECTIONS if name in options.model_fields_set]
    return f"a serial line has no connections: leave out {' and '.join(said)}" if said else ""


def _framing(options: ModbusOptions) -> str:
    return "rtu" if options.framing == "rtu" else ""


PROTOCOL: Final = ProtocolSpec(
    name="modbus",
    title="Modbus",
    default_port=1502,
    address_name="unit",
    options_model=ModbusOptions,
    address_range=UNITS,
    spontaneous=False,
    table=ModbusTable,
    station=ModbusStation,
    # MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 4.2: the oldest unused connection is closed.
    when_full=WhenFull.LONGEST_UNUSED_GIVES_WAY,
    form=_form,
    asking=ASKING,
    on_line=OnLine(ModbusStation, _refused_on_a_line),
    framing=_framing,
)
