"""Polling by columns, as a site has it laid out: what scans devices, and what commands go down."""

from __future__ import annotations

import numpy as np

from pilotfarm.emulators.site.layout import PollingLayout
from pilotfarm.emulators.stations.downlink import Buses
from pilotfarm.emulators.stations.exchanges import way
from pilotfarm.emulators.stations.hindered import HinderedWay, Hindrances
from pilotfarm.emulators.stations.scanning import Scanner


def scanner(layout: PollingLayout, start_s: float, hindrances: Hindrances) -> Scanner:
    """Return what polls as a site has it laid out."""
    polls = layout.polls
    # A device's modem has time to fall asleep before the first request of a scan, and not between that and the others.
    every_s = np.zeros(len(polls.device))
    first = np.unique(polls.device, return_index=True)[1]
    every_s[first] = polls.every[first] * layout.scan_s
    over = way(layout.medium, layout.rate_bit_s, layout.keys[polls.device], layout.asked, layout.answered, every_s)
    return Scanner(
        polls,
        layout.keys,
        HinderedWay(over, hindrances, polls.device, layout.asked, layout.answered),
        classes=layout.classes,
        scan_s=layout.scan_s,
        timeout_s=layout.timeout_s,
        retries=layout.retries,
        start_s=start_s,
    )


def buses_of(layout: PollingLayout, hindrances: Hindrances) -> Buses:
    """Return what commands go down as a site has it laid out."""
    devices = len(layout.keys)
    asks, answers = (np.full(devices, float(octets)) for octets in layout.write)
    medium = way(layout.medium, layout.rate_bit_s, layout.keys, asks, answers)
    over = HinderedWay(medium, hindrances, np.arange(devices), asks, answers, writes=True)
    asked = way(layout.medium, layout.rate_bit_s, layout.keys[layout.polls.device], layout.asked, layout.answered)
    exchange_s = np.bincount(layout.polls.bus, asked.nominal_s) / np.bincount(layout.polls.bus)
    return Buses(over, layout.keys, layout.bus, exchange_s, timeout_s=layout.timeout_s, retries=layout.retries)
