"""Writes the table of ``docs/metrics.md``: ``python docs/metrics.py``."""

from __future__ import annotations

from pathlib import Path

from pilotfarm.api.metrics_list import METRICS

PAGE = Path(__file__).with_suffix(".md")
BEGIN, END = "<!-- by docs/metrics.py -->\n", "<!-- end -->"


def table() -> str:
    """Return every metric as a row: name, type, labels, meaning."""
    rows = ["", "| metric | type | labels | meaning |", "|---|---|---|---|"]
    for metric in METRICS.values():
        name = f"{metric.name}_total" if metric.kind == "counter" else metric.name
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{name}` | {metric.kind} | {labels} | {metric.text} |")
    return "\n".join([*rows, "", ""])


def page(text: str) -> str:
    """Return the page with its table renewed."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
