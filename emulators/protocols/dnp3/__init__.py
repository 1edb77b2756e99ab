"""DNP3 (IEEE 1815) outstations over TCP, Subset Level 2 and what IEEE 1815.2 adds.

``options`` is what a site file may say, ``sections``, ``table`` and ``reading`` the objects of a group, ``counters``,
``attributes``, ``assignments`` and ``controls`` what else masters ask for, ``session`` and ``association`` one master,
``application`` the outstation, ``fragments`` and ``dialogue`` what it hears and says on a connection, ``link`` a
connection to one of them and ``multidrop`` to several, ``engine`` the station;
``asking`` is what stations that poll ask for.
The conversation stands on py1815's ``Session``: octets in, octets out, no socket and no clock.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.protocol import ProtocolSpec
from pilotfarm.emulators.contracts.way import WhenFull
from pilotfarm.emulators.protocols.dnp3.asking import ASKING
from pilotfarm.emulators.protocols.dnp3.engine import Dnp3Station
from pilotfarm.emulators.protocols.dnp3.options import Dnp3Options
from pilotfarm.emulators.protocols.dnp3.table import Dnp3Table

PROTOCOL: Final = ProtocolSpec(
    name="dnp3",
    title="DNP3 (IEEE 1815)",
    default_port=20_000,
    address_name="link_address",
    options_model=Dnp3Options,
    address_range=(0, 65_519),
    spontaneous=True,
    table=Dnp3Table,
    station=Dnp3Station,
    # Masters usually call themselves 1 to 4, and a master and an outstation cannot share an address.
    default_address=10,
    masters=lambda options: options.named_masters,
    asking=ASKING,
    # A master that comes back has the place of its own half-open connection, and not that of another master.
    when_full=WhenFull.SAME_HOST_GIVES_WAY,
)
