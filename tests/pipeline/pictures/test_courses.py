"""Owns: what a picture draws is what was measured, and it is told apart how well each part of it is known."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from stswatch.pipeline.batch import HOUR, MINUTE
from stswatch.pipeline.pictures import courses
from stswatch.pipeline.pictures.courses import INTERPOLATED, REPORTED, SILENT, CourseError
from stswatch.pipeline.rules import Rules
from tests.pipeline import seas
from tests.pipeline.pictures import waters

RULES = Rules()


def pair(row, fixes):
    return tuple(courses.course(fixes, row[f"mmsi_{v}"], row, RULES) for v in ("a", "b"))


def span_of(row):
    return courses.micros_of(row["start_time"]), courses.micros_of(row["end_time"])


def needed(row, fixes):
    """The fixes of an encounter's time, as a store hands them over."""
    first_us, last_us = courses.needed_us(row, RULES)
    time_us = np.asarray(fixes["time"].cast("int64"))
    mmsi = np.asarray(fixes["mmsi"])
    return fixes.filter(np.isin(mmsi, [row["mmsi_a"], row["mmsi_b"]]) & (time_us >= first_us) & (time_us <= last_us))


def assert_measured(row, fixes):
    """The curve that is drawn has the least, the ends and the observed share that are stored."""
    a, b = pair(row, needed(row, fixes))
    collected = courses.apart(a, b, span_of(row))
    distance_m = np.concatenate([part.columns[0] for part in collected])
    assert round(distance_m.min(), 2) == row["cpa_distance_m"]
    threshold_m = RULES.proximity.distance_m
    if row["within_min"] == row["duration_min"]:
        assert distance_m.max() <= threshold_m + 0.02
        lengths = [(part.kind, part.time_us[-1] - part.time_us[0]) for part in collected]
        seen = sum(length for kind, length in lengths if kind == REPORTED)
        assert seen / sum(length for _, length in lengths) == pytest.approx(row["observed_share"], abs=2e-4)
    at = np.array([courses.micros_of(row["cpa_time"])])
    (lon_a, lat_a), (lon_b, lat_b) = a.at(at), b.at(at)
    _, _, away_m = waters.GEOD.inv(lon_a, lat_a, lon_b, lat_b)
    assert away_m[0] == pytest.approx(row["cpa_distance_m"], abs=0.6)  # the time of it is a whole millisecond
    return abs(distance_m[0] - threshold_m) < 0.02


@pytest.mark.parametrize("heard", [1.0, 0.1])
def test_the_distance_drawn_is_the_distance_measured(heard):
    fixes = seas.fleet(hours=12.0, pairs=12, anchored=4, fast=0)
    fixes = fixes.filter(np.random.default_rng(2).random(fixes.num_rows) < heard)
    found = seas.meetings(fixes)["encounters"].to_pylist()
    assert len(found) >= 15
    assert (min(row["observed_share"] for row in found) < 0.9) == (heard < 1)
    from_outside = [assert_measured(row, fixes) for row in found]
    assert sum(from_outside) >= 4, "the others were begun by the data, at a berth, or when they became slow"


@seas.needs_real
def test_the_distance_drawn_is_the_distance_measured_in_the_gulf():
    fixes = seas.of_frame(seas.gulf())
    found = seas.meetings(fixes)["encounters"].to_pylist()
    assert len(found) >= 3
    for row in found:
        assert_measured(row, fixes)


@pytest.mark.parametrize("every_min", [1.0, 25.0, 50.0, 110.0])
def test_a_course_is_solid_within_ten_minutes_of_a_report_and_dashed_beyond(every_min):
    met = waters.meeting(every_s=60 * every_min, hours=9.0)
    within_us = RULES.proximity.observed_within_min * MINUTE
    kinds = set()
    for course in pair(met.row, met.fixes):
        for part in courses.stretches(course, courses.shown_us(met.row)):
            kinds.add(part.kind)
            inner_us = (part.time_us[:-1] + part.time_us[1:]) // 2
            away_us = np.abs(inner_us[:, None] - course.time_us).min(axis=1)
            assert ((away_us > within_us) == (part.kind == INTERPOLATED)).all()
    assert kinds == ({REPORTED} if every_min < 20 else {REPORTED, INTERPOLATED})


