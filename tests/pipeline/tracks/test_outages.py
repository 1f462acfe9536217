"""Owns: when nobody was heard by no accident is found, wherever the data are cut, and nowhere else."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline.batch import HOUR, MINUTE, SECOND
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, InMemory
from tests.pipeline import seas

DAY_US = seas.NOON_US - 12 * HOUR


def ships(count, hours, every_min, seed=1, receiver="terrestrial", first=1, together=False):
    """Fixes of ships that lie still far from each other; each at its own seconds, or all at once."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(count):
        begin_us = DAY_US + (0 if together else int(rng.integers(0, every_min * 60)) * SECOND)
        time_us = np.arange(begin_us, DAY_US + round(hours * HOUR) + 1, round(every_min * MINUTE))
        parts.append(seas.fixes(first + k, time_us, 120.0 + 0.1 * k, 30.0, 0.0, receiver))
    return pa.concat_tables(parts)


def unheard(sea, *spans, receiver=None):
    """The fixes but for those within spans of hours, of one kind of receiver or of all."""
    at_h = (seas.micros_of(sea, "time") - DAY_US) / HOUR
    hidden = np.zeros(sea.num_rows, bool)
    for first, last in spans:
        hidden |= (at_h > first) & (at_h < last)
    if receiver:
        hidden &= np.array(sea["receiver"].to_pylist()) == receiver
    return sea.filter(pa.array(~hidden))


def outages(sea, cuts=(), shards=1, steps=STEPS[:2]):
    """Rows of outages: receiver, hours from and to, vessels before and after; not those of places."""
    found = seas.in_order(seas.run(sea, cuts, shards, steps=steps)["outages"], ("start_time", "receiver"))
    found = found.filter(found["name"].is_null())
    start_h, end_h = ((seas.micros_of(found, name) - DAY_US) / HOUR for name in ("start_time", "end_time"))
    collected = (found["receiver"].to_pylist(), start_h.round(3).tolist(), end_h.round(3).tolist())
    return list(zip(*collected, found["vessels_before"].to_pylist(), found["vessels_after"].to_pylist(), strict=True))


