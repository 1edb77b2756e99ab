"""``docs/scenarios.md`` says what there is, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scenario_rig import draft

from pilotfarm import profiles
from pilotfarm.emulators.farm.farm import Farm
from pilotfarm.emulators.scenarios.engine import Run
from pilotfarm.emulators.scenarios.model import FaultTable, Head, PhaseTable, SespLoadTable, SetpointsTable, StepTable
from pilotfarm.emulators.scenarios.reading import load
from pilotfarm.emulators.scenarios.resolve import resolve
from pilotfarm.emulators.scenarios.verdict import Verdict
from pilotfarm.emulators.scenarios.words import OPERATORS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scenarios.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", [Head, PhaseTable, SespLoadTable, StepTable, FaultTable, SetpointsTable])
def test_the_page_has_every_key(model: type) -> None:
    missing = [name for name in model.model_fields if f"`{name}`" not in PAGE and f"`{name}:" not in PAGE]
    assert not missing


def test_the_page_has_every_verdict_operator_and_built_in_scenario() -> None:
    assert all(f"| `{verdict}` |" in PAGE for verdict in Verdict)
    assert all(f"`{operator}`" in PAGE for operator in OPERATORS)
    rows = re.findall(r"^\| `([a-z-]+)` \| `([a-z]+)` \|", PAGE, re.MULTILINE)
    assert rows == [(name, head.site) for name in profiles.scenario_names() if (head := load(name).head)]


def test_the_example_passes() -> None:
    (text,) = re.findall(r"```yaml\n(name: .*?)```", PAGE, re.DOTALL)
    made = draft(text)
    farm = Farm(made.layout())
    farm.step(1.0)
    run = Run(resolve(made, farm), farm)
    run.advance()
    while not run.over:
        farm.step(farm.layout.step_s)
        run.advance()
    assert run.verdict == "PASS", run.results


def test_the_python_of_the_page_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "scenarios.md", "exec"), {})
