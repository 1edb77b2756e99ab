"""The validation page shows every plot there is, and joins every topic."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "validation.md").read_text(encoding="utf-8")


def test_every_plot_of_the_page_is_there_and_none_is_left_out() -> None:
    shown = set(re.findall(r"\]\(images/validation/(\S+?)\)", PAGE))
    assert shown == {path.name for path in (DOCS / "images" / "validation").glob("*.png")}


def test_every_topic_that_can_be_drawn_is_joined() -> None:
    joined = set(re.findall(r'Topic\(\s*"(\w+)"', (DOCS / "validation" / "__main__.py").read_text(encoding="utf-8")))
    assert joined == {path.stem for path in (DOCS / "validation").glob("[a-z]*.py")}
    assert len(joined) == PAGE.count("\n## ")
