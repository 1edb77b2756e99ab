"""What a soak leaves behind: a table, JSON, a plot, and what the plot shows in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pilotfarm.loadtests.soak.run import Outcome
from pilotfarm.loadtests.soak.samples import Sample
from pilotfarm.loadtests.soak.verdict import pace, passed


def show(outcome: Outcome, out: Path, console: Console) -> bool:
    """Print the verdict and write ``verdict.json`` and, where matplotlib is, ``soak.png``; whether all was passed."""
    good = all(passed(criteria) for criteria in outcome.criteria.values())
    for farm, criteria in outcome.criteria.items():
        table = Table("", "", "", title=f"{farm}, {outcome.minutes:.1f} minutes", show_header=False)
        for criterion in criteria:
            table.add_row(criterion.word, criterion.name, criterion.told)
        console.print(table)
    for each in outcome.watched:
        if told := pace(each.samples):
            console.print(_pace(each.farm.name, told))
    (out / "verdict.json").write_text(json.dumps(_record(outcome, good), indent=2) + "\n", encoding="utf-8")
    samples = [sample for each in outcome.watched for sample in each.samples]
    if draw(samples, out / "soak.png"):
        console.print(f"drawn: {out / 'soak.png'}: memory, descriptors, late steps and answers a second against time")
    console.print("PASS" if good else "FAIL")
    return good


def _pace(farm: str, told: Mapping[str, float]) -> str:
    return (
        f"{farm}: {told['steps']:,.0f} steps for {told['site_days']:,.1f} days of site time, "
        f"{told['late_steps']:,.0f} late, the worst by {told['worst_late_s']:.2f} s; {told['cpu_s']:,.0f} s of CPU"
    )


def _record(outcome: Outcome, good: bool) -> dict[str, Any]:
    return {
        "passed": good,
        "minutes": outcome.minutes,
        "farms": {
            each.farm.name: {
                "criteria": [asdict(criterion) for criterion in outcome.criteria[each.farm.name]],
                "told": pace(each.samples),
                "findings": asdict(each.findings),
                "samples": len(each.samples),
            }
            for each in outcome.watched
        },
    }


def draw(samples: Sequence[Sample], path: Path) -> bool:
    """Draw the samples; whether there is matplotlib to draw with."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(10.0, 10.0), layout="constrained")
    memory, held, late, answers = figure.subplots(4, 1, sharex=True)
    for farm in dict.fromkeys(sample.farm for sample in samples):
        own = [sample for sample in samples if sample.farm == farm]
        minutes = [sample.elapsed_s / 60.0 for sample in own]
        memory.plot(minutes, [sample.rss_mb for sample in own], label=farm)
        held.plot(minutes, [sample.descriptors for sample in own], label=f"{farm}, descriptors")
        held.plot(minutes, [sample.threads for sample in own], linestyle=":", label=f"{farm}, threads")
        late.plot(minutes, [sample.late_steps for sample in own], label=farm)
        for protocol in ("modbus", "iec104", "dnp3"):
            rates = [
                (getattr(b, f"{protocol}_answers") - getattr(a, f"{protocol}_answers")) / (b.elapsed_s - a.elapsed_s)
                for a, b in pairwise(own)
            ]
            answers.plot(minutes[1:], rates, label=f"{farm}, {protocol}")
    for axes, label in (
        (memory, "resident memory / MB"),
        (held, "held"),
        (late, "late steps"),
        (answers, "answers / s"),
    ):
        axes.set_ylabel(label)
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    answers.set_xlabel("time / min")
    figure.savefig(path)
    return True
