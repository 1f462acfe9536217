"""Makes geo/data/world_ports.csv from the World Port Index.

    python -m stswatch.geo.scripts.build_ports INDEX [--check]

INDEX: the Index as CSV, gzipped or not, with its columns INDEX_NO, PORT_NAME, COUNTRY, LATITUDE, LONGITUDE. Kept is
what lies beside no port of `ports()`, to four decimals: the Index is true to a minute. `--check` builds it again and
compares: the exit status is 1 where the file differs.
Source: World Port Index, publication 150, US National Geospatial-Intelligence Agency, public domain.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.geo.reference.ports import SAME_PORT_KM, SAME_TRADE_PORT_KM, ports

LEFT_OUT = {"60125": "Lanshan: the Index prints latitude 30.10, 550 km inland; geo/data/ports.csv has it right"}
# Source: estimates of this project, to about 1 km; harbours that the Index of this edition does not have.
ADDED = (
    ("X-GIBRALTAR", "Gibraltar", "GI", -5.36, 36.145),
    ("X-PORT-SUEZ", "Port Suez", "EG", 32.56, 29.94),
    ("X-PUERTO-BANUS", "Puerto Banus", "ES", -4.953, 36.485),
    ("X-TANGER-MED", "Tanger Med", "MA", -5.5, 35.885),
)
MADE = "world_ports.csv"


def build(index: Path) -> str:
    """The rows of the Index as CSV: id, name, country, lon, lat."""
    opened = gzip.open if index.suffix == ".gz" else open
    with opened(index, "rt", encoding="utf-8-sig") as file:
        found = [_row(row) for row in csv.DictReader(file) if row["INDEX_NO"] not in LEFT_OUT]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("id", "name", "country", "lon", "lat"))
    for key, name, country, lon, lat in (*sorted(found, key=lambda row: int(row[0][3:])), *ADDED):
        if not _beside(lon, lat):
            writer.writerow((key, name, country, f"{lon:.4f}", f"{lat:.4f}"))
    return out.getvalue()


def _row(row: dict[str, str]) -> tuple[str, str, str, float, float]:
    name, country = row["PORT_NAME"].strip().title(), row["COUNTRY"].strip()
    return f"WPI{row['INDEX_NO']}", name, country, float(row["LONGITUDE"]), float(row["LATITUDE"])


def _beside(lon: float, lat: float) -> bool:
    """Whether a port known already lies so near that it is the same."""
    known = ports()
    reach_m = np.where(known.trade, SAME_TRADE_PORT_KM, SAME_PORT_KM) * 1000
    return bool((haversine_m(lon, lat, known.lon, known.lat) <= reach_m).any())


def main() -> int:
    """Build the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    made, path = build(given.index), Path(str(files("stswatch.geo") / "data" / MADE))
    if not given.check:
        path.write_text(made, encoding="utf-8")
        return 0
    same = path.read_text(encoding="utf-8") == made
    sys.stdout.write(f"{MADE}: {'the same' if same else 'differs'}\n")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
