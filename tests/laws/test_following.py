"""What devices follow of what they are told: in arrays, by whom a fault grips, as one device after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from pilotfarm.emulators import registry
from pilotfarm.emulators.columns.arrays import canonical
from pilotfarm.emulators.farm.following import FOLLOWING, IGNORES, Following
from pilotfarm.emulators.quantities import Quantity, Role

DEVICES = 6


@dataclass
class Told:
    """One set-point of one device, as it follows it."""

    quantity: Quantity
    enabling: bool
    free: bool = True
    value: float = 0.0
    aim: float = 0.0
    left_s: float = 0.0

    def follow(self, told: float, ignores: float, takes_s: float, dt_s: float) -> float:
        if not ignores and not takes_s:
            self.free = True
            return told
        if self.free:
            self.free, self.value, self.aim, self.left_s = False, told, told, 0.0
        if ignores:
            self.left_s = 0.0
            return self.value
        if told != self.aim:
            self.aim, self.left_s = told, takes_s
        if self.left_s <= dt_s:
            self.value = told
        elif self.quantity.unit in ("W", "var", "A", "V", "Hz", "Wh") or self.quantity.name.endswith("_frac"):
            self.value += (told - self.value) * (dt_s / self.left_s)
        elif self.enabling and told > self.value:
            self.value = told
        self.left_s = max(self.left_s - dt_s, 0.0)
        return self.value


@pytest.mark.parametrize("kind", ["battery", "ev_charger"])
def test_devices_together_follow_as_each_alone(kind: str) -> None:
    draw = np.random.default_rng(7)
    quantities = registry.device(kind).quantities
    setpoints = [q for q in quantities if q.role is Role.SETPOINT]
    commands = [q.name for q in quantities if q.role is Role.COMMAND and not q.name.startswith("sesp_")]
    enabling = {q.enables for q in setpoints}
    following = Following(quantities)
    alone = {q.name: [Told(q, q.name in enabling) for _ in range(DEVICES)] for q in setpoints}
    told = {q.name: np.zeros(DEVICES) for q in quantities} | {name: np.zeros(DEVICES) for name in (IGNORES, FOLLOWING)}
    for step in range(400):
        dt_s = float(draw.choice([0.5, 1.0, 10.0]))
        for name in (*alone, IGNORES, FOLLOWING):
            if draw.random() < 0.1:
                values = {IGNORES: [0.0, 0.0, 0.0, 1.0, 2.0], FOLLOWING: [0.0, 0.0, 5.0, 20.0]}.get(name, range(-2, 3))
                told[name] = np.where(
                    draw.random(DEVICES) < 0.5, draw.choice(values, DEVICES).astype(float), told[name]
                )
        if step % 90 > 80:
            told |= {name: np.zeros(DEVICES) for name in (IGNORES, FOLLOWING)}
        told |= {name: (draw.random(DEVICES) < 0.1).astype(float) for name in commands}
        told = {name: canonical(column) for name, column in told.items()}
        found = following.followed(told, dt_s)
        for name, each in alone.items():
            own = zip(each, told[name], told[IGNORES], told[FOLLOWING], strict=True)
            expected = [one.follow(*map(float, at), dt_s) for one, *at in own]
            assert found.get(name, told[name]).tolist() == expected, (name, step)
        for name in commands:
            asked = np.where(told[IGNORES] == 2.0, 0.0, told[name])
            assert found.get(name, told[name]).tolist() == asked.tolist(), (name, step)
        assert all((found[name] != told[name]).any() for name in found)
