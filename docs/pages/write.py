"""Writes the pages that are made from the code as it is: ``make pages``."""

from __future__ import annotations

from pathlib import Path

import command_line
import faults
import maps
import media
import python_api
import quantities

DOCS = Path(__file__).resolve().parents[1]


def pages() -> dict[Path, str]:
    """Return every page by its path."""
    single = {
        "quantities": quantities,
        "command-line": command_line,
        "faults": faults,
        "media": media,
        "python-api": python_api,
    }
    return {DOCS / f"{name}.md": module.page() for name, module in single.items()} | {
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
