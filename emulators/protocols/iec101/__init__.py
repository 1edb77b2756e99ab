"""IEC 60870-5-101, the controlled station: the application of ``iec60870`` on a line.

``frames`` is FT1.2, ``services`` the control field; ``secondary`` answers and ``primary`` begins, each a state machine
without a line. ``session`` joins a link address and its application; ``unbalanced`` and ``balanced`` are what a line
connects to, and ``station`` what stands at it. ``options`` is what a site file may say.
"""

from __future__ import annotations

from typing import Final

from pilotfarm.emulators.contracts.protocol import OnLine, ProtocolSpec
from pilotfarm.emulators.contracts.way import WhenFull
from pilotfarm.emulators.protocols.iec101.asking import ASKING
from pilotfarm.emulators.protocols.iec101.options import Iec101Options
from pilotfarm.emulators.protocols.iec101.station import Iec101Station
from pilotfarm.emulators.protocols.iec60870.table import ObjectTable


def _refused_on_a_line(options: Iec101Options) -> str:
    said = "max_connections" in options.model_fields_set
    return "a serial line has no connections: leave out max_connections" if said else ""


def _refused_on_a_shared_medium(options: Iec101Options) -> str:
    return "balanced both ends begin, and on a medium that is shared one talks at a time" if options.balanced else ""


PROTOCOL: Final = ProtocolSpec(
    name="iec101",
    title="IEC 60870-5-101",
    default_port=2401,
    address_name="common_address",
    options_model=Iec101Options,
    address_range=(1, 65_534),
    spontaneous=True,
    table=ObjectTable,
    station=Iec101Station,
    form=lambda options: options.form,
    remembers=lambda options: options.shares_link_address,
    address_max=lambda options: options.address_max,
    when_full=WhenFull.LONGEST_UNUSED_GIVES_WAY,
    asking=ASKING,
    on_line=OnLine(
        lambda seats, options, line: Iec101Station(seats, options), _refused_on_a_line, _refused_on_a_shared_medium
    ),
)
