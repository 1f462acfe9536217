"""Owns: a wrong clock is a property of its record: kept, marked, without effect on anything else that is published."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stswatch.pipeline import api
from tests.pipeline.flow import archive

pytestmark = pytest.mark.e2e

START = datetime(2025, 3, 10, tzinfo=UTC)
ODD = 431_999_999  # who has the wrong clock


def rows_of(minutes, mmsi, lon, lat, start=START):
    """A row each of these minutes since the start, with a name of its own now and then."""
    time = [start + timedelta(minutes=float(m)) for m in minutes]
    name = [f"{mmsi} AT {k}" if k % 40 == 0 else None for k in range(len(time))]
    return pa.table(
        {
            "mmsi": pa.array([str(mmsi)] * len(time)),
            "time": pa.array(time, pa.timestamp("ms", "UTC")),
            "lon": pa.array(np.full(len(time), float(lon))),
            "lat": pa.array(np.full(len(time), float(lat))),
            "sog_kn": pa.array(np.full(len(time), 0.1)),
            "name": pa.array(name, pa.string()),
        }
    )


def ships(n=12, hours=24.0):
    """Ships far from each other, heard every ten minutes, and two that lie beside each other to the end of the data."""
    at = np.arange(0, hours * 60, 10)
    parts = [rows_of(at + k % 7, 431_000_010 + k, 120 + k, 33) for k in range(n - 2)]
    pair = [rows_of(at[at >= 60 * hours - 240], 431_000_000 + k, 124.5 + k * 1e-4, 38.25) for k in (1, 2)]
    return pa.concat_tables([*parts, *pair])


ALL, FEW = ships(), ships(n=2, hours=4.0)
STRAYS = {
    "a record of 2052": (FEW, rows_of([0], ODD, 10, -20, datetime(2052, 3, 10, 12, tzinfo=UTC))),
    "a record of 1989": (ALL, rows_of([0], ODD, 10, -20, datetime(1989, 1, 1, tzinfo=UTC))),
    "a clock 1024 weeks back": (ALL, rows_of(range(0, 400, 10), ODD, 121, 33.5, START - timedelta(weeks=1024))),
    "a clock five days ahead": (ALL, rows_of(range(0, 400, 10), 431_000_012, 122, 33, START + timedelta(days=5))),
    "a clock always a day ahead": (ALL, rows_of(range(0, 1440, 10), ODD, 121, 33.5, START + timedelta(days=1))),
    "months ahead": (FEW, rows_of(range(0, 300, 10), ODD, 121, 33.5, START + timedelta(days=90))),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What is published without strays, by how many rows there are."""
    found = {}
    for base in (ALL, FEW):
        folder = tmp_path_factory.mktemp("plain")
        found[base.num_rows] = everything(folder / "data", [archive.write(folder / "a.csv", base)])
    return found


def everything(data, files, **how):
    """What is published, the lake and the sources aside: these hold the strays."""
    found = archive.run(data, files, **how)
    with closing(api.connect(data)) as db:
        found["period"] = db.sql("SELECT data_start, data_end FROM runs ORDER BY started DESC LIMIT 1").to_arrow_table()
        found["used"] = db.sql("SELECT sum(fixes - invalid_fixes) AS used FROM sources").to_arrow_table()
    return found


def same(one, other):
    for name, rows in one.items():
        assert rows.drop_columns([c for c in ("id",) if c in rows.column_names]).equals(
            other[name].drop_columns([c for c in ("id",) if c in rows.column_names])
        ), name


@pytest.mark.parametrize("name", STRAYS)
def test_a_wrong_clock_changes_nothing_else(name, plain, tmp_path):
    base, stray = STRAYS[name]
    found = everything(tmp_path / "data", [archive.write(tmp_path / "a.csv", pa.concat_tables([base, stray]))])
    assert found["encounters"].num_rows == 1
    assert found["gaps"].num_rows == 0
    same(plain[base.num_rows], found)
    assert marked(tmp_path / "data") == (stray.num_rows, stray["name"].drop_null().__len__(), stray.num_rows)


def marked(data):
    """Fixes and static reports that are marked, and how many the sources say."""
    with closing(api.connect(data)) as db:
        fixes, reports = (
            db.sql(f"SELECT count(*) FROM {view} WHERE invalid_reason = 'clock'").fetchall()[0][0]
            for view in ("fixes", "static_reports")
        )
        return fixes, reports, db.sql("SELECT sum(stray_fixes) FROM sources").fetchall()[0][0]


def test_no_cut_shows_and_no_order(plain, tmp_path):
    strays = [STRAYS[name][1] for name in ("a clock 1024 weeks back", "a clock always a day ahead", "a record of 1989")]
    rows = pa.concat_tables([ALL, *strays])
    data = tmp_path / "data"
    parts = [archive.write(tmp_path / f"{k}.csv", archive.pick(rows, np.arange(len(rows)) % 2 == k)) for k in range(2)]
    for part in parts:  # one after the other, each told of the ones before
        found = everything(data, [part], slice_h=9.0, shards=4)
    same(plain[ALL.num_rows], found)
    assert marked(data)[0] == sum(stray.num_rows for stray in strays)


def test_what_comes_later_may_bear_a_clock_out(tmp_path):
    """A lone day of one ship is none once the days between are there too."""
    later = rows_of(range(0, 400, 10), 431_000_012, 122, 33, START + timedelta(days=5))
    data = tmp_path / "data"
    archive.run(data, [archive.write(tmp_path / "a.csv", pa.concat_tables([ALL, later]))])
    assert marked(data)[0] == later.num_rows
    hourly = range(0, 1440, 60)
    between = [rows_of(hourly, 431_000_010 + k % 3, 120, 33, START + timedelta(days=k)) for k in range(1, 7)]
    archive.run(data, [archive.write(tmp_path / "b.csv", pa.concat_tables(between))])
    assert marked(data)[0] == 0


def test_a_run_says_so_and_where_they_are(tmp_path):
    base, stray = STRAYS["a record of 2052"]
    done = api.run(archive.write(tmp_path / "a.csv", pa.concat_tables([base, stray])), tmp_path / "data")
    assert done.sources[0]["invalid_fixes"] == done.sources[0]["stray_fixes"] == 1
    assert done.sources[0]["last_time"] < datetime(2025, 3, 12, tzinfo=UTC)


def test_where_all_is_later_than_today_it_is_refused(tmp_path):
    rows = rows_of(range(0, 400, 10), ODD, 10, -20, datetime(2090, 3, 10, tzinfo=UTC))
    with pytest.raises(ValueError, match=r"holds no time between 1995-01-01 and .*, such as '2090-03-10"):
        api.run(archive.write(tmp_path / "a.csv", rows), tmp_path / "data")


def test_in_memory_as_in_a_run():
    base, stray = STRAYS["a record of 2052"]
    plain, found = (api.detect(rows) for rows in (base, pa.concat_tables([base, stray])))
    assert len(plain) == 1
    assert plain.equals(found)


def test_a_year_of_other_files_is_no_wrong_clock(tmp_path):
    old = ALL.set_column(1, "time", pc.subtract(ALL["time"], pa.scalar(8 * 365 * 86_400_000, pa.duration("ms"))))
    data = tmp_path / "data"
    found = archive.run(data, [archive.write(tmp_path / f"{k}.csv", rows) for k, rows in enumerate((ALL, old))])
    assert marked(data)[0] == 0
    assert found["encounters"].num_rows == 2
