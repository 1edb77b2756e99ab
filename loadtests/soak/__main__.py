"""``python -m pilotfarm.loadtests.soak --minutes N``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from rich.console import Console

try:
    from pilotfarm.loadtests.soak import report
    from pilotfarm.loadtests.soak.farm import FarmError
    from pilotfarm.loadtests.soak.run import Options, soak
except ModuleNotFoundError as missing:
    sys.exit(f"error: no module {missing.name}: a soak takes the masters of pilotfarm[peers]")


def main(arguments: list[str] | None = None) -> int:
    """Run a soak; return 0 if nothing failed, 1 if something did, 2 if a farm could not be had."""
    options = _parsed(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160, soft_wrap=not sys.stdout.isatty())
    try:
        outcome = asyncio.run(soak(options, lambda line: console.print(line, highlight=False)))
    except FarmError as error:
        console.print(f"FAIL: {error}", markup=False)
        return 2
    return 0 if report.show(outcome, options.out, console) else 1


def _parsed(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(
        prog="python -m pilotfarm.loadtests.soak",
        description="Two farms with masters of three protocols, watched for a while and judged. Ctrl-C ends it early.",
    )

    def option(name: str, default: Any, metavar: str, text: str) -> None:
        parser.add_argument(name, type=type(default), default=default, metavar=metavar, help=f"{text} (%(default)s)")

    parser.add_argument("--minutes", type=float, required=True, metavar="N", help="how long, once both farms are up")
    option("--site", Options.site, "SITE", "the site at a pilot's pace")
    option("--out", Options.out, "DIR", "folder for samples, logs, verdict and plot")
    option("--every-s", Options.every_s, "S", "seconds between two samples")
    option("--far-speed", Options.far_speed, "X", "site seconds a wall second of the farm that runs ahead")
    option("--addresses", Options.addresses, "CIDR", "addresses of the site's devices")
    option("--far-addresses", Options.far_addresses, "CIDR", "addresses of the other farm's devices")
    option("--api", Options.api, "HOST:PORT", "REST of the site")
    option("--far-api", Options.far_api, "HOST:PORT", "REST of the other farm")
    parser.add_argument("--ledger", action="store_true", help="record both farms")
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
