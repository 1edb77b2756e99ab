"""IEC 60870-5-104, the controlled station.

``apci`` is the link, ``asdu`` the codec, ``table`` the image of a group and what of it moved,
``outbox``, ``commands`` and ``application`` what a master asks and is told, ``engine`` joins them.
All but ``apci`` and ``engine`` also fit IEC 60870-5-101, whose addresses have other widths.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.protocol import ProtocolSpec
from pilotfarm.emulators.protocols.iec104.engine import Iec104Station, Options
from pilotfarm.emulators.protocols.iec104.table import Iec104Table

PROTOCOL: Final = ProtocolSpec(
    name="iec104",
    title="IEC 60870-5-104",
    default_port=2404,
    address_name="common_address",
    options_model=Options,
    address_range=(1, 65_534),
    spontaneous=True,
    table=Iec104Table,
    station=Iec104Station,
)
