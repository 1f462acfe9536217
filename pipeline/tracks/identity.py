"""Which hull sent a fix: an MMSI is a claim, and one MMSI can carry several tracks.

A fix joins the track that can explain it (the nearest, where several can), else it starts another. Nearly all vessels
have one track and no impossible hop; they are told apart by a vectorised test, and only the others are walked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stswatch.geo.plane import one_hop_m
from stswatch.geo.sphere import M_PER_NM
from stswatch.pipeline.batch import SECOND, Bools, Floats, Ints
from stswatch.pipeline.rules import VesselRules, days

_M_PER_KN_US = M_PER_NM / 3600.0 / SECOND


@dataclass(frozen=True)
class Fixes:
    """Valid fixes as columns, (n,) each, sorted by MMSI and time.

    distance_m: from the row before, which may be another vessel's. track_us: the track of those carried from before.
    """

    mmsi: Ints
    time_us: Ints
    lon: Floats
    lat: Floats
    distance_m: Floats
    carried: Bools
    track_us: Ints


def impossible(distance_m: Floats, dt_us: Ints, rules: VesselRules) -> Bools:
    """Whether no ship goes so far in that time, (n,) bool."""
    return np.round(distance_m, 3) > rules.hop_slack_m + rules.max_speed_kn * _M_PER_KN_US * dt_us


def attribute(fixes: Fixes, rules: VesselRules) -> Ints:
    """The track of each fix, named by the time of its first fix, (n,) int64 microseconds."""
    n = len(fixes.mmsi)
    if n == 0:
        return np.zeros(0, np.int64)
    same = np.zeros(n, bool)
    same[1:] = fixes.mmsi[1:] == fixes.mmsi[:-1]
    dt_us = np.diff(fixes.time_us, prepend=fixes.time_us[:1])
    hop = np.zeros(n, bool)
    hop[1:] = impossible(fixes.distance_m[1:], dt_us[1:], rules)
    shared = same & (hop | (fixes.carried & np.roll(fixes.carried, 1)))
    born = ~same | (dt_us > days(rules.track_memory_d))
    name_us = np.where(fixes.carried, fixes.track_us, fixes.time_us)
    track = name_us[np.maximum.accumulate(np.where(born, np.arange(n), 0))]
    for first, last in _dirty_runs(fixes.mmsi, same, shared):
        track[first:last] = _walk(fixes, first, last, rules)
    return track


def _dirty_runs(mmsi: Ints, same: Bools, shared: Bools) -> list[tuple[int, int]]:
    """First and last-plus-one row of each MMSI that has an impossible hop or several tracks."""
    if not shared.any():
        return []
    heads = np.flatnonzero(~same)
    dirty = np.unique(np.searchsorted(heads, np.flatnonzero(shared), side="right") - 1)
    tails = np.append(heads[1:], len(mmsi))
    return list(zip(heads[dirty].tolist(), tails[dirty].tolist(), strict=True))


def _walk(fixes: Fixes, first: int, last: int, rules: VesselRules) -> list[int]:
    """Attribute the fixes of one MMSI one after the other; of many tracks only those heard last can go on.

    Distances are rounded as `impossible` rounds them: which vessels are walked depends on what else is in the slice,
    and no hop may be judged by that.
    """
    memory_us = days(rules.track_memory_d)
    reach_m_us = rules.max_speed_kn * _M_PER_KN_US
    time, lon, lat = (a[first:last].tolist() for a in (fixes.time_us, fixes.lon, fixes.lat))
    carried, named = fixes.carried[first:last].tolist(), fixes.track_us[first:last].tolist()
    alive: dict[int, tuple[int, float, float]] = {}
    out: list[int] = []
    for i, t in enumerate(time):
        if carried[i]:
            track = named[i]
        else:
            best = (math.inf, 0, 0)
            for name, (seen, x, y) in alive.items():
                away_m = round(one_hop_m(x, y, lon[i], lat[i]), 3)
                if t - seen <= memory_us and away_m <= rules.hop_slack_m + reach_m_us * (t - seen):
                    best = min(best, (away_m, -seen, name))
            track = best[2] if best[0] < math.inf else t
        alive.pop(track, None)  # so that the tracks stand in order of when they were heard
        alive[track] = (t, lon[i], lat[i])
        if len(alive) > rules.tracks_at_once:
            del alive[next(iter(alive))]
        out.append(track)
    return out
