"""What a page calls by name and a reader has: demo-data as `make demo` leaves it, and archives of one's own.

Made once from the simulated day that comes with the project; every page gets its own copy.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path

from stswatch.pipeline import api, cli
from tests.docs.pages import ROOT

SAMPLE = ROOT / "sample_ais" / "simulated_24h.nmea.gz"
DEMO = re.compile(r"^demo:.*\n\t\$\(VENV\)/bin/(stswatch .+)$", re.M)
_NOAA = [
    *("MMSI", "BaseDateTime", "LAT", "LON", "SOG", "COG", "Heading", "VesselName"),
    *("IMO", "CallSign", "VesselType", "Status", "Length", "Width", "Draft"),
]
_FIXES = """SELECT f.mmsi, f.time, f.lat, f.lon, f.sog_kn, f.cog_deg, f.heading_deg, v.name
            FROM fixes f JOIN vessels v USING (mmsi) WHERE f.invalid IS NULL ORDER BY f.time, f.mmsi"""


def make(home: Path) -> str:
    """Fill a folder with demo-data, archive/, ships.csv and capture.nmea; gives what `make demo` printed."""
    said = demo(home)
    with closing(api.connect(home / "demo-data")) as db:
        rows = db.sql(_FIXES).fetchall()
    (home / "archive").mkdir()
    noon = len(rows) // 2
    for name, part in (("2025-03-10-am.csv.gz", rows[:noon]), ("2025-03-10-pm.csv.gz", rows[noon:])):
        _write_csv(home / "archive" / name, ",", _NOAA, (_noaa(row) for row in part))
    own = ["ShipID", "Received", "X", "Y", "Speed", "Vessel"]
    _write_csv(home / "ships.csv", ";", own, (_own(row) for row in rows))
    _write_capture(home / "capture.nmea")
    return said


def demo(home: Path) -> str:
    """Run what `make demo` runs, in a folder; gives what it printed."""
    command = DEMO.search((ROOT / "Makefile").read_text())
    assert command, "make demo no longer runs one command"
    (home / "sample_ais").symlink_to(ROOT / "sample_ais")
    out = io.StringIO()
    with chdir(home), redirect_stdout(out), redirect_stderr(io.StringIO()):
        assert cli.main(shlex.split(command[1])[1:]) == 0
    return out.getvalue()


def _noaa(row: tuple[object, ...]) -> Iterator[object]:
    mmsi, time, lat, lon, sog, cog, heading, name = row
    assert isinstance(time, datetime)
    yield from (mmsi, f"{time:%Y-%m-%dT%H:%M:%S}", lat, lon, _short(sog), _short(cog), heading, name)
    yield from ("",) * (len(_NOAA) - 8)


def _own(row: tuple[object, ...]) -> Iterator[object]:
    """A row as somebody in Seoul may keep it: nine hours ahead of UTC, the day first."""
    mmsi, time, lat, lon, sog, _, _, name = row
    assert isinstance(time, datetime)
    yield from (mmsi, f"{time + timedelta(hours=9):%d/%m/%Y %H:%M:%S}", lon, lat, _short(sog), name)


def _short(value: object) -> str:
    return "" if value is None else f"{value:.1f}"


def _write_csv(path: Path, delimiter: str, header: list[str], rows: Iterator[Iterator[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=os.linesep)
    writer.writerow(header)
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _write_capture(path: Path) -> None:
    """Some sentences of the simulated day, without the tag blocks that tell their times."""
    with gzip.open(SAMPLE) as file:
        lines = [line.rpartition(b"\\")[2] for line, _ in zip(file, range(2000), strict=False)]
    path.write_bytes(b"".join(lines))
