"""Modbus TCP: one engine a connection, over one row of bytes a device.

Sources: MODBUS Application Protocol Specification V1.1b3 ("AP") and MODBUS Messaging on TCP/IP
Implementation Guide V1.0b ("TCP").

``options`` is what a site file may say, ``table`` the registers of a group, ``functions`` and ``application``
what a master is answered, ``engine`` the framing of TCP and the station.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.protocol import ProtocolSpec
from pilotfarm.emulators.contracts.way import WhenFull
from pilotfarm.emulators.plans.chains import Chains
from pilotfarm.emulators.protocols.modbus.asking import ASKING
from pilotfarm.emulators.protocols.modbus.engine import ModbusStation
from pilotfarm.emulators.protocols.modbus.options import ModbusOptions
from pilotfarm.emulators.protocols.modbus.table import ModbusTable


def _form(options: ModbusOptions) -> Chains:
    return Chains(options.sunspec_base, options.sunspec_common)


PROTOCOL: Final = ProtocolSpec(
    name="modbus",
    title="Modbus TCP",
    default_port=1502,
    address_name="unit",
    options_model=ModbusOptions,
    address_range=(1, 247),
    spontaneous=False,
    table=ModbusTable,
    station=ModbusStation,
    # MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 4.2: the oldest unused connection is closed.
    when_full=WhenFull.LONGEST_UNUSED_GIVES_WAY,
    form=_form,
    asking=ASKING,
)
