"""Commands on their way to the devices."""

from __future__ import annotations

from collections.abc import Mapping

from pilotfarm.emulators.quantities import Role, quantity


def enabled(values: Mapping[str, float]) -> dict[str, float]:
    """Close the switch of every set-point that has one, unless the same request sets it itself."""
    switches = {quantity(name).enables: 1.0 for name in values if quantity(name).role is Role.SETPOINT}
    return {**{name: on for name, on in switches.items() if name}, **values}
