"""A site of a few devices on two stiff feeders, to be filled with groups."""

SITE = """\
name: small
title: A few devices to test with
location: {{latitude_deg: 47.8, longitude_deg: 10.2, altitude_m: 700, time_zone: Europe/Berlin}}
start: 2026-06-21T10:00:00
seed: {seed}
step_s: 1
feeders:
  east: {{resistance_ohm: 0.05, reactance_ohm: 0.03}}
  west: {{resistance_ohm: 0.05, reactance_ohm: 0.03}}
groups:
{groups}
"""

STORAGE = """\
  storage:
    kind: battery
    count: 3
    feeder: east
    ratings: {rated_power_w: 5000, rated_charge_power_w: 5000, rated_energy_wh: 10000}
    endpoints: [{protocol: modbus}]
"""
METERS = """\
  meters:
    kind: smart_meter
    count: 4
    feeder: west
    endpoints: [{protocol: modbus}]
"""
