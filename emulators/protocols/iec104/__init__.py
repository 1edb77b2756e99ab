"""IEC 60870-5-104, the controlled station: the application of ``iec60870`` over TCP.

``options`` is what a site file may say, ``link`` has the frames and timers, ``engine`` joins link and application;
``asking`` is what stations that poll ask for.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.protocol import ProtocolSpec
from pilotfarm.emulators.protocols.iec104.asking import ASKING
from pilotfarm.emulators.protocols.iec104.engine import Iec104Station, format_of
from pilotfarm.emulators.protocols.iec104.options import Iec104Options
from pilotfarm.emulators.protocols.iec60870.table import ObjectTable

PROTOCOL: Final = ProtocolSpec(
    name="iec104",
    title="IEC 60870-5-104",
    default_port=2404,
    address_name="common_address",
    options_model=Iec104Options,
    address_range=(1, 65_534),
    spontaneous=True,
    table=ObjectTable,
    station=Iec104Station,
    form=format_of,
    remembers=lambda options: True,
    asking=ASKING,
)
