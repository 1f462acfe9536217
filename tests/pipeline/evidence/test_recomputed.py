"""Owns: what a run measures of a meeting is found again by a path that shares no code with it, and nothing else is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from stswatch.pipeline import api
from stswatch.pipeline.evidence import findings, recomputed
from stswatch.pipeline.evidence.lake_fixes import NO_HEADING, TrackFixes, apart_m, gap_edges, leaps, tracks_of
from stswatch.pipeline.readers.columns import decode_memory
from stswatch.pipeline.rules import Rules

BEGIN = datetime(2025, 3, 10, tzinfo=UTC)
RULES = Rules()
NUMBERS = {  # a stored number -> what is put in its place, which does not follow
    "start_time": lambda value: value + timedelta(minutes=2),
    "end_time": lambda value: value - timedelta(minutes=2),
    "cpa_time": lambda value: value + timedelta(hours=3),
    "duration_min": lambda value: value + 2,
    "within_min": lambda value: value - 2,
    "cpa_distance_m": lambda value: value + 5,
    "position_error_m": lambda value: value + 1,
    "median_distance_m": lambda value: value + 60,
    "median_speed_a_kn": lambda value: value + 1,
    "relative_speed_kn": lambda value: value + 0.2,
    "drift_km": lambda value: value + 0.2,
    "observed_share": lambda value: value - 0.1,
    "fixes_a": lambda value: value + 1,
    "fixes_b": lambda value: value - 1,
    "lon": lambda value: value + 0.01,
    "start_censored": lambda value: not value,
    "end_censored": lambda value: not value,
}


@st.composite
def seas(draw):
    """Two vessels that drift beside each other for some hours, with noise, holes and a place anywhere; (2, n) each."""
    lat = draw(st.floats(-78, 78))
    lon = draw(st.sampled_from([0.0, 124.5, 179.998, -179.999]))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    n, every_s = draw(st.integers(20, 80)), draw(st.sampled_from([30, 180, 700, 1700]))
    apart_deg, noise_deg = draw(st.floats(0, 0.004)), draw(st.sampled_from([1e-6, 4e-5, 3e-4]))
    drift = rng.normal(0, 1, 2) * draw(st.floats(0, 1.5)) / 216_000
    tables = []
    for k in range(2):
        time_s = np.cumsum(rng.integers(every_s // 2, every_s * 3 // 2 + 1, n)) + k * 7
        here = rng.random(n) > draw(st.sampled_from([0.0, 0.2]))
        north = drift[0] * time_s + k * apart_deg + rng.normal(0, noise_deg, n)
        east = (drift[1] * time_s + rng.normal(0, noise_deg, n)) / np.cos(np.radians(lat))
        sog = np.where(rng.random(n) < 0.1, np.nan, np.round(rng.uniform(0, 3, n), 1))
        heading = rng.integers(0, 360, n)
        tables.append(
            (time_s[here], ((lon + east + 180) % 360 - 180)[here], (lat + north)[here], sog[here], heading[here])
        )
    assume(all(len(table[0]) > 2 for table in tables))
    return tables


def fixes_of(sea):
    """The sea as a table of fixes, to be detected in."""
    rows = []
    for k, columns in enumerate(sea):
        for time_s, lon, lat, sog, heading in zip(*columns, strict=True):
            when = BEGIN + timedelta(seconds=int(time_s))
            sog = None if np.isnan(sog) else float(sog)
            rows.append((431000001 + k, when, round(lon, 7), round(lat, 7), sog, int(heading)))
    return pa.table(
        dict(zip(("mmsi", "time", "lon", "lat", "sog", "heading"), map(list, zip(*rows, strict=True)), strict=True))
    )


def course_of(fixes, mmsi):
    """The fixes of a vessel of a decoded table."""
    rows = fixes.filter(pc.equal(fixes["mmsi"], mmsi)).sort_by("time")
    time_us = np.asarray(rows["time"].cast(pa.int64())) // 1000 * 1000
    sog = rows["sog_kn"].to_numpy(zero_copy_only=False).astype(float)
    heading = np.asarray(pc.fill_null(rows["heading_deg"], NO_HEADING)).astype(int)
    n = len(time_us)
    place = np.asarray(rows["lon"]), np.asarray(rows["lat"])
    return TrackFixes(time_us, *place, sog, heading, np.zeros(n, bool), np.zeros(n, int), np.arange(n))


def meetings(sea):
    """What is detected in a sea, each row with the pair that is found again."""
    table = fixes_of(sea)
    found = api.detect(table, scorecard="rules")
    fixes = decode_memory(table, "mmsi", date(2026, 1, 1)).fixes
    a, b = (course_of(fixes, mmsi) for mmsi in (431000001, 431000002))
    if not len(found) or leaps(a, RULES.vessel).any() or leaps(b, RULES.vessel).any():
        return []
    pair = recomputed.pair_of(a, b, RULES)
    given = []
    for row in found.drop(columns="geometry").to_dict("records"):
        span_us = findings.us(row["start_time"]), findings.us(row["end_time"])
        given.append((row | {"computed_id": row["id"]}, recomputed.meeting_at(pair, *span_us, RULES)))
    return given


@given(seas())
def test_each_number_of_a_meeting_follows(sea):
    found = meetings(sea)
    event(f"{len(found)} meetings")
    for row, pair in found:
        wrong = [each for each in findings.of_meeting(row, pair, RULES) if each.follows is False]
        # the grid to which a short recording seems rounded is of its source, which these courses do not know
        assert [each for each in wrong if each.what != "position_error_m"] == []


@pytest.fixture(scope="module")
def one():
    """A meeting of three hours in noise."""
    rng = np.random.default_rng(5)
    time_s = np.arange(0, 12 * 3600, 150)
    near = np.clip(np.abs(time_s - 6 * 3600) - 5400, 0, None) / 3600 * 0.05
    sea = []
    for k in range(2):
        lon = 124.5 + k * (0.0008 + near) + rng.normal(0, 2e-5, len(time_s))
        sea.append(
            (time_s + 3 * k, lon, 38.2 + rng.normal(0, 2e-5, len(time_s)), np.full(len(time_s), 0.8), time_s * 0 + 90)
        )
    (found,) = meetings(sea)
    return found


@pytest.mark.parametrize("from_m", [-480, -455, -430, -400])
def test_a_meeting_of_one_long_leg_follows(from_m):
    """One passes the other: the distance goes on all along, its median lies between any few moments of the leg."""
    time_s, still = np.array([0.0, 1.9]) * 3600, np.zeros(2)
    north = np.array([from_m, 440]) / 111_000
    a, b = ((time_s, 124.5 + still, 38.2 + k * north, still + 0.3, still + 90) for k in range(2))
    ((row, pair),) = meetings([a, b])
    found = {each.what: each for each in findings.of_meeting(row, pair, RULES)}
    assert [each for each in found.values() if each.follows is False] == []
    median = found["median_distance_m"]
    assert median.again == pytest.approx(median.stored, abs=6)


@pytest.mark.parametrize("name", NUMBERS)
def test_another_number_does_not_follow(one, name):
    row, pair = one
    assert [each for each in findings.of_meeting(row, pair, RULES) if each.follows is False] == []
    changed = dict(row) | {name: NUMBERS[name](row[name])}
    wrong = {each.what for each in findings.of_meeting(changed, pair, RULES) if each.follows is False}
    assert {"lon": "place"}.get(name, name) in wrong


def test_a_fix_that_moves_is_noticed(one):
    row, pair = one
    a, b = pair.courses
    k = int(np.searchsorted(a.time_us, findings.us(row["cpa_time"])))
    lat = a.lat.copy()
    lat[k - 1 : k + 1] += 0.002
    moved = TrackFixes(a.time_us, a.lon, lat, a.sog_kn, a.heading_deg, a.satellite, a.rounding_m, a.row)
    again = recomputed.meeting_at(
        recomputed.pair_of(moved, b, RULES), findings.us(row["start_time"]), findings.us(row["end_time"]), RULES
    )
    assert "cpa_distance_m" in {each.what for each in findings.of_meeting(row, again, RULES) if each.follows is False}


def test_two_that_send_under_one_number_are_told_apart():
    time_us = np.arange(20) * 60_000_000
    far = np.arange(20) % 2 == 1
    course = TrackFixes(
        time_us,
        np.where(far, 130.0, 124.5),
        np.full(20, 38.0),
        np.zeros(20),
        np.zeros(20, int),
        far,
        far * 0,
        np.arange(20),
    )
    assert leaps(course, RULES.vessel).any()
    for begun, of in ((0, ~far), (60_000_000, far)):
        assert np.flatnonzero(tracks_of(course, RULES.vessel) == begun).tolist() == np.flatnonzero(of).tolist()
    assert apart_m(124.5, 38.0, 130.0, 38.0) > 400_000


def stays(row, pair):
    """The findings of how both lay before and after, of courses that are whole."""
    unknown = {each for v in "ab" for each in findings.stays_of(v) if row[each] != row[each]}
    row = dict(row) | dict.fromkeys(unknown)
    end_us = max(int(course.time_us[-1]) for course in pair.courses)
    for v, course in zip("ab", pair.courses, strict=True):
        edges = gap_edges(course, findings.begun_us(row, v), end_us, RULES.vessel)
        yield from findings.of_stays(row, v, course, edges, RULES)


@given(seas())
def test_how_long_each_lay_before_and_after_follows(sea):
    for row, pair in meetings(sea):
        found = list(stays(row, pair))
        event(f"{sum(each.stored is not None for each in found)} known")
        assert [each for each in found if not each.follows] == []


def test_another_time_that_it_lay_does_not_follow(one):
    row, pair = one
    known = [each.what for each in stays(row, pair) if each.stored is not None]
    assert known
    assert [each for each in stays(row, pair) if not each.follows] == []
    for name in known:
        for other in (row[name] + 0.02, None):
            assert name in {each.what for each in stays(dict(row) | {name: other}, pair) if not each.follows}
    unknown = [name for v in "ab" for name in findings.stays_of(v) if name not in known]
    for name in unknown:
        assert name in {each.what for each in stays(dict(row) | {name: 1.0}, pair) if not each.follows}
