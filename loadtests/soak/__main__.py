"""``python -m pilotfarm.loadtests.soak --minutes N``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console

from pilotfarm.loadtests.soak import report
from pilotfarm.loadtests.soak.farm import FarmError
from pilotfarm.loadtests.soak.run import Options, soak


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
    parser.add_argument("--minutes", type=float, required=True, metavar="N")
    parser.add_argument(
        "--out", type=Path, default=Path("soak"), metavar="DIR", help="for samples, logs and the verdict"
    )
    parser.add_argument("--every", type=float, default=30.0, metavar="S", help="seconds between samples")
    parser.add_argument(
        "--far-speed", type=float, default=Options.far_speed, metavar="X", help="site seconds a wall second"
    )
    parser.add_argument("--addresses", default=Options.addresses, metavar="CIDR", help="of norway's devices")
    parser.add_argument("--far-addresses", default=Options.far_addresses, metavar="CIDR")
    parser.add_argument("--api", default="127.0.0.1:0", metavar="HOST:PORT", help="of norway")
    parser.add_argument("--far-api", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--ledger", action="store_true", help="record both farms")
    told = parser.parse_args(arguments)
    return Options(
        minutes=told.minutes,
        out=told.out,
        every_s=told.every,
        far_speed=told.far_speed,
        addresses=told.addresses,
        far_addresses=told.far_addresses,
        api=told.api,
        far_api=told.far_api,
        ledger=told.ledger,
    )


if __name__ == "__main__":
    sys.exit(main())
