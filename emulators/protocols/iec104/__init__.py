"""IEC 60870-5-104, the controlled station.

``options`` is what a site file may say, ``asdu`` and ``times`` the codec, ``table`` the objects of a group and what
of them moved. ``station`` is what masters share: ``events`` and whose they are (``groups``), ``counters``, selections
(``commands``). ``application`` is what one master asks and is told, with ``outbox``, ``replies`` and ``control``.
``link`` has the frames and timers, ``engine`` joins it all. All but ``link`` and ``engine`` also fit IEC 60870-5-101,
whose addresses have other widths.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.protocol import ProtocolSpec
from pilotfarm.emulators.protocols.iec104.engine import Iec104Station, format_of
from pilotfarm.emulators.protocols.iec104.options import Iec104Options
from pilotfarm.emulators.protocols.iec104.table import Iec104Table

PROTOCOL: Final = ProtocolSpec(
    name="iec104",
    title="IEC 60870-5-104",
    default_port=2404,
    address_name="common_address",
    options_model=Iec104Options,
    address_range=(1, 65_534),
    spontaneous=True,
    table=Iec104Table,
    station=Iec104Station,
    form=format_of,
    remembers=True,
)
