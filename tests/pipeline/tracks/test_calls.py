"""Owns: stays against an oracle that goes leg by leg; which are calls or loitering; what silences leave time for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.pipeline import reported, schema
from stswatch.pipeline.batch import HOUR, MINUTE, build, micros
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.tracks import stays
from stswatch.pipeline.tracks.port_calls import dark_calls
from tests.pipeline import seas

RULES = Rules().stays
NOON = seas.NOON_US
DAY = 24 * HOUR


# ------------------------------------------------------------------------------------------------ stays


def leg_table(rows) -> pa.Table:
    """Legs of (mmsi, track, start minute, minutes, lon, lat, lon after, lat after, tenths of a knot, fresh)."""
    mmsi, track, start, long, lon0, lat0, lon1, lat1, dkn, fresh = (np.array(c) for c in zip(*rows, strict=True))
    begin = NOON + start.astype(np.int64) * MINUTE
    columns = {"mmsi": mmsi, "track_start": track * HOUR, "start": begin, "end": begin + long * MINUTE}
    columns |= {"lon0": lon0, "lat0": lat0, "lon1": lon1, "lat1": lat1, "speed_dkn": dkn, "fresh": fresh}
    rest = {"speed_sent": np.ones(len(mmsi), bool), "fix_start": begin, "fix_end": begin, "rounding_m": 0 * mmsi}
    rest |= {"heading_deg": 0 * mmsi - 1, "inner": pa.array([[]] * len(mmsi), pa.list_(pa.int32()))}
    return build("legs", columns | rest)


def oracle(rows):
    """The stays, one leg after the other, in plain Python."""
    found, open_ = [], {}
    cut = RULES.cut_d * 24 * 60
    for mmsi, track, start, long, lon0, lat0, lon1, lat1, dkn, fresh in rows:
        if dkn >= RULES.slow_kn * 10:
            continue
        last = open_.get((mmsi, track))
        far = last and start > last["end"] and haversine_m(last["lon1"], last["lat1"], lon0, lat0) > RULES.join_m
        mark = (NOON // MINUTE + start) // cut
        if not last or start - last["end"] > RULES.join_min or far or mark != last["mark"]:
            last = {"mmsi": mmsi, "track": track, "start": start, "fresh": fresh, "slow": 0, "dkn": 0, "lat": 0.0}
            open_[mmsi, track] = last
            found.append(last)
        last |= {"end": start + long, "lon1": lon1, "lat1": lat1, "mark": mark}
        last["slow"] += long
        last["dkn"] += long * dkn
        last["lat"] += long * (lat0 + lat1) / 2
    return found


@st.composite
def tracks(draw):
    """Legs of a few tracks, some near the date line and some near the fixed marks, sorted as a step gives them."""
    rows = []
    for mmsi in range(1, 1 + draw(st.integers(1, 3))):
        minute = draw(st.sampled_from([0, 40_000])) + draw(st.integers(0, 300))
        lon, lat = draw(st.sampled_from([10.0, 179.999, -179.999])), draw(st.floats(-60, 60))
        for k in range(draw(st.integers(1, 12))):
            minute += draw(st.sampled_from([0, 0, 0, 10, 30, 31, 200]))
            long = draw(st.integers(1, 120))
            hop = draw(st.sampled_from([0.0, 0.001, 0.02]))
            there = lon + draw(st.sampled_from([0.0, 0.002, -0.002]))
            rows.append((mmsi, 5, minute, long, lon, lat, there, lat, draw(st.integers(0, 35)), k == 0))
            minute, lon = minute + long, (there + hop + 180) % 360 - 180
    return rows


def plain(table):
    start, end = ((micros(table, name) - NOON) // MINUTE for name in ("start", "end"))
    slow = np.asarray(table["slow_ms"]) // 60_000
    mmsi, dkn = np.asarray(table["mmsi"]), np.asarray(table["dkn_ms"]) // 60_000
    return list(zip(mmsi.tolist(), start.tolist(), end.tolist(), slow.tolist(), dkn.tolist(), strict=True))


@settings(max_examples=150, deadline=None)
@given(tracks(), st.lists(st.integers(0, 40), max_size=4))
def test_stays_are_those_of_the_oracle_however_the_legs_are_cut(rows, cuts):
    expected = [(s["mmsi"], s["start"], s["end"], s["slow"], s["dkn"]) for s in oracle(rows)]
    whole = stays.of_legs(leg_table(rows), RULES)
    assert plain(whole) == expected
    lon, lat = stays.middle_of(whole)
    assert (np.abs(lat - [s["lat"] / s["slow"] for s in oracle(rows)]) < 2e-6).all()
    assert (np.abs((lon - np.asarray(whole["lon0"]) + 180) % 360 - 180) < 1).all()
    # parts of the time, joined
    edges = [0, *sorted(cuts), 10**9]
    begin = np.argsort(np.argsort([row[2] for row in rows], kind="stable"), kind="stable")
    parts = [[row for row, at in zip(rows, begin, strict=True) if a <= at < b] for a, b in pairwise(edges)]
    tables = [stays.of_legs(leg_table(part), RULES) for part in parts if part]
    joined, first = stays.join(pa.concat_tables(tables[::-1]), RULES)
    assert joined.equals(whole)
    assert len(first) == whole.num_rows


@pytest.mark.parametrize("name", ["draught_m", "destination"])
def test_what_was_entered_by_a_time_is_what_a_search_by_hand_finds(name):
    rng = np.random.default_rng(4)
    n = 200
    collected = {"mmsi": rng.integers(1, 5, n), "time": NOON + rng.integers(0, 500, n) * HOUR}
    values = {
        "draught_m": rng.integers(3, 9, n).astype(np.float32),
        "destination": rng.choice(["A", "B", "C"], n).astype(object),
    }
    columns = {f.name: pa.nulls(n, f.type) for f in schema.VOYAGE_DATA}
    known = build(schema.VOYAGE_DATA, columns | collected | {name: values[name]})
    known = reported.once_a_day(known, schema.VOYAGE_DATA.empty_table(), schema.VOYAGE_DATA, NOON)[0]
    mmsi, when = rng.integers(1, 6, 50), NOON + rng.integers(0, 600, 50) * HOUR
    found, at = reported.as_of(known, name, mmsi, when, when - 7 * DAY)
    for who, time, value, printed in zip(mmsi, when, found.to_pylist(), at.cast(pa.int64()).to_pylist(), strict=True):
        rows = np.flatnonzero((collected["mmsi"] == who) & (collected["time"] <= time))
        best = max(((collected["time"][k], values[name][k]) for k in rows), default=None)
        # each value is told once a UTC day: what was said last stands, its time is known to the day
        if best is None or time - best[0] > 8 * DAY:
            assert value is None
        elif time - best[0] < 6 * DAY:
            assert value == best[1]
            assert 0 <= best[0] - printed <= DAY


# ------------------------------------------------------------------------------------------------ calls


def stay(mmsi, hours, lon, lat, start_h=0.0, sog=0.0, **how):
    """A vessel that lies in one place, a fix each ten minutes."""
    time_us = NOON + np.rint((start_h + np.arange(int(hours * 6) + 1) / 6) * HOUR).astype(np.int64)
    return seas.fixes(mmsi, time_us, lon, lat, sog, **how)


def route(*points, mmsi=1):
    """A vessel that goes evenly from (hours, lon, lat) to the next, a fix each ten minutes; its speed is not sent."""
    hours, lon, lat = np.array(points, float).T
    at = np.arange(hours[0], hours[-1] + 1e-9, 1 / 6)
    where = (np.interp(at, hours, values) for values in (lon, lat))
    return seas.fixes(mmsi, NOON + np.rint(at * HOUR).astype(np.int64), *where)


NAMPO, ROADS, SEA = (125.40, 38.712), (125.10, 38.70), (124.4, 38.5)


def called(*parts, **how):
    return seas.run(pa.concat_tables(parts), **how)["port_calls"].to_pylist()


def heard(*parts, **how):
    return [row for row in called(*parts, **how) if row["shown"] != "dark_possible"]


def test_a_stay_in_a_harbour_is_a_call_at_a_berth():
    (row,) = heard(route((0, *SEA), (8, *NAMPO), (18, *NAMPO), (26, *SEA)))
    assert (row["shown"], row["port"], row["part"], row["trade"]) == ("lit", "nampo", "berth", True)
    assert (micros_of(row["arrival"]), micros_of(row["departure"])) == (NOON + 8 * HOUR, NOON + 18 * HOUR)
    assert row["distance_to_shore_error_km"] == 0.6
    assert row["may_score"] is False


def micros_of(moment):
    return round(moment.timestamp() * 1e6)


def test_roads_and_berth_of_one_port_are_one_call_and_roads_alone_one_at_anchor():
    at_anchor = stay(1, 5, *ROADS)
    (row,) = heard(route((0, *ROADS), (5, *ROADS), (7, *NAMPO), (12, *NAMPO)))
    assert (row["port"], row["part"]) == ("nampo", "berth")
    (row,) = heard(at_anchor)
    assert row["part"] == "anchorage"
    assert (row["start_censored"], row["end_censored"]) == (True, True)


def test_a_silence_within_a_call_makes_it_partly_dark_and_says_for_how_long():
    (row,) = heard(stay(1, 5, *NAMPO), stay(1, 5, *NAMPO, 50))
    assert (row["shown"], row["silent_h"]) == ("partly_dark", 45.0)
    assert micros_of(row["departure"]) == NOON + 55 * HOUR


def test_who_leaves_and_comes_back_later_calls_twice():
    rows = heard(route((0, *NAMPO), (5, *NAMPO), (13, *SEA), (21, *NAMPO), (25, *NAMPO)))
    assert [row["port"] for row in rows] == ["nampo", "nampo"]


@pytest.mark.parametrize("hours", [1, 7, 30])
def test_draught_and_destination_stand_before_and_after_whatever_the_cut(hours):
    parts = route((0, *SEA), (8, *NAMPO), (18, *NAMPO), (26, *SEA), (60, 124.0, 36.0))
    printed = [(2, 4.0, "NAMPO"), (20, 6.5, None), (23, None, "ORDERS"), (60, 9.0, "LATE")]
    n = len(printed)
    columns = {f.name: pa.nulls(n, f.type) for f in schema.STATIC_REPORTS}
    columns |= {
        "mmsi": pa.array([1] * n, pa.int32()),
        "time": pa.array([NOON + h * HOUR for h, _, _ in printed]).cast(schema.UTC),
        "draught_m": pa.array([d for _, d, _ in printed], pa.float32()),
        "destination": pa.array([d for _, _, d in printed], pa.string()),
        "source": pa.array(["0" * 16] * n),
        "offset": pa.array(range(n)),
        "length": pa.array([1] * n, pa.int32()),
    }
    reports = pa.table({f.name: columns[f.name] for f in schema.STATIC_REPORTS}, schema=schema.STATIC_REPORTS)
    (row,) = heard(parts, cuts=seas.every(parts, hours), reports=reports)
    assert (row["draught_m_before"], row["draught_m_before_h"]) == (4.0, 6.0)
    assert (row["destination_before"], row["destination_after"]) == ("NAMPO", "ORDERS")
    assert (row["draught_m_after"], row["draught_m_after_h"]) == (6.5, -2.0)


# ------------------------------------------------------------------------------------------------ dark-possible


def test_a_silence_leaves_time_for_a_port_or_not():
    off = (124.2, 38.6)  # some 60 nm by sea from Nampo
    rows = called(stay(1, 2, *off), stay(1, 2, *off, 22))
    assert {row["port"] for row in rows} >= {"nampo", "songnim"}
    assert not {row["port"] for row in rows} & {"wonsan", "rajin", "vostochny"}
    best = min(rows, key=lambda row: row["rank"])
    assert best["rank"] == 1
    for row in rows:
        assert row["shown"] == "dark_possible"
        assert row["judgement"] != "silenced" or row["may_score"]
        assert row["gap_start"] < row["arrival"] < row["departure"] < row["gap_end"]
        stayed_h = (row["departure"] - row["arrival"]).total_seconds() / 3600
        assert stayed_h == pytest.approx(row["spare_h"], abs=0.01)
        assert row["way_km"] / 1.852 / 12.0 + row["spare_h"] == pytest.approx(20.0, abs=0.02)
    assert called(stay(1, 2, *off), stay(1, 2, *off, 9)) == []


def test_no_silence_but_a_silenced_one_may_score():
    gaps = seas.run(pa.concat_tables([stay(1, 2, 124.2, 38.6), stay(1, 2, 124.2, 38.6, 22)]))["judged_gaps"]
    for word in ("silenced", "not_received", "unknown", "left_data"):
        judged = gaps.set_column(gaps.column_names.index("judgement"), "judgement", pa.array([word]))
        rows = dark_calls(judged.cast(schema.JUDGED_GAPS), RULES)
        assert rows.num_rows > 0
        assert set(rows["may_score"].to_pylist()) == {word == "silenced"}
        assert set(rows["judgement"].to_pylist()) == {word}


def test_a_silence_that_no_fix_ended_says_nothing():
    assert called(stay(1, 2, 124.2, 38.6), stay(2, 40, 10.0, 0.0)) == []


# ------------------------------------------------------------------------------------------------ loitering


def waited(*parts, **how):
    return seas.run(pa.concat_tables(parts), **how)["loitering"].to_pylist()


def test_who_drifts_at_sea_for_hours_loiters():
    (row,) = waited(route((0, 123.0, 36.5), (2, 123.5, 36.5), (7, 123.56, 36.5)))
    assert row["duration_h"] == pytest.approx(5.0)
    assert row["drift_km"] == pytest.approx(5.37, abs=0.05)
    assert row["mean_speed_kn"] == pytest.approx(0.6, abs=0.1)
    assert row["zones"] == ["yellow_sea"]
    assert (row["start_censored"], row["end_censored"]) == (False, True)
    assert waited(stay(1, 2.5, 123.5, 36.5)) == []


def test_at_a_berth_and_in_lawful_roads_nobody_loiters_but_in_those_of_a_reported_area():
    assert waited(stay(1, 10, *NAMPO)) == []
    assert waited(stay(1, 10, 120.55, 36.0)) == waited(stay(1, 10, 121.7, 38.93)) == []  # off Qingdao, in Dalian
    (row,) = waited(stay(1, 10, *ROADS))
    assert "nampo_sokto" in row["zones"]


@pytest.mark.parametrize("hours", [6, 20])
def test_who_lay_at_sea_meanwhile_called_twice_however_long_the_silence_and_wherever_the_data_are_cut(hours):
    """A silence begins at the berth; heard again it lies at sea, then at the berth once more, within a week."""
    parts = (stay(1, 5, *NAMPO), stay(1, 4, *SEA, 40), stay(1, 5, *NAMPO, 100))
    table = pa.concat_tables(parts)
    for cuts in ((), seas.every(table, hours)):
        rows = [r for r in seas.run(table, cuts)["port_calls"].to_pylist() if r["shown"] != "dark_possible"]
        assert [(micros_of(r["arrival"]) - NOON) // HOUR for r in rows] == [0, 100]
