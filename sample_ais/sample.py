"""The recording of 48 hours from the Yellow Sea to the East China Sea: its plan, and how it is written again.

    python -m stswatch.sample_ais.sample --out sample_ais

Stations deliver at most one position of a ship a minute, and one static report in half an hour.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from stswatch.sample_ais import feed
from stswatch.sample_ais.simulation import Plan, simulate

NAME = "simulated_48h"
SEED = 6
PLAN = Plan(
    start_s=1_741_564_800,  # 2025-03-10T00:00Z
    days=2.0,
    background=40,
    transfers=20,
    look_alikes=38,
    in_zones=0.65,
    box=(117.5, 25.0, 129.5, 41.0),
)


def write(out: Path) -> list[Path]:
    """Writes recording, truth and table into a folder, made if need be; raises OSError where it cannot."""
    sea = simulate(PLAN, SEED)
    files = [*feed.write(out, sea, NAME, tables=False), out / f"{NAME}.csv"]
    files[-1].write_text(feed.table(sea))
    return files


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write the recording of 48 hours, the truth and the table beside it.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    for path in write(parser.parse_args(argv).out):
        print(path)


if __name__ == "__main__":
    main()
