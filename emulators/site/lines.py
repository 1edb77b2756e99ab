"""Serial lines of a site file: what a table says of one, and where the link of a pseudo-terminal is laid."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path as FilePath
from typing import Any, Final

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.protocol import ProtocolSpec
from pilotfarm.emulators.site.document import Document, Path
from pilotfarm.emulators.site.layout import PtyEndpoint, SerialEndpoint
from pilotfarm.emulators.site.model import Endpoint, Station
from pilotfarm.emulators.words import listed
from pilotfarm.profiles.media import NAMES, NONE
from pilotfarm.profiles.media.shared import SHARED

BAUD_RATE: Final = 19_200
DATA_BITS: Final = 8
_OF_A_LINE: Final = ("baud_rate", "parity", "stop_bits")
_OF_TCP: Final = ("ip", "host", "port")


def read(document: Document, table: Endpoint | Station, at: Path, site: str) -> SerialEndpoint | None:
    """Return the line that a table names, if it names one; what does not go with it is a problem.

    What is left out is as MODBUS over Serial Line V1.02, 2.5.1 has it: 19,200 bit/s, even parity, and two stop bits
    without parity.
    """
    said = table.model_fields_set
    if table.serial is None and table.pty is None:
        for key in _OF_A_LINE:
            if key in said:
                document.problem((*at, key), "is of a serial line; say serial or pty beside it")
        if table.medium in SHARED:
            document.problem((*at, "medium"), f"{table.medium} is of a serial line; say serial or pty beside it")
        return None
    if table.serial is not None and table.pty is not None:
        document.problem((*at, "pty"), "a line is the serial device or the pty, not both")
    for key in _OF_TCP:
        if key in said:
            document.problem((*at, key), "is of TCP; a serial line has no such address")
    if table.medium != NONE and table.medium in NAMES:
        message = f"{table.medium} is a way of TCP; what a serial line can be over is {listed(SHARED)}"
        document.problem((*at, "medium"), message)
    parity = table.parity or "even"
    stop_bits = table.stop_bits or (2 if parity == "none" else 1)
    settings = (BAUD_RATE if table.baud_rate is None else table.baud_rate, parity, DATA_BITS, stop_bits)
    if table.serial is not None:
        return SerialEndpoint(table.serial, *settings)
    return PtyEndpoint(str(folder(site) / str(table.pty)), *settings)


def folder(site: str) -> FilePath:
    """Return where the links of a site's pseudo-terminals are laid: among what the user's session runs."""
    runtime = FilePath(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute():
        return runtime / "pilotfarm" / site
    return FilePath(tempfile.gettempdir()) / f"pilotfarm-{os.getuid()}" / site


def check(document: Document, protocol: ProtocolSpec, options: Any, at: Path, table: Endpoint | Station) -> None:
    """Report a protocol that is not spoken on a line, or options of it that a line or its medium cannot have."""
    if protocol.on_line is None:
        spoken = [name for name in registry.PROTOCOLS if registry.protocol(name).on_line is not None]
        key = "pty" if table.serial is None else "serial"
        document.problem((*at, key), f"{protocol.name} is not spoken on a serial line; what is: {listed(spoken)}")
    elif options is not None and (refusal := protocol.on_line.refusal(options)):
        document.problem((*at, "options"), refusal)
    elif options is not None and table.medium in SHARED and (refusal := protocol.on_line.refusal_shared(options)):
        document.problem((*at, "medium"), refusal)
