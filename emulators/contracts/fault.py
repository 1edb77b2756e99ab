"""What a kind of fault is to the farm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotfarm.emulators.columns.arrays import Floats
from pilotfarm.emulators.contracts.quality import Quality


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What a grid fault does: which supplies of the targeted devices it opens, and what their area loses."""

    opens: str = ""
    """``feeder``, ``branch``, or nothing."""
    lost_generation_w: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """A fault, as the registry names it.

    A measurement fault has ``report(mode, parameters, true, reported, note, elapsed_s)``: given a
    quantity's true and so far reported values of the rows it grips, what was reported when it began
    and how long ago that was [s of site time], it returns what is reported instead and the quality of
    that. A communication fault has ``condition(mode, parameters)``: the name and the value, not 0,
    that every gripped device shows its protocol engines and listeners. A grid fault has
    ``disturbance(mode, parameters)``; it alone moves true columns, by way of the physics.
    """

    kind: str
    family: str
    title: str
    parameters: type[Any]
    """A pydantic model; its JSON Schema is the documentation."""
    modes: tuple[str, ...] = ()
    """Variants by name, the default first."""
    report: Callable[[str, Any, Floats, Floats, Floats, float], tuple[Floats, Quality]] | None = None
    condition: Callable[[str, Any], tuple[str, float]] | None = None
    disturbance: Callable[[str, Any], Disturbance] | None = None
    everywhere: bool = False
    """It acts on the whole site, and takes no target."""
    protocols: tuple[str, ...] = ()
    """Protocols it acts on: a device served on none of them is missed. Empty is all."""
    holds: bool = False
    """Whether an RTU loses sight of the device: its points keep their last values, not topical."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """Parameters to try it with."""