def test_a_stretch_goes_where_the_vessel_was():
    met = waters.meeting()
    a, _ = pair(met.row, met.fixes)
    for part in courses.stretches(a, courses.shown_us(met.row)):
        lon, lat = part.columns
        rows = np.searchsorted(part.time_us, a.time_us)
        exact = (rows < len(lon)) & (part.time_us[np.minimum(rows, len(lon) - 1)] == a.time_us)
        off_m = 111_000 * np.hypot(lon[rows[exact]] - a.lon[exact], lat[rows[exact]] - a.lat[exact])
        assert exact.sum() > 100
        assert off_m.max() < RULES.vessel.thin_tolerance_m


def test_a_silence_is_drawn_from_the_report_before_it_to_the_report_after_it():
    met = waters.meeting(silent=((5.0, 8.6),))
    a, b = pair(met.row, met.fixes)
    span_us = courses.shown_us(met.row)
    (silence,) = (part for part in courses.stretches(a, span_us) if part.kind == SILENT)
    hours = (silence.time_us - waters.START_US) / HOUR
    assert hours[0] == pytest.approx(5.0, abs=0.02)
    assert hours[1] == pytest.approx(8.6, abs=0.02)
    for part in courses.stretches(a, span_us):
        if part.kind != SILENT:
            assert not ((part.time_us > silence.time_us[0]) & (part.time_us < silence.time_us[1])).any()
    assert not [part for part in courses.stretches(b, span_us) if part.kind == SILENT]
    assert np.isnan(a.at(np.array([silence.time_us.sum() // 2]))[0]).all()


def test_where_reports_lack_is_said_of_whom():
    met = waters.meeting(silent=((5.0, 8.6),))
    a, b = pair(met.row, met.fixes)
    span_us = courses.shown_us(met.row)
    (hidden,) = courses.unseen(a, b, span_us)
    assert hidden.who == "A"
    assert (hidden.start_us - waters.START_US) / HOUR == pytest.approx(5.0, abs=0.02)
    assert hidden.end_us == span_us[1]
    still = waters.still()
    a, b = pair(still.row, still.fixes)
    before, after = courses.unseen(a, b, courses.shown_us(still.row))
    assert (before.who, after.who) == ("AB", "AB")
    assert (before.end_us, after.start_us) == span_of(still.row)


def test_of_several_hulls_under_one_number_the_one_that_met_is_taken():
    met = waters.shared()
    a, b = pair(met.row, met.fixes)
    (other,) = a.others
    assert not b.others
    lon, lat = a.lon, a.lat
    _, _, away_m = waters.GEOD.inv(lon, lat, np.full(len(lon), met.row["lon"]), np.full(len(lat), met.row["lat"]))
    assert away_m.max() < 100_000 < waters.GEOD.inv(other[0][0], other[1][0], met.row["lon"], met.row["lat"])[2]
    assert len(a.time_us) + len(other[0]) == (np.asarray(met.fixes["mmsi"]) == waters.A).sum()


def test_some_hours_before_and_after_are_shown():
    for row, beside_h in ((waters.still(hours=1.0).row, 3.0), (waters.still(hours=8.0).row, 4.0)):
        start_us, end_us = courses.shown_us(row)
        begin_us, finish_us = span_of(row)
        assert (begin_us - start_us) / HOUR == pytest.approx(beside_h)
        assert (end_us - finish_us) / HOUR == pytest.approx(beside_h)
    row = row | {"end_time": row["start_time"] + timedelta(days=20)}
    assert span_of(row)[0] - courses.shown_us(row)[0] == 12 * HOUR


def test_an_encounter_without_its_positions_cannot_be_drawn():
    met = waters.meeting()
    with pytest.raises(CourseError, match="holds no positions of 431000001"):
        pair(met.row, met.fixes.slice(0, 0))
