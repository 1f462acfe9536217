"""Owns: of the spool goes what is beyond its limits and in the lake, oldest first, and nothing else."""

from __future__ import annotations

from random import Random

import pyarrow as pa
import pytest

from stswatch.pipeline.spool.closing import Keep
from stswatch.pipeline.spool.segments import Header, header_line, name_of
from stswatch.pipeline.store import ledger
from stswatch.pipeline.watch.retention import KeepError, clear, parse

DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "7w", "-7d", "7d,", "7d 20G", "1.5d", "٣d", "20g", "none"])
def test_what_is_no_retention_is_said(text):
    with pytest.raises(KeepError, match="give an age or a size such as 7d, 36h or 20G"):
        parse(text)


@pytest.fixture
def spool(tmp_path):
    """A data folder with ten segments of some thousand bytes, one a day, and how to put some into the lake."""
    folder = tmp_path / "data" / "spool" / "roof"
    folder.mkdir(parents=True)
    paths = [folder / f"{name_of(NOW_US - day * DAY_US)}.nmea.zst" for day in range(9, -1, -1)]
    for path in paths:
        text = header_line(Header("roof", 1), "nmea", "") + Random(0).randbytes(960)
        path.write_bytes(pa.compress(text, "zstd", asbytes=True))

    def ingest(*which):
        for k in which:
            ledger.enter(tmp_path / "data", {"source": f"{k:016x}", "path": str(paths[k])}, 1, "", [])

    return tmp_path / "data", ingest, lambda: [int(paths.index(path)) for path in sorted(folder.iterdir())]


def test_nothing_goes_that_is_not_in_the_lake(spool):
    data, _, left = spool
    assert clear(data, Keep(bytes=1), NOW_US) == []
    assert left() == list(range(10))


def test_nothing_goes_where_it_was_not_asked_for(spool):
    data, ingest, left = spool
    ingest(*range(10))
    assert clear(data, parse("all"), NOW_US) == []
    assert left() == list(range(10))


@pytest.mark.parametrize(
    ("keep", "gone"),
    [
        (Keep(age_us=5 * DAY_US), [0, 1, 2]),  # a segment ends where the next begins
        (Keep(bytes=4500), [0, 1, 2, 3, 4, 5]),
        (Keep(bytes=4500, age_us=5 * DAY_US), [0, 1, 2, 3, 4, 5]),
        (Keep(bytes=1, age_us=1), list(range(9))),  # never the newest
        (Keep(bytes=1 << 30, age_us=30 * DAY_US), []),
    ],
)
def test_the_oldest_go_first(keep, gone, spool):
    data, ingest, left = spool
    ingest(*range(10))
    assert len(clear(data, keep, NOW_US)) == len(gone)
    assert left() == [k for k in range(10) if k not in gone]


def test_what_is_still_to_be_read_stops_it(spool):
    """In order of time: behind a segment that is not in the lake nothing goes."""
    data, ingest, left = spool
    ingest(0, 1, 3, 4, 5)
    clear(data, Keep(bytes=1), NOW_US)
    assert left() == list(range(2, 10))
