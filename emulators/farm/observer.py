"""Who is told what happens on a farm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pilotfarm.emulators.contracts.protocol import Command

if TYPE_CHECKING:
    from pilotfarm.emulators.farm.farm import Farm


class Observer(Protocol):
    """Somebody who keeps a record of what happens: the ledger, the event stream."""

    def stepped(self, farm: Farm) -> None: ...
    def commanded(self, command: Command, farm: Farm) -> None: ...
    def traced(self, command: Command, name: str, outcome: str, farm: Farm) -> None: ...
    def fault_changed(self, fault: Any, event: str, farm: Farm) -> None: ...
