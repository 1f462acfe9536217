"""Owns: of the spool goes what is beyond its limits, in the lake, and of no use to a start; the oldest first."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.live.reconcile import reconcile
from stswatch.pipeline.live.spool_reader import _position
from stswatch.pipeline.live.stream import KeepError, clear, parse
from stswatch.pipeline.spool.closing import Keep, pack
from stswatch.pipeline.spool.segments import name_of, segment_of, segments, time_of
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import SourceEntry, enter
from tests.pipeline import seas
from tests.pipeline.live.replay import WORLD, lines, replay
from tests.pipeline.live.test_law import by_run, events
from tests.pipeline.spool.spools import written

pytestmark = pytest.mark.e2e

MINUTE_US, DAY_US = 60_000_000, 86_400_000_000
NOW_US = 20_000 * DAY_US


@pytest.mark.parametrize("text", ["", "7", "d", "0d", "7w", "-7d", "7d,", "7d 20G", "1.5d", "٣d", "20g", "none"])
def test_what_is_no_retention_is_said(text):
    with pytest.raises(KeepError, match="give an age or a size such as 7d, 36h or 20G"):
        parse(text)


def path_of(data, begun_us, packed):
    return data / "spool" / "roof" / f"{name_of(begun_us)}.nmea{packed}"


def write(path):
    """A segment of some thousand bytes."""
    plain = path.with_name(path.name.removesuffix(".zst"))
    written(plain, [(time_of(segment_of(path)), Random(0).randbytes(552))])
    if path != plain:
        pack(plain)


def enter_all(data, paths):
    """Put these files, by number, into the catalogue."""
    with Catalogue.open(data, verify=False) as catalogue:
        enter(catalogue, [SourceEntry({"source": f"{k:016x}", "path": str(paths[k])}, 1, "", [], []) for k in paths])


@pytest.fixture
def spool(tmp_path):
    """A data folder with ten segments of some thousand bytes, one a day, and how to put some into the lake."""
    paths = [path_of(tmp_path / "data", NOW_US - day * DAY_US, ".zst") for day in range(9, -1, -1)]
    for path in paths:
        write(path)

    def ingest(*which):
        enter_all(tmp_path / "data", {k: paths[k] for k in which})

    return tmp_path / "data", ingest, lambda: [int(paths.index(path)) for path in segments(paths[0].parent)]


def test_nothing_goes_that_is_not_in_the_lake(spool):
    data, _, left = spool
    assert clear(data, Keep(bytes=1), NOW_US, NOW_US) == []
    assert left() == list(range(10))


def test_nothing_goes_where_it_was_not_asked_for(spool):
    data, ingest, left = spool
    ingest(*range(10))
    assert clear(data, parse("all"), NOW_US, NOW_US) == []
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
    assert len(clear(data, keep, NOW_US, NOW_US)) == len(gone)
    assert left() == [k for k in range(10) if k not in gone]


def test_what_is_still_to_be_read_stops_it(spool):
    """In order of time: behind a segment that is not in the lake nothing goes."""
    data, ingest, left = spool
    ingest(0, 1, 3, 4, 5)
    clear(data, Keep(bytes=1), NOW_US, NOW_US)
    assert left() == list(range(2, 10))


@given(
    gaps_min=st.lists(st.integers(1, 200), min_size=1, max_size=12),
    unread=st.sets(st.integers(0, 12)),
    plain=st.integers(0, 2),
    finalized_min=st.integers(-100, 2500),
    keep=st.builds(Keep, bytes=st.integers(0, 5000), age_us=st.integers(0, 2000 * MINUTE_US)),
)
def test_however_little_is_kept_a_start_finds_what_it_reads(gaps_min, unread, plain, finalized_min, keep):
    """What a watch goes on from is what it would have gone on from, and nothing goes that is not in the lake."""
    with TemporaryDirectory() as place:
        data = Path(place)
        begun_us = [NOW_US + sum(gaps_min[:k]) * MINUTE_US for k in range(len(gaps_min))]
        paths = [path_of(data, us, "" if k >= len(begun_us) - plain else ".zst") for k, us in enumerate(begun_us)]
        for path in paths:
            write(path)
        enter_all(data, {k: path for k, path in enumerate(paths) if k not in unread and path.suffix == ".zst"})
        since_us = NOW_US + finalized_min * MINUTE_US
        start = _position(paths[0].parent, since_us)
        clear(data, keep, begun_us[-1] + DAY_US, since_us)
        left = segments(paths[0].parent)
        assert _position(paths[0].parent, since_us) == start
        needed = {path for path in paths if segment_of(path) >= start.segment} if start.segment else set(paths)
        assert needed <= set(left)
        assert {path for k, path in enumerate(paths) if k in unread} <= set(left)
        assert left == paths[len(paths) - len(left) :], "oldest first"


@pytest.mark.soak
def test_a_watch_that_keeps_next_to_nothing_goes_on_and_finds_the_same(tmp_path):
    """Of its spool it has what came since the last finalized hour when it begins again in the middle of another."""
    text, data, gone = lines(3), tmp_path / "data", []

    def keep_nothing(noted):
        if noted.reports and (finalized_us := noted.reports[-1].finalized_us):
            gone.extend(clear(data, Keep(bytes=1, age_us=1), noted.arrival_us, finalized_us - MINUTE_US))

    half = round(0.6 * len(text))
    for part in (text[:half], text[half:]):
        assert replay(data, part, meanwhile=keep_nothing).printed == []
    assert len(gone) >= 2
    assert len(segments(data / "spool" / "rec")) <= 4
    reconcile(data, WORLD)
    found = by_run(text, tmp_path)
    assert found["encounters"].num_rows >= 3
    seas.assert_same(found, events(data))
