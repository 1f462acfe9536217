"""Owns: a bit that the disk turned in a spool is named, costs a minute, and makes no gap and no lead; a segment that is
gone is named."""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path

import duckdb
import pyais
import pytest

from stswatch.models.features import FEATURES
from stswatch.pipeline import api
from stswatch.pipeline.live.finalize import take_in
from stswatch.pipeline.live.reconcile import reconcile
from stswatch.pipeline.live.spool_reader import found_us
from stswatch.pipeline.readers.arrival_index import beside
from stswatch.pipeline.readers.frames import segment_index
from stswatch.pipeline.spool.clock import RecordedClock
from stswatch.pipeline.spool.closing import settle
from stswatch.pipeline.spool.segments import segments
from stswatch.pipeline.spool.writer import Limits, Spool
from tests.pipeline.damage import flip
from tests.pipeline.decode.captures import tagged
from tests.pipeline.flow import archive
from tests.pipeline.live.replay import SHORT_GAPS, WORLD, lines

pytestmark = pytest.mark.e2e

OF_SILENCES = {feature.name for feature in FEATURES if feature.silence}
HOURS = 2.6  # two segments that are closed, and one that a kill left open


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A spool that was killed in its last hour."""
    data = tmp_path_factory.mktemp("killed")
    spooled = Spool(data / "spool", "rec", "nmea", RecordedClock(), Limits(sync_s=0.0))
    text = lines(HOURS)
    for at in range(0, len(text), 40):
        spooled.append(b"".join(text[at : at + 40]))
        spooled._packer.go()
    spooled._packer.finish()
    assert [path.suffix for path in segments(spooled.folder)][-2:] == [".zst", ".nmea"]
    return data


def copied(killed, data):
    shutil.copytree(killed, data)
    return data / "spool" / "rec"


def found(data):
    """The gaps, what earned each lead points, how many positions each vessel has; what was said of it."""
    collected = reconcile(data, WORLD).notes
    tables = archive.published(data)
    with duckdb.connect(str(data / "stswatch.duckdb"), read_only=True) as store:
        leads = {
            (a, b): {reason["feature"]: reason["points"] for reason in reasons}
            for a, b, reasons in store.execute("SELECT mmsi_a, mmsi_b, reasons FROM flagged_encounters").fetchall()
        }
        positions = Counter(dict(store.execute("SELECT mmsi, count(*) FROM fixes GROUP BY mmsi").fetchall()))
    return tables["gaps"].to_pylist(), leads, positions, collected


def each(gaps):
    """How many each vessel has."""
    return Counter(gap["mmsi"] for gap in gaps)


def span(gap):
    return gap["mmsi"], gap["start_time"], gap["end_time"]


@pytest.mark.parametrize("newest", ["20990101T000000.000Z.nmea.zst", "20990101T000000.000Z.nmea"])
def test_a_newest_segment_that_tells_no_arrival_hides_none_of_those_before(killed, tmp_path, newest):
    """Else a watch that is started again would begin as if nothing had been heard, and tell all leads anew."""
    folder = copied(killed, tmp_path / "data")
    before_us = found_us(tmp_path / "data", [])
    assert before_us is not None
    (folder / newest).write_bytes(b"\x28\xb5\x2f\xfdof no use")
    assert found_us(tmp_path / "data", []) == before_us
    spooled = Spool(tmp_path / "data" / "spool", "rec", "nmea", RecordedClock())
    assert spooled.found_us == before_us
    assert all(newest in note for note in spooled.damage)
    spooled.append(lines(HOURS)[-1])
    names = [path.name for path in segments(folder)]
    assert newest not in names[-1:], "what comes goes behind it; half a line is no segment"


@pytest.fixture(scope="module")
def whole(killed, tmp_path_factory):
    """What is found where nothing is damaged."""
    data = tmp_path_factory.mktemp("whole") / "data"
    copied(killed, data)
    gaps, leads, positions, collected = found(data)
    assert collected == ()
    assert len(gaps) >= 3
    assert leads
    assert not any(gap["lost_min"] for gap in gaps)
    return gaps, leads, positions


@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.soak) for k in range(1, 102))])
def test_a_flipped_bit_is_named_and_makes_no_gap_and_no_lead(killed, whole, tmp_path, seed):
    """One in each packed segment, one in that which is not, one in its index: five places drawn, five hundred in the
    soak tests. A gap is one of those that are there without damage, or says how much of it is damaged. What is measured
    between the positions that are left, as a drift is, may come out a little otherwise, and the score with it."""
    rng, folder = random.Random(seed), copied(killed, tmp_path / "data")
    paths = [*segments(folder), Path(beside(str(segments(folder)[-1])))]
    assert len(paths) == 5
    before = paths[3].read_bytes()
    for path in paths:
        flip(path, rng)
    at = next(k for k, (a, b) in enumerate(zip(before, paths[3].read_bytes(), strict=True)) if a != b)
    gaps, leads, positions, collected = found(tmp_path / "data")
    for path in paths[:3]:
        assert any(str(path) in note for note in collected), "it is named"
    late = [note for note in collected if note.startswith(f"{paths[3]}: ") and "arriv" in note]
    assert late
    spans = re.findall(r"bytes ([\d,]+) to ([\d,]+)", "".join(late))
    begin, end = (int(number.replace(",", "")) for number in (spans or [("0", "0")])[0])
    # where both bits lie in one stretch its checksum is gone with its arrivals: that of each sentence is left
    assert any(note.startswith(f"{paths[3]}: bytes") for note in collected) or begin <= at < end
    assert positions <= whole[2], "nothing is made up"
    assert each(gaps) <= each(whole[0])
    known = {span(gap) for gap in whole[0]}
    assert [gap for gap in gaps if not gap["lost_min"] and span(gap) not in known] == []
    assert [gap for gap in gaps if gap["lost_min"] and gap["judgement"] not in ("unknown", "left_data")] == []
    assert leads.keys() <= whole[1].keys()
    for pair, points in leads.items():
        for feature in OF_SILENCES & points.keys():
            assert points[feature] <= whole[1][pair].get(feature, 0), "a silence of damage earns nothing"


def test_a_run_over_the_segments_names_it_too(killed, whole, tmp_path):
    """The one that is not packed as well, by the index beside it."""
    folder = copied(killed, tmp_path / "data")
    paths = [segments(folder)[1], segments(folder)[-1]]
    for seed, path in enumerate(paths):
        flip(path, random.Random(100 + seed))
    run = api.run(sorted(segments(folder)), tmp_path / "run", area="world", slice_h=1.0, rules=SHORT_GAPS)
    printed = "\n".join(run.passed_over)
    assert all(str(path) in printed for path in paths)
    gaps = archive.published(tmp_path / "run")["gaps"].to_pylist()
    assert each(gaps) <= each(whole[0])
    reconcile(tmp_path / "data", WORLD)
    assert gaps == archive.published(tmp_path / "data")["gaps"].to_pylist(), "as by a watch, which packs the last"


RARE = range(412000001, 412000031)  # vessels that are heard every 50 minutes, where an hour makes a gap


@pytest.fixture(scope="module")
def sparse(tmp_path_factory):
    """A spool of three hours: one vessel is heard all the time, others now and then."""
    data = tmp_path_factory.mktemp("sparse")
    spooled = Spool(data / "spool", "rec", "nmea", RecordedClock(), Limits(sync_s=0.0))
    lines = [sent(412000000, at_s) for at_s in range(0, 3 * 3600, 5)]
    lines += [sent(mmsi, at_s) for mmsi in RARE for at_s in range(100 * (mmsi - RARE[0]), 3 * 3600, 3000)]
    for _, line in sorted(lines):
        spooled.append(line)
        spooled._packer.go()
    spooled._packer.finish()
    return data


def sent(mmsi, at_s):
    """When, seconds, and the line that says where a vessel lies then."""
    at_s += 1_764_072_000
    place = {"lon": 124.0 + mmsi % 100 / 50, "lat": 38.0, "speed": 0.1, "course": 0.0}
    (line,) = pyais.encode_dict({"msg_type": 1, "mmsi": mmsi, **place}, sentence_type="VDM")
    return at_s, tagged(line.encode(), at_s) + b"\n"


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(k, marks=pytest.mark.soak) for k in range(2, 40))])
def test_a_flipped_bit_makes_no_gap_of_vessels_that_are_rarely_heard(sparse, tmp_path, seed):
    """Each frame holds the only report of several within an hour."""
    rng, folder = random.Random(seed), copied(sparse, tmp_path / "data")
    for path in segments(folder):
        frame = max(rng.sample(segment_index(str(path)).frames, 2), key=lambda each: each.unpacked)
        content = bytearray(path.read_bytes())
        content[rng.randrange(frame.at, frame.at + frame.packed)] ^= 1
        path.write_bytes(content)
    gaps, _, positions, _ = found(tmp_path / "data")
    times = {mmsi: len(range(100 * (mmsi - RARE[0]), 3 * 3600, 3000)) for mmsi in RARE}
    assert sum(positions[mmsi] < times[mmsi] for mmsi in RARE) > 2
    assert gaps == []


def test_a_segment_that_is_gone_is_named_once(killed, tmp_path):
    folder = copied(killed, tmp_path / "data")
    second = segments(folder)[1]
    second.unlink()
    settle(folder)
    (collected,) = take_in(tmp_path / "data", 60_000_000)
    assert second.name.partition(".nmea")[0] in collected
    assert "is gone and was never read" in collected
    assert take_in(tmp_path / "data", 60_000_000) == []


@pytest.mark.parametrize("spoiled", [b"", b"\x28\xb5\x2f\xfdof no use", b"\0" * 1000])
def test_a_watch_goes_on_from_where_it_was_though_the_newest_segment_is_of_no_use(spoiled, killed, tmp_path):
    """Else it would begin with the first line, and say again what it said then."""
    data = tmp_path / "data"
    folder = copied(killed, data)
    last_us = found_us(data, [])
    assert last_us > 0
    (folder / "20990101T000000.000Z.nmea.zst").write_bytes(spoiled)
    assert found_us(data, []) == last_us
    with closing(Spool(data / "spool", "rec", "nmea", RecordedClock(), Limits(sync_s=0.0))) as spooled:
        assert found_us(data, [spooled]) == last_us
        assert any("20990101T000000.000Z.nmea.zst: is no segment" in collected for collected in spooled.damage)
