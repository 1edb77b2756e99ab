"""Writes ``docs/quantities.md`` and ``docs/maps`` from the catalogue and the maps as they are: ``make pages``."""

from __future__ import annotations

from pathlib import Path

import maps
import quantities

DOCS = Path(__file__).resolve().parents[1]


def pages() -> dict[Path, str]:
    """Return every page by its path."""
    return {DOCS / "quantities.md": quantities.page()} | {
        DOCS / "maps" / f"{name}.md": text for name, text in maps.pages().items()
    }


def main() -> None:
    """Write every page, and remove those of maps that are gone."""
    written = pages()
    for path in (DOCS / "maps").glob("*.md"):
        if path not in written:
            path.unlink()
    for path, text in written.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
