"""Owns: who a watch says may be approaching whom, in words for the eye; that nothing is stored of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from stswatch.geo.coordinates.sphere import destination
from stswatch.geo.reference.zones import area
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, build
from stswatch.pipeline.flow import slices
from stswatch.pipeline.live.health import status_text
from stswatch.pipeline.live.provisional import Provisional
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS
from stswatch.pipeline.tracks.identity import TRACKS
from stswatch.pipeline.tracks.port_calls import OPEN_STAYS
from tests.pipeline import seas
from tests.pipeline.live.test_health import SLICE
from tests.pipeline.live.test_words import collected

RULES = Rules()
NOW = seas.NOON_US
HOST, GUEST = 273_000_001, 445_000_001
PLACE = 124.0, 38.6  # off Cho-do, at sea


def filled(kind, n, columns):
    """A table of a kind with these columns, the others null, 0 or ""."""
    for field in kind:
        if field.name not in columns:
            plain = np.zeros(n, bool) if pa.types.is_boolean(field.type) else np.zeros(n)
            columns[field.name] = pa.nulls(n, field.type) if field.nullable else plain
    return build(kind, columns)


def looked(silent_h, km, waited_h=6.0, sog_kn=0.3, heard=True, place=PLACE, lost=None):
    """What a watch shows: one waits, the others were lost so long ago, so far off it."""
    n = len(silent_h)
    lon, lat = destination(place[0], place[1], np.linspace(180, 270, n), np.asarray(km) * 1000)
    tracks = {"mmsi": GUEST + np.arange(n), "time": NOW - (np.asarray(silent_h) * HOUR).astype(np.int64)}
    tracks |= {"lon": lon, "lat": lat, "track_start": np.full(n, NOW - 90 * HOUR), "silent": np.ones(n, bool)}
    tracks |= lost or {}
    stay = {"mmsi": [HOST], "start": np.array([NOW - int(waited_h * HOUR)]), "end": np.array([NOW - HOUR])}
    stay |= {"track_start": np.array([NOW - 90 * HOUR]), "slow_ms": np.zeros(1, int)}
    stay |= {f"{axis}{k}": [at] for k in (0, 1) for axis, at in zip(("lon", "lat"), place, strict=True)}
    states = {step: dict(tables) for step, tables in slices.none_yet(STEPS).items()}
    states["calls"]["stays"] = filled(OPEN_STAYS, 1, stay)
    states["vessel"]["tracks"] = filled(TRACKS, n, tracks)
    watch = Provisional(None, RULES, area("dprk"), 60_000_000)
    watch._take(states)
    if heard:
        fix = seas.fixes(HOST, NOW - 5 * MINUTE, place[0], place[1], sog_kn)
        watch.recent.add(fix, schema.empty("static_reports"), "terrestrial", NOW)
    return watch.approaching(NOW)


def test_who_was_lost_near_one_who_waits_may_be_approaching():
    (row,) = looked([3.0], [80.0])
    assert (row["waiting"], row["silent"], row["others"]) == (HOST, GUEST, 0)
    assert row["lost_km"] == pytest.approx(80.0, rel=0.01)
    assert row["lost"] == "2024-03-01T09:00:00.000Z"
    assert row["earliest"].startswith("2024-03-01T12:3")  # 3.6 h at 12 kn after it was lost


def test_of_several_the_one_lost_nearest_is_named_and_the_others_are_counted():
    (row,) = looked([3.0, 4.5, 3.0], [90.0, 60.0, 110.0])
    assert (row["silent"], row["others"]) == (GUEST + 1, 2)


def test_who_steered_for_the_one_who_waits_is_nearer_than_who_steered_away():
    courses = {"cog_deg": np.array([180.0, 90.0]), "sog_kn": np.array([9.0, 9.0])}  # to the south of it, to the west
    for km in (85.0, 80.0, 60.0):
        (row,) = looked([3.0, 3.0], [km, 80.0], lost=courses)
        assert (row["silent"], row["others"]) == (GUEST + 1, 1)
    courses["sog_kn"] = np.array([9.0, 1.0])  # too slow for a course to say anything
    assert looked([3.0, 3.0], [80.0, 80.0], lost=courses)[0]["silent"] == GUEST + 1
    courses["cog_deg"] = np.array([0.0, 270.0])
    assert looked([3.0, 3.0], [80.0, 80.0], lost=courses)[0]["silent"] == GUEST


@pytest.mark.parametrize(
    "case",
    [
        {"silent_h": [1.0], "km": [30.0]},  # no silence yet
        {"silent_h": [3.0], "km": [200.0]},  # not within four hours
        {"silent_h": [12.0], "km": [30.0]},  # had time for it long before
        {"silent_h": [25.0], "km": [560.0]},  # lost too long ago to say
        {"silent_h": [3.0], "km": [80.0], "waited_h": 2.5},
        {"silent_h": [3.0], "km": [80.0], "sog_kn": 8.0},  # has left
        {"silent_h": [3.0], "km": [80.0], "heard": False},  # both are silent now
        {"silent_h": [3.0], "km": [80.0], "place": (-60.0, 30.0)},  # elsewhere
    ],
)
def test_nobody_is_shown(case):
    assert looked(**case) == []


def test_status_says_it_in_words_that_claim_nothing(tmp_path):
    (row,) = looked([3.0, 3.0], [80.0, 90.0])
    output = status_text(collected(tmp_path, report=replace(SLICE, approaching=[row]))).splitlines()
    assert (
        f"{HOST} waits since 2024-03-01 06:00 UTC near 38.6000°N 124.0000°E; {GUEST}, not heard since 2024-03-01 09:00"
        " UTC, 80 km off, may be there from 2024-03-01 12:35 UTC on; so may 1 other"
    ) in output
