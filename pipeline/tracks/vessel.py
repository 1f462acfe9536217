"""The vessel step: from fixes and static reports of an MMSI shard to legs, gaps, counts and what is known.

Law: fixes are taken in whole UTC buckets, those of an unfinished bucket wait; a track falls silent when the frontier
has passed its last fix by the threshold, exactly as a later fix would tell. So no cut of the data shows.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.plane import hop_m
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    MS,
    Batch,
    Bools,
    Floats,
    Ints,
    Result,
    Tables,
    build,
    concat,
    micros,
    ordered,
    starts_of,
)
from stswatch.pipeline.rules import Rules, VesselRules, minutes
from stswatch.pipeline.tracks import gaps
from stswatch.pipeline.tracks.coverage import HEARD, RECEIVERS, SATELLITE, UNKNOWN, receptions
from stswatch.pipeline.tracks.identity import Fixes, attribute
from stswatch.pipeline.tracks.known import known
from stswatch.pipeline.tracks.legs import Legs, Track, inner_ms, pieces, slow_legs, steps

PENDING = pa.schema(
    [
        *(schema.FIXES.field(name) for name in ("mmsi", "time", "lon", "lat", "sog_kn")),
        schema.column("receiver", pa.int8(), "kind of receiver, its place in RECEIVERS"),
    ]
)
TRACKS = schema.table(
    "Tracks that can still go on, by their last fix.",
    *(schema.LEGS.field(name) for name in ("mmsi", "track")),
    schema.column("time", schema.UTC, "last fix"),
    schema.column("lon", pa.float64(), "last fix", unit="deg"),
    schema.column("lat", pa.float64(), "last fix", unit="deg"),
    schema.column("sog_kn", pa.float32(), "last fix", unit="kn", null=True),
    schema.column("satellite", pa.bool_(), "last fix came by satellite"),
    schema.column("has_leg", pa.bool_(), "a leg ends at the last fix"),
    schema.column("fixes", pa.int64(), "fixes so far"),
    schema.column("silent", pa.bool_(), "the silence after the last fix has been told"),
)
STATE = {"pending": PENDING, "tracks": TRACKS, "heard": HEARD}


def vessel(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of one MMSI shard; see the module docstring for the law, schema.FLOW for what it gives."""
    fixes = concat([state["pending"], valid(batch.table("fixes"))], PENDING)
    bucket_us = minutes(rules.vessel.thin_bucket_min)
    until_us = batch.frontier_us if batch.final else batch.frontier_us // bucket_us * bucket_us
    ready, pending = _split(fixes, until_us, batch.final)
    ready = _distinct(ready)
    walked = _walk(state["tracks"], ready, rules.vessel)
    now = walked.fixes
    between = steps(now, rules.vessel)
    has_leg = between.leg | (walked.carried & walked.had_leg)
    legs = slow_legs(now, between, has_leg, rules.vessel)
    tracks, gap_rows, edge_rows = gaps.tell(walked, between, has_leg, until_us, batch, rules.vessel)
    counts, heard = receptions(ready, state["heard"], until_us, rules.coverage)
    rows = {
        "legs": _leg_rows(now, legs, rules.vessel),
        "gaps": gap_rows,
        "edges": edge_rows,
        "receptions": counts,
        "vessels": known(ready, batch.table("static_reports")),
    }
    return Result({"pending": pending, "tracks": tracks, "heard": heard}, rows)


def valid(fixes: pa.Table) -> pa.Table:
    """The fixes that can be part of a track, with the columns that decide; times in whole milliseconds."""
    if fixes.num_rows == 0:
        return PENDING.empty_table()
    if fixes["invalid"].null_count < fixes.num_rows:
        fixes = fixes.filter(pc.is_null(fixes["invalid"]))
    columns = {name: fixes[name] for name in ("mmsi", "lon", "lat", "sog_kn")}
    whole_ms = micros(fixes, "time") // MS * MS
    return build(PENDING, columns | {"time": whole_ms, "receiver": _receivers(fixes["receiver"])})


def _receivers(kinds: pa.ChunkedArray) -> Ints:
    """The place of each kind of receiver in RECEIVERS; a word that is not there counts as unknown."""
    coded = kinds.combine_chunks()
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    places = [RECEIVERS.index(word) if word in RECEIVERS else UNKNOWN for word in coded.dictionary.to_pylist()]
    return np.asarray(np.array(places, np.int64)[np.asarray(coded.indices)])


def _split(fixes: pa.Table, until_us: int, final: bool) -> tuple[pa.Table, pa.Table]:
    """What is decided now, and what waits for its bucket to end."""
    if final:
        return fixes, PENDING.empty_table()
    ready = micros(fixes, "time") < until_us
    if ready.all():
        return fixes, PENDING.empty_table()
    return fixes.filter(ready), fixes.filter(~ready).combine_chunks()


