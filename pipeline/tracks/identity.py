"""Which hull sent a fix: an MMSI is a claim, and one MMSI can carry several tracks.

A fix joins the track that can explain it (the nearest, where several can), else it starts another. Nearly all vessels
have one track and no impossible hop; they are told apart by a vectorised test, and only the others are walked. From
slice to slice new fixes are put behind the tracks that they belong to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa

from stswatch.geo.coordinates.plane import hop_m, one_hop_m
from stswatch.geo.coordinates.sphere import M_PER_NM
from stswatch.pipeline import schema
from stswatch.pipeline.batch import MS, SECOND, Bools, Floats, Ints, micros, ordered
from stswatch.pipeline.rules import days
from stswatch.pipeline.schema import SATELLITE
from stswatch.pipeline.track_rules import VesselRules
from stswatch.pipeline.tracks.fixes import NO_HEADING
from stswatch.pipeline.tracks.legs import Track

M_PER_KN_US = M_PER_NM / 3600.0 / SECOND


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
    return np.round(distance_m, 3) > rules.hop_slack_m + rules.max_speed_kn * M_PER_KN_US * dt_us


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
    reach_m_us = rules.max_speed_kn * M_PER_KN_US
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


TRACKS = schema.table(
    "Tracks that can still go on, by their last fix.",
    *(schema.LEGS.field(name) for name in ("mmsi", "track_start")),
    schema.column("time", schema.UTC, "last fix"),
    schema.column("lon", pa.float64(), "last fix", unit="deg"),
    schema.column("lat", pa.float64(), "last fix", unit="deg"),
    schema.column("sog_kn", pa.float32(), "last fix", unit="kn", null=True),
    schema.column("cog_deg", pa.float32(), "last fix", unit="deg", null=True),
    schema.column("satellite", pa.bool_(), "last fix came by satellite"),
    schema.column("has_leg", pa.bool_(), "a leg ends at the last fix"),
    schema.column("fixes", pa.int64(), "fixes so far"),
    schema.LEGS.field("rounding_m"),
    schema.column("silent", pa.bool_(), "the silence after the last fix has been told"),
    schema.column("station", pa.string(), "station that heard the last fix", null=True),
    schema.column("ais_class", pa.int8(), "class of the set at the last fix, see fixes.PENDING"),
)


@dataclass(frozen=True)
class Walked:
    """The last fixes of the tracks so far and the new fixes, sorted by MMSI, track and time, (n,) each.

    row: of the new fixes that they were, below 0 of what is carried.
    """

    fixes: Track
    carried: Bools
    had_leg: Bools
    silent: Bools
    fixes_before: Ints
    row: Ints


def walk(tracks: pa.Table, ready: pa.Table, rules: VesselRules) -> Walked:
    """Put the new fixes behind the tracks they belong to."""
    old, new = tracks.num_rows, ready.num_rows

    def both(name: str, dtype: type) -> np.ndarray:
        return np.concatenate([np.asarray(t[name], dtype=dtype) for t in (tracks, ready)])

    mmsi = both("mmsi", np.int64)
    time_us = np.concatenate([micros(tracks, "time"), micros(ready, "time")])
    order = ordered(mmsi, time_us // MS)
    carried = order < old
    name_us = np.concatenate([micros(tracks, "track_start"), np.zeros(new, np.int64)])[order]
    lon, lat, sog_kn = (both(n, np.float64)[order] for n in ("lon", "lat", "sog_kn"))
    mmsi, time_us = mmsi[order], time_us[order]
    distance_m = _hops_m(lon, lat)
    track_us = attribute(Fixes(mmsi, time_us, lon, lat, distance_m, carried, name_us), rules)
    heard = np.asarray(ready["receiver"]) == SATELLITE
    satellite = np.concatenate([np.asarray(tracks["satellite"], dtype=bool), heard])[order]

    def carry(name: str, dtype: type) -> np.ndarray:
        return np.concatenate([np.asarray(tracks[name], dtype=dtype), np.zeros(new, dtype)])[order]

    had_leg, silent, count = carry("has_leg", bool), carry("silent", bool), carry("fixes", np.int64)
    # a leg has the heading at its end, so that of a last fix is not carried
    heading_deg = np.concatenate([np.full(old, NO_HEADING, np.int16), np.asarray(ready["heading_deg"])])[order]
    rounding_m = both("rounding_m", np.int32)[order]
    fixes = Track(mmsi, track_us, time_us, lon, lat, distance_m, sog_kn, satellite, heading_deg, rounding_m)
    walked = Walked(fixes, carried, had_leg, silent, count, order - old)
    return _by_track(walked) if _interleaved(mmsi, track_us) else walked


def _hops_m(lon: Floats, lat: Floats) -> Floats:
    """Distance of each fix from the one before, metres; 0 for the first."""
    return np.concatenate([np.zeros(min(len(lon), 1)), hop_m(lon, lat)])


def _by_track(walked: Walked) -> Walked:
    """The same fixes, those of each track together."""
    given = walked.fixes
    order = ordered(given.mmsi, given.track_us // MS, given.time_us // MS)
    fixes = Track(**{f.name: getattr(given, f.name)[order] for f in fields(Track)})
    fixes = replace(fixes, distance_m=_hops_m(fixes.lon, fixes.lat))
    carried, had_leg = walked.carried[order], walked.had_leg[order]
    return Walked(fixes, carried, had_leg, walked.silent[order], walked.fixes_before[order], walked.row[order])


def _interleaved(mmsi: Ints, track_us: Ints) -> bool:
    """Whether some MMSI has several tracks whose fixes are not in order of the track."""
    same = mmsi[1:] == mmsi[:-1]
    return bool((same & (track_us[1:] != track_us[:-1])).any())
