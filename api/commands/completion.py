"""What a shell may complete: each function takes the beginning of a word and returns the words that begin so.

They import when they are called, so that completing one word costs no more than it must.
"""

from __future__ import annotations

from collections.abc import Iterable


def sites(incomplete: str) -> list[str]:
    """Built-in sites; paths are the shell's own to complete."""
    from pilotfarm import profiles

    return _beginning(profiles.names(), incomplete)


def scenarios(incomplete: str) -> list[str]:
    """Built-in scenarios; paths are the shell's own to complete."""
    from pilotfarm import profiles

    return _beginning(profiles.scenario_names(), incomplete)


def device_kinds(incomplete: str) -> list[str]:
    from pilotfarm.emulators.registry import DEVICES

    return _beginning(DEVICES, incomplete)


def fault_kinds(incomplete: str) -> list[str]:
    from pilotfarm.emulators.registry import FAULTS

    return _beginning(FAULTS, incomplete)


def fault_modes(incomplete: str) -> list[str]:
    """The modes of every kind of fault."""
    from pilotfarm.emulators import registry

    return _beginning(
        dict.fromkeys(mode for kind in registry.FAULTS for mode in registry.fault(kind).modes), incomplete
    )


def quantities(incomplete: str) -> list[str]:
    from pilotfarm.emulators.quantities import CATALOGUE

    return _beginning(CATALOGUE, incomplete)


def protocols(incomplete: str) -> list[str]:
    from pilotfarm.emulators.registry import PROTOCOLS

    return _beginning(PROTOCOLS, incomplete)


def maps(incomplete: str) -> list[str]:
    from pilotfarm.emulators.plans.own_list import OWN_LIST
    from pilotfarm.emulators.registry import MAPS

    return _beginning((*MAPS, OWN_LIST), incomplete)


def media(incomplete: str) -> list[str]:
    from pilotfarm.profiles.media import NAMES

    return _beginning(NAMES, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
