"""Owns: many that fall silent or come back together in one place are found, named and counted."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stswatch.pipeline import facts_beside
from stswatch.pipeline.rules import Rules, days, minutes
from stswatch.pipeline.store import across_vessels, queries
from tests.pipeline.store.build import at, encounter, gap, output, publish, rows

RULES = Rules()


def gaps_at(rng, n, spread_h=40):
    """Gaps of some vessels in two degrees, most at any time, some together."""
    out = []
    for k in range(n):
        burst = rng.random() < 0.5
        start = round((20 + rng.integers(0, 2) if burst else rng.uniform(0, spread_h)) * 60 + rng.uniform(0, 12)) / 60
        x = 124.2 + rng.integers(0, 2)
        end = None if rng.random() < 0.2 else at(round((start + rng.uniform(2, 9)) * 60) / 60)
        place = {"lon0": x, "lon1": None if end is None else 124.7, "lat1": None if end is None else 38.6}
        out.append(gap(start, mmsi=400 + int(rng.integers(0, 30)), track_start=at(-k), end_time=end, **place))
    return out


def micros(time: datetime) -> int:
    return round(time.timestamp() * 1e6)


def by_hand(gaps, rules):
    """Members of mass silences, one side and degree after the other."""
    near, found = minutes(rules.together_min), []
    for side, when, lon, lat in (("lost", "start_time", "lon0", "lat0"), ("back", "end_time", "lon1", "lat1")):
        ended = [g for g in gaps if g[when] is not None]
        for degree in sorted({(int(g[lon]), int(g[lat])) for g in ended}):
            own = sorted(
                (micros(g[when]), g["mmsi"], micros(g["track_start"]))
                for g in ended
                if (int(g[lon]), int(g[lat])) == degree
            )
            runs = []
            for each in own:
                if not runs or each[0] - runs[-1][-1][0] > near:
                    runs.append([])
                runs[-1].append(each)
            for run in runs:
                since, upto = run[0][0], run[-1][0]
                others = sum(since - days(1) <= t <= upto + days(1) for t, *_ in own) - len(run)
                expected = others * (upto - since + near) / (2 * days(1))
                if upto - since <= minutes(rules.mass_min) and len({who for _, who, _ in run}) >= max(
                    rules.mass_vessels, rules.mass_factor * expected
                ):
                    found += [(side, f"N{degree[1]:02d}E{degree[0]:03d}", *each) for each in run]
    return sorted(found)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 90))
def test_members_are_those_found_one_by_one(tmp_path_factory, seed, n):
    data = tmp_path_factory.mktemp("mass")
    gaps = gaps_at(np.random.default_rng(seed), n)
    publish(data, output(data, "a", {"gaps": gaps}))
    got = rows(data, f"SELECT * FROM {across_vessels.MASS_MEMBERS}")
    collected = sorted((r["side"], r["region"], micros(r["time"]), r["mmsi"], micros(r["track_start"])) for r in got)
    assert collected == by_hand(gaps, RULES.reception)


def some_silent(n=7):
    """Vessels that fall silent within minutes and come back hours apart; a tanker, one of class B, some moored."""
    return [
        gap(
            10 + k / 60,
            mmsi=500 + k,
            end_time=at(14 + k),
            lon0=124.5,
            lat0=38.5,
            lon1=124.5,
            lat1=38.5,
            sog0_kn=0.1 if k < 4 else 9.0,
            class0="B" if k == 3 else "A",
            judgement="not_received",
        )
        for k in range(n)
    ]


def test_a_mass_silence_says_who_they_were_and_who_was_heard_meanwhile(tmp_path):
    cover = {"cell": round((38.25 + 90) / 0.5 - 0.5) * 100_000 + round((124.75 + 180) / 0.5 - 0.5), "fixes": 9}
    cover |= {"hour": at(11), "receiver": "satellite", "vessels": 3}
    found = {
        "gaps": some_silent(),
        "vessels": [{"mmsi": 500, "fixes": 1, "ship_type": 80, "ship_type_time": at(1)}],
        "coverage": [cover],
    }
    met = encounter(9.5, 11.0, mmsi_a=500, mmsi_b=600, lon=124.9, lat=38.9)
    publish(tmp_path, output(tmp_path, "a", found | {"encounters": [met]}))
    (row,) = rows(tmp_path, f"SELECT * FROM {across_vessels.MASS_SILENCES}")
    assert (row["id"], row["side"], row["region"]) == ("lost N38E124 2023-08-01T10:00:00Z", "lost", "N38E124")
    assert (row["start_time"], row["end_time"], row["vessels"]) == (at(10), at(10.1), 7)
    assert [row[name] for name in ("class_a", "class_b", "tankers", "still", "speed_known")] == [6, 1, 1, 4, 7]
    assert (row["heard_meanwhile"], row["silenced"], row["in_outage"]) == (3, 0, 0)
    (shown,) = queries.silences(tmp_path, met, (at(9), at(12)), [])["mass_silences"]
    assert shown == row
    far = met | {"lon": 128.0}
    assert queries.silences(tmp_path, far, (at(9), at(12)), [])["mass_silences"] == []
    assert queries.silences(tmp_path, far, (at(9), at(12)), some_silent()[:1])["mass_silences"] == [row]
    (line,) = facts_beside.mass_silences({"mass_silences": [row]})
    assert (
        "7 vessels (6 of class A, 1 of class B, 1 tankers, 4 of 7 lay still) fell silent in the degree N38E124" in line
    )


@pytest.mark.parametrize("fewer", [3, 4])
def test_a_few_are_none(tmp_path, fewer):
    publish(tmp_path, output(tmp_path, "a", {"gaps": some_silent(fewer)}))
    assert rows(tmp_path, f"SELECT * FROM {across_vessels.MASS_SILENCES}") == []


def test_on_a_busy_coast_where_gaps_begin_all_the_time_none_is_one(tmp_path):
    gaps = [gap(k / 10, mmsi=1000 + k) for k in range(480)]
    publish(tmp_path, output(tmp_path, "a", {"gaps": gaps}))
    assert rows(tmp_path, f"SELECT * FROM {across_vessels.MASS_SILENCES}") == []
