"""What a page calls by name and a reader has: demo-data as `make demo` leaves it, and archives of one's own.

Made once from the recording that comes with the project, the archives from its first day; every page gets its own copy.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import chdir, closing, contextmanager, redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from zipfile import ZipFile

from stswatch.pipeline import api, cli
from tests.docs.pages import ROOT
from tests.recording import RECORDING

DEMO = re.compile(r"^demo:.*\n((?:\t@?\$\(VENV\)/bin/stswatch .+\n)+)\n", re.M)
_NOAA = [
    *("MMSI", "BaseDateTime", "LAT", "LON", "SOG", "COG", "Heading", "VesselName"),
    *("IMO", "CallSign", "VesselType", "Status", "Length", "Width", "Draft"),
]
_OWN = ["ShipID", "Received", "X", "Y", "Speed", "Vessel"]
_SENT = ["2025-03-10T12:00:00", 38.5, 124.9]
_BAD: list[list[object]] = [  # what a real archive has too
    [281953278, "2025-03-10T12:00:00", 91.0, 181.0, *[""] * 11],
    [2810001, *_SENT, *[""] * 11],
    ["", *_SENT, *[""] * 11],
    ["", *_SENT, *[""] * 11],
    [281953278, "soon", 38.5, 124.9, *[""] * 11],
    [281953278, *_SENT],
]
Row: TypeAlias = tuple[int, datetime, float, float, float | None, float | None, int | None, str]
_FIXES = """SELECT f.mmsi, f.time, f.lat, f.lon, f.sog_kn, f.cog_deg, f.heading_deg, v.name
            FROM fixes f JOIN vessels v USING (mmsi)
            WHERE f.invalid_reason IS NULL AND f.time < '2025-03-11T00:00:00Z' ORDER BY f.time, f.mmsi"""


def make(home: Path) -> str:
    """Fill a folder with demo-data and with archives of one's own; gives what `make demo` printed."""
    printed = demo(home)
    with closing(api.connect(home / "demo-data")) as db:
        rows = db.sql(_FIXES).fetchall()
    (home / "archive").mkdir()
    noon = len(rows) // 2
    for name, part in (("2025-03-10-am.csv.gz", rows[:noon]), ("2025-03-10-pm.csv.gz", rows[noon:])):
        _write_csv(home / "archive" / name, ",", _NOAA, [_noaa(row) for row in part] + _BAD)
    _write_csv(home / "ships.csv", ";", _OWN, [_own(row) for row in rows])
    with ZipFile(home / "archive.zip", "w") as file:
        file.write(home / "ships.csv", "ships.csv")
    _write_capture(home / "capture.nmea")
    return printed


def demo(home: Path) -> str:
    """Run what `make demo` runs, in a folder; gives what it printed."""
    recipe = DEMO.search((ROOT / "Makefile").read_text())
    assert recipe, "make demo runs something else than stswatch"
    (home / "sample_ais").symlink_to(ROOT / "sample_ais")
    out = io.StringIO()
    with chdir(home), called(".venv/bin/stswatch"), redirect_stdout(out), redirect_stderr(io.StringIO()):
        for line in recipe[1].splitlines():
            assert cli.main(shlex.split(line)[1:]) == 0
    return out.getvalue()


@contextmanager
def called(word: str) -> Iterator[None]:
    """The program called by this word: on the PATH where it is a plain name, as in an environment that is active."""
    argv, path = sys.argv, os.environ["PATH"]
    active = [str(Path(sys.executable).parent)] if word == "stswatch" else []
    sys.argv = [word]
    os.environ["PATH"] = os.pathsep.join([*active, "/usr/bin", "/bin"])
    try:
        yield
    finally:
        sys.argv, os.environ["PATH"] = argv, path


def _noaa(row: Row) -> list[object]:
    mmsi, time, lat, lon, sog, cog, heading, name = row
    printed = [mmsi, f"{time:%Y-%m-%dT%H:%M:%S}", lat, lon, _short(sog), _short(cog), heading, name]
    return printed + [""] * (len(_NOAA) - len(printed))


def _own(row: Row) -> list[object]:
    """A row as somebody in Seoul may keep it: nine hours ahead of UTC, the day first."""
    mmsi, time, lat, lon, sog, _, _, name = row
    return [mmsi, f"{time + timedelta(hours=9):%d/%m/%Y %H:%M:%S}", lon, lat, _short(sog), name]


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _write_csv(path: Path, delimiter: str, header: list[str], rows: list[list[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _write_capture(path: Path) -> None:
    """Some sentences of the recording, without the tag blocks that tell their times."""
    with gzip.open(RECORDING) as file:
        lines = [line.rpartition(b"\\")[2] for line, _ in zip(file, range(2000), strict=False)]
    path.write_bytes(b"".join(lines))
