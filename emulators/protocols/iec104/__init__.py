"""IEC 60870-5-104, the controlled station.

``options`` is what a site file may say, ``asdu`` the codec, ``table`` the objects of a group and what of them
moved, ``outbox``, ``commands`` and ``application`` what a master asks and is told, ``link`` the frames and timers,
``engine`` joins them. All but ``options``, ``link`` and ``engine`` also fit IEC 60870-5-101, whose addresses have
other widths.
"""

from __future__ import annotations

from typing import Any, Final

from pilotfarm.emulators.contracts.protocol import ProtocolSpec
from pilotfarm.emulators.protocols.iec104.asdu import FORMAT_104, Format
from pilotfarm.emulators.protocols.iec104.engine import Iec104Station
from pilotfarm.emulators.protocols.iec104.options import Iec104Options
from pilotfarm.emulators.protocols.iec104.table import Iec104Table


def _form(options: Any) -> Format:
    return FORMAT_104


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
    form=_form,
    remembers=True,
)
