"""What a kind of measurement fault is shown of its cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pilotfarm.emulators import registry
from pilotfarm.emulators.contracts.fault import MeasurementFault
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.farm.reports import Misreport, Reports


def test_what_is_true_is_shown_above_other_faults_too(farm: Farm) -> None:
    bias = registry.fault("bias")
    assert isinstance(bias, MeasurementFault)
    honest = replace(bias, kind="honest", report=lambda mode, cells: cells.true, then=None, replaces=False)
    group, rows = farm.groups["meters"], np.array([1])
    name, reports = "voltage_l1_v", Reports(farm.population)
    parameters = bias.parameters.model_validate({"offset": 5.0})
    for number, spec in enumerate((bias, honest), start=1):
        note = {name: group.columns[name][rows].copy()}
        reports.begin("meters", Misreport(number, spec, "", parameters, 0.0, 0.0, rows, note, {name: name}))
        reports.report(1.0)
        off_v = (group.reported[name] - group.columns[name]).tolist()
        assert off_v == [0.0, 5.0 if spec is bias else 0.0, 0.0, 0.0]