def _distinct(fixes: pa.Table) -> pa.Table:
    """One fix per MMSI and moment, sorted; of several the least by longitude, latitude, speed, receiver is kept."""
    if fixes.num_rows == 0:
        return fixes
    mmsi, time = np.asarray(fixes["mmsi"]), micros(fixes, "time")
    key = _sort_key(mmsi, time)
    step = np.diff(key)
    if (step > 0).all():
        return fixes
    order = np.argsort(key)
    ties = np.diff(key[order]) == 0
    if ties.any():
        order = _break_ties(fixes, key, order, ties)
    return fixes.take(pa.array(order)).combine_chunks()


def _sort_key(mmsi: np.ndarray, time_us: Ints) -> Ints:
    """MMSI and milliseconds since the earliest fix in one whole number."""
    base = time_us.min()
    span = int((time_us.max() - base) // MS) + 1
    who = mmsi.astype(np.int64)
    if (int(who.max()) + 1) * span >= 1 << 63:  # 30 bits of MMSI leave room for 99 days: beyond, number the vessels
        who = np.unique(who, return_inverse=True)[1]
    return np.asarray(who * span + (time_us - base) // MS)


def _break_ties(fixes: pa.Table, key: Ints, order: Ints, ties: Bools) -> Ints:
    """Keep the least row of each group of equal keys; only the tied rows are compared."""
    tied = np.zeros(len(order), bool)
    tied[1:] |= ties
    tied[:-1] |= ties
    rows = order[tied]
    part = fixes.take(pa.array(rows)).append_column("key", pa.array(key[rows]))
    names = ("key", "lon", "lat", "sog_kn", "receiver")
    by_value = np.asarray(pc.sort_indices(part, [(name, "ascending") for name in names]))
    kept = by_value[starts_of(key[rows][by_value])]
    merged = np.concatenate([order[~tied], rows[kept]])
    return merged[np.argsort(key[merged])]


@dataclass(frozen=True)
class Walked:
    """The last fixes of the tracks so far and the new fixes, sorted by MMSI, track and time, (n,) each."""

    fixes: Track
    carried: Bools
    had_leg: Bools
    silent: Bools
    fixes_before: Ints


def _walk(tracks: pa.Table, ready: pa.Table, rules: VesselRules) -> Walked:
    """Put the new fixes behind the tracks they belong to."""
    old, new = tracks.num_rows, ready.num_rows

    def both(name: str, dtype: type) -> np.ndarray:
        return np.concatenate([np.asarray(t[name], dtype=dtype) for t in (tracks, ready)])

    mmsi = both("mmsi", np.int64)
    time_us = np.concatenate([micros(tracks, "time"), micros(ready, "time")])
    order = ordered(mmsi, time_us // MS)
    carried = order < old
    name_us = np.concatenate([micros(tracks, "track"), np.zeros(new, np.int64)])[order]
    lon, lat, sog_kn = (both(n, np.float64)[order] for n in ("lon", "lat", "sog_kn"))
    mmsi, time_us = mmsi[order], time_us[order]
    distance_m = _hops_m(lon, lat)
    track_us = attribute(Fixes(mmsi, time_us, lon, lat, distance_m, carried, name_us), rules)
    heard = np.asarray(ready["receiver"]) == SATELLITE
    satellite = np.concatenate([np.asarray(tracks["satellite"], dtype=bool), heard])[order]

    def carry(name: str, dtype: type) -> np.ndarray:
        return np.concatenate([np.asarray(tracks[name], dtype=dtype), np.zeros(new, dtype)])[order]

    had_leg, silent, count = carry("has_leg", bool), carry("silent", bool), carry("fixes", np.int64)
    fixes = Track(mmsi, track_us, time_us, lon, lat, distance_m, sog_kn, satellite)
    walked = Walked(fixes, carried, had_leg, silent, count)
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
    return Walked(fixes, carried, had_leg, walked.silent[order], walked.fixes_before[order])


def _interleaved(mmsi: Ints, track_us: Ints) -> bool:
    """Whether some MMSI has several tracks whose fixes are not in order of the track."""
    same = mmsi[1:] == mmsi[:-1]
    return bool((same & (track_us[1:] != track_us[:-1])).any())


def _leg_rows(fixes: Track, legs: Legs, rules: VesselRules) -> pa.Table:
    """The slow legs as rows of schema.LEGS."""
    cut = pieces(fixes, legs, rules)
    start, end = legs.start[cut.leg], legs.end[cut.leg]
    offsets, inner = inner_ms(fixes, legs)
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(inner, pa.int32()))
    return build(
        "legs",
        {
            "mmsi": fixes.mmsi[start],
            "track": fixes.track_us[start],
            "start": cut.start_us,
            "end": cut.end_us,
            "lon0": _tidy(cut.lon0),
            "lat0": _tidy(cut.lat0),
            "lon1": _tidy(cut.lon1),
            "lat1": _tidy(cut.lat1),
            "speed_dkn": legs.speed_dkn[cut.leg],
            "fix_start": fixes.time_us[start],
            "fix_end": fixes.time_us[end],
            "fresh": legs.fresh[cut.leg] & (cut.nth == 0),
            "inner": lists if len(cut.leg) == len(legs.start) else lists.take(pa.array(cut.leg)),
        },
    )


def _tidy(degrees: Floats) -> Floats:
    return np.round(degrees, 7)
