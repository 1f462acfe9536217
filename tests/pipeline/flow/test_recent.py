"""Owns: what is kept of the last hours: a fix a minute and the newest of each vessel, whatever came in which order."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.reference.zones import area
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND
from stswatch.pipeline.live.provisional import AreaFilter, Recent
from stswatch.pipeline.rules import VesselRules
from tests.pipeline import seas

NOON_US = 1_741_608_000_000_000
EVERYWHERE = AreaFilter(None)
NO_REPORTS = schema.empty("static_reports")
FIX = st.tuples(st.sampled_from([201000001, 201000002, 201000003]), st.integers(0, 400))


def fixes(given, sog_kn=0.0, lon=124.9, lat=38.5):
    """Fixes (MMSI, seconds after noon)."""
    mmsi, second = np.array(given, np.int64).reshape(-1, 2).T
    n = len(mmsi)
    time_us = NOON_US + second * SECOND
    return seas.fixes(
        pa.array(mmsi, pa.int32()), time_us, np.full(n, lon), np.full(n, lat), np.full(n, sog_kn), "unknown"
    )


def recent(area_filter=EVERYWHERE):
    return Recent(area_filter, 5.0, 60 * SECOND)


def kept(store, also=()):
    _, rows, _ = store.of(np.array(also, np.int64))
    time_us = np.asarray(rows["time"].cast(pa.int64()))
    return set(zip(rows["mmsi"].to_pylist(), ((time_us - NOON_US) // SECOND).tolist(), strict=True))


def wanted(given):
    """By the plainest way: the first of each minute and the newest."""
    found = set()
    for mmsi in {mmsi for mmsi, _ in given}:
        seconds = sorted(second for of, second in given if of == mmsi)
        found |= {(mmsi, min(s for s in seconds if s // 60 == minute)) for minute in {s // 60 for s in seconds}}
        found.add((mmsi, seconds[-1]))
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(FIX, min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_a_fix_a_minute_and_the_newest_in_whatever_parts_they_came(given_fixes, cuts):
    store = recent()
    edges = [0, *sorted(min(cut, len(given_fixes)) for cut in cuts), len(given_fixes)]
    for begin, end in itertools.pairwise(edges):
        store.add(fixes(given_fixes[begin:end]), NO_REPORTS, "unknown", NOON_US + HOUR)
    assert kept(store) == wanted(given_fixes)
    assert store.vessels == len({mmsi for mmsi, _ in given_fixes})


def test_what_is_finalized_is_forgotten_and_does_not_come_again():
    store = recent()
    store.add(fixes([(201000001, 10), (201000001, 130), (201000002, 20)]), NO_REPORTS, "unknown", NOON_US + HOUR)
    store.finalized(NOON_US + 2 * MINUTE)
    assert kept(store) == {(201000001, 130)}
    store.add(fixes([(201000002, 30), (201000003, 140)]), NO_REPORTS, "unknown", NOON_US + HOUR)
    assert kept(store) == {(201000001, 130), (201000003, 140)}
    assert store.vessels == 2


def test_a_clock_ten_years_ahead_waits_aside_and_one_a_little_ahead_comes_in_its_time():
    store = recent()
    decade = 10 * 365 * 24 * 3600
    ahead = store.add(fixes([(201000001, 10), (201000002, 90), (201000003, decade)]), NO_REPORTS, "unknown", NOON_US)
    assert ahead == 2
    assert kept(store) == {(201000001, 10)}
    store.pass_to(NOON_US + 40 * SECOND)
    assert kept(store) == {(201000001, 10), (201000002, 90)}
    store.pass_to(NOON_US + HOUR)
    assert kept(store) == {(201000001, 10), (201000002, 90)}


def test_a_clock_ten_years_behind_reaches_no_look_and_holds_nothing():
    """Neither before the first hour is finalized nor after; what is a few hours late does before: it is not final."""
    store = recent()
    decade = 10 * 365 * 24 * 3600
    for expected in ({(201000001, 10), (201000002, -3 * 3600)}, {(201000001, 10)}):
        given = fixes([(201000001, 10), (201000002, -3 * 3600), (201000003, -decade), (201000004, -25 * 3600)])
        store.add(given, printed([(201000001, 5, "NOW"), (201000001, -decade, "THEN")]), "unknown", NOON_US + MINUTE)
        vessels, _, reports = store.of(np.array([201000001]))
        assert reports["name"].to_pylist() == ["NOW"]
        assert kept(store) == expected
        assert set(vessels.tolist()) == {mmsi for mmsi, _ in expected}
        assert store.vessels == len(expected)
        store.finalized(NOON_US)


def printed(reports):
    """Static reports (MMSI, seconds after noon, name)."""
    rows = [
        {"mmsi": mmsi, "time": NOON_US + second * SECOND, "name": name, "source": "0" * 16, "offset": 0, "length": 1}
        for mmsi, second, name in reports
    ]
    return pa.Table.from_pylist(rows, schema=schema.STATIC_REPORTS)


def test_only_vessels_that_were_slow_near_the_area_matter_or_are_asked_for():
    store = recent(AreaFilter.of(area("dprk"), VesselRules()))
    store.add(fixes([(201000001, 10)], sog_kn=12.0), NO_REPORTS, "unknown", NOON_US)
    store.add(fixes([(201000002, 10)], sog_kn=np.nan), NO_REPORTS, "unknown", NOON_US)
    store.add(fixes([(201000003, 10)], lon=-90.0, lat=28.0), NO_REPORTS, "unknown", NOON_US)
    assert kept(store) == {(201000002, 10)}
    store.add(fixes([(201000002, 70)], sog_kn=12.0), NO_REPORTS, "unknown", NOON_US + MINUTE)
    assert kept(store) == {(201000002, 10), (201000002, 70)}, "all fixes of those that matter, also fast ones"
    assert kept(store, also=[201000001, 209999999]) == {(201000001, 10), (201000002, 10), (201000002, 70)}


@pytest.mark.parametrize(("collected", "printed"), [("satellite", 0), ("terrestrial", 1), ("unknown", 2)])
def test_a_source_says_by_what_it_receives_where_its_lines_do_not(collected, printed):
    store = recent()
    store.add(fixes([(201000001, 10)]), NO_REPORTS, collected, NOON_US)
    assert store.of(np.zeros(0, np.int64))[1]["receiver"].to_pylist()[0] == printed


def test_static_reports_of_those_that_matter_the_last_of_each_kind():
    def report(mmsi, second, **more):
        time = {"mmsi": mmsi, "time": (NOON_US + second * SECOND), "source": "0" * 16, "offset": 0, "length": 1}
        return time | more

    printed = [
        report(201000001, 5, name="OLD"),
        report(201000001, 9, name="NEW"),
        report(201000001, 7, ship_type=80),
        report(201000002, 7, name="FAR"),
    ]
    store = recent()
    store.add(fixes([(201000001, 10)]), pa.Table.from_pylist(printed, schema=schema.STATIC_REPORTS), "unknown", NOON_US)
    _, _, reports = store.of(np.zeros(0, np.int64))
    assert sorted(zip(reports["name"].to_pylist(), reports["ship_type"].to_pylist(), strict=True), key=str) == [
        ("NEW", None),
        (None, 80),
    ]