def test_an_outage_of_the_whole_feed_is_told_once_with_its_span_and_who_was_heard():
    sea = unheard(ships(22, 12, 5, together=True), (5, 7.5))
    assert outages(sea) == [("all", 5.0, 7.5, 22, 22)]
    assert outages(ships(22, 12, 5)) == []


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_where_the_data_are_cut_does_not_show(seed, shards):
    rng = np.random.default_rng(seed)
    begins = np.sort(rng.uniform(2, 44, 2))
    sea = unheard(ships(15, 48, 7, seed), *((b, b + rng.uniform(0.2, 4)) for b in begins))
    satellite = unheard(ships(9, 48, 20, seed, "satellite", first=100), (20, 27))
    sea = pa.concat_tables([sea, satellite])
    cuts = np.unique(DAY_US + (rng.uniform(0, 48, rng.integers(1, 12)) * HOUR).astype(np.int64) // SECOND * SECOND)
    whole = outages(sea)
    assert outages(sea, cuts.tolist(), shards) == whole
    assert [row for row in whole if row[0] == "satellite"]


def test_a_kind_of_receiver_can_fail_while_others_hear():
    land = unheard(ships(20, 24, 5), (6, 9))
    sea = pa.concat_tables([land, ships(8, 24, 9, receiver="satellite", first=100)])
    ((receiver, start_h, end_h, *_),) = outages(sea)
    assert receiver == "terrestrial"
    assert (start_h, end_h) == (pytest.approx(6, abs=0.1), pytest.approx(9, abs=0.1))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_a_few_vessels_that_fall_silent_are_no_outage(count):
    assert outages(unheard(ships(count, 24, 5), (6, 9))) == []


def test_an_archive_of_a_row_each_ten_minutes_has_no_outage_but_where_many_rows_lack():
    thin = ships(40, 24 * 10, 10, together=True)
    assert outages(thin) == []
    assert [row[:3] for row in outages(unheard(thin, (100, 103)))] == [("all", 100.0, 103.0)]


def test_passes_of_satellites_are_no_outages():
    """Ten minutes of each 95, more ships than any rule asks for, for ten days; then two satellites, unevenly."""
    sea = ships(60, 24 * 10, 2, receiver="satellite")
    minute = (seas.micros_of(sea, "time") - DAY_US) // MINUTE
    assert len(outages(sea.filter(pa.array(minute % 95 < 10)))) == 0
    assert len(outages(sea.filter(pa.array((minute % 95 < 10) | (minute % 101 < 12))))) <= 3


def test_nights_without_traffic_are_outages_no_longer_once_they_are_usual():
    sea = ships(12, 24 * 10, 5)
    hour = (seas.micros_of(sea, "time") - DAY_US) // HOUR % 24
    assert len(outages(sea.filter(pa.array((hour >= 6) & (hour < 22))))) <= 2


# ------------------------------------------------------------------------------------------- of stations and of regions


def heard_by(sea, names):
    """The fixes with the stations that heard them."""
    at = sea.column_names.index("station")
    return sea.set_column(at, sea.schema.field(at), pa.array(names, pa.string()))


def coast(seed, hours=40, every_min=6):
    """Three degrees with a station each, and one that hears some of all; each fails now and then, the feed too."""
    rng = np.random.default_rng(seed)
    parts = [ships(int(rng.integers(4, 14)), hours, every_min, seed + k, first=1 + 100 * k) for k in range(3)]
    moved = []
    for k, part in enumerate(parts):
        lon = 120.05 + k + (np.asarray(part["lon"]) - 120) * 0.6
        part = part.set_column(part.column_names.index("lon"), part.schema.field("lon"), pa.array(lon))
        for _ in range(rng.integers(0, 3)):
            begin = rng.uniform(3, hours - 6)
            part = unheard(part, (begin, begin + rng.uniform(0.2, 5)))
        moved.append(part)
    sea = pa.concat_tables(moved)
    names = np.array([f"S{k}" for k in np.asarray(sea["mmsi"]) // 100], object)
    names[rng.random(len(names)) < 0.3] = "WIDE"
    begin = rng.uniform(3, hours - 6)
    return unheard(heard_by(sea, names), (begin, begin + rng.uniform(0.2, 3)))


PLACES = ("receiver", "name", "start_time", "end_time", "vessels_before", "vessels_after")


def of_places(sea, cuts=(), shards=1):
    """Rows of outages of stations and regions, times in microseconds, in order."""
    found = seas.run(sea, cuts, shards, steps=STEPS[:2])["outages"]
    found = found.filter(found["name"].is_valid())
    times = [seas.micros_of(found, name).tolist() for name in ("start_time", "end_time")]
    rest = [found[name].to_pylist() for name in ("receiver", "name", "vessels_before", "vessels_after")]
    return sorted(zip(rest[0], rest[1], *times, rest[2], rest[3], strict=True))


def one_by_one(sea):
    """The same as the rules say it, one place and one silence after the other."""
    rules, half = Rules().coverage, 30 * MINUTE
    rows = list(zip(*(sea[n].to_pylist() for n in ("mmsi", "station", "lon", "lat")), strict=True))
    rows = sorted((time, *row) for time, row in zip(seas.micros_of(sea, "time").tolist(), rows, strict=True))
    first = {}  # where a vessel was first in the half hour
    for time, mmsi, _, lon, lat in rows:
        first.setdefault((mmsi, time // half), f"N{int(lat):02d}E{int(lon):03d}")
    heard = {}
    for time, mmsi, station, _, _ in rows:
        for place in (("all", None), ("station", station), ("region", first[mmsi, time // half])):
            heard.setdefault(place, []).append((time, mmsi))

    def silences(place, least_min):
        times = [time // SECOND * SECOND for time, _ in heard[place]]
        return [(a, b) for a, b in itertools.pairwise(times) if b - a >= least_min * MINUTE]

    def beside(place, start, end):
        halves = [[start // half - k for k in (2, 1)], [end // half + k for k in (1, 2)]]
        return [[len({m for t, m in heard[place] if t // half == h}) for h in side] for side in halves]

    def is_one(place, start, end, others):
        before, after = beside(place, start, end)
        expected = np.mean(before + after) * (end - start) / half
        usual = sum(start - 72 * HOUR <= a < start and (b - a) * rules.outage_factor > end - start for a, b in others)
        return min(before + after) >= rules.outage_vessels and expected >= -np.log(rules.outage_chance) and usual <= 1

    every = silences(("all", None), rules.outage_min / rules.outage_factor)
    of_all = [(a, b) for a, b in every if b - a >= 10 * MINUTE and is_one(("all", None), a, b, every)]
    found = []
    for place in heard:
        if place == ("all", None):
            continue
        own = [(a, b) for a, b in silences(place, rules.outage_min) if b // half > a // half]
        busy = [s for s in own if max(map(max, beside(place, *s))) >= rules.outage_vessels]
        for start, end in own:
            left = end - start - sum(max(0, min(end, b) - max(start, a)) for a, b in of_all if b <= end)
            if end - start >= half and is_one(place, start, end, busy) and left >= 30 * MINUTE:
                found.append((*place, start, end, *map(min, beside(place, start, end))))
    return sorted(found)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_outages_of_stations_and_regions_are_those_found_one_by_one_wherever_the_data_are_cut(seed, shards):
    rng = np.random.default_rng(seed)
    sea = coast(seed % 10_000)
    cuts = np.unique(DAY_US + (rng.uniform(0, 40, rng.integers(1, 9)) * HOUR).astype(np.int64) // SECOND * SECOND)
    whole = of_places(sea)
    assert whole == one_by_one(sea)
    assert of_places(sea, cuts.tolist(), shards) == whole


def test_such_seas_have_outages_of_both():
    found = [row[0] for seed in range(6) for row in one_by_one(coast(seed))]
    assert min(found.count("station"), found.count("region")) >= 6


def test_a_station_and_its_degree_fail_while_others_hear():
    near, far = ships(9, 24, 5), ships(9, 24, 5, first=50)
    far = far.set_column(far.column_names.index("lon"), far.schema.field("lon"), pa.array(np.asarray(far["lon"]) + 5))
    near = unheard(near, (6, 9))
    sea = pa.concat_tables([heard_by(part, [n] * part.num_rows) for part, n in ((near, "NEAR"), (far, "FAR"))])
    found = of_places(sea)
    assert [row[:2] for row in found] == [("region", "N30E120"), ("station", "NEAR")]
    assert outages(sea) == []
    assert len(one_by_one(sea)) == 2


def test_what_failed_with_the_whole_feed_has_no_row_of_its_own():
    sea = unheard(ships(22, 12, 5, together=True), (5, 7.5))
    sea = heard_by(sea, [f"S{k % 2}" for k in np.asarray(sea["mmsi"])])
    assert of_places(sea) == []
    assert len(outages(sea)) == 1


def test_random_traffic_of_few_ships_gives_none():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        parts = [
            seas.fixes(k + 1, np.sort(DAY_US + rng.integers(0, 14 * 24 * 3600, 14 * 60) * SECOND), 120.0 + k, 30.0, 0.0)
            for k in range(8)
        ]
        assert outages(pa.concat_tables(parts)) == []


def test_the_memory_of_what_was_heard_stays_small():
    engine = InMemory(Rules(), steps=STEPS[:2])
    sea = pa.concat_tables([ships(10, 24 * 6, 10, together=True), ships(3, 5, 5, receiver="satellite", first=90)])
    time_us, most = seas.micros_of(sea, "time"), 0
    for hour in range(0, 24 * 6, 4):
        low, high = DAY_US + hour * HOUR, DAY_US + (hour + 4) * HOUR
        engine.slice({"fixes": sea.filter(pa.array((time_us >= low) & (time_us < high)))}, high)
        state = engine._states["coverage", 0]
        most = max(most, sum(rows.num_rows for rows in state.values()))
    assert most < 3 * 6 * 80 + 50  # of all, of the kind, of the region
