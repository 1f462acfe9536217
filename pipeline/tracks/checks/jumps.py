"""Hops that no ship makes, tracks alive at once under one number, and what several numbers do at the same moment.

Nearly all vessels have one track and none of this; the others are found by one comparison.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.geo.coast.water import distance_inland_km, shore_error_km
from stswatch.geo.coordinates.cells import GRID_ROW, grid_cell
from stswatch.geo.coordinates.plane import hop_m
from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.pipeline import schema
from stswatch.pipeline.batch import Column, Floats, Ints, build, concat, micros, ordered, spread, starts_of
from stswatch.pipeline.reported import event_rows
from stswatch.pipeline.rules import Rules, days, minutes
from stswatch.pipeline.track_rules import CheckRules
from stswatch.pipeline.tracks.identity import M_PER_KN_US, Walked, impossible
from stswatch.pipeline.tracks.legs import Intervals

SHARED_IDENTITY, POSITION_JUMP, HANDSHAKE = "shared_identity", "position_jump", "handshake"
IMPOSSIBLE_SPEED, DISPLACEMENT, INLAND = "impossible_speed", "displacement", "inland"
_KM = 1000.0
_CELL_DEG = 0.2  # from one fix to the other's next a ship goes no further than to a cell beside


def check_rows(name: str, mmsi: Ints, track_us: Ints, span_us: tuple[Ints, Ints], **given: object) -> pa.Table:
    """Rows of schema.TRACK_CHECK_ROWS; what is not given is null."""
    n = len(mmsi)
    known = {"mmsi": mmsi, "track_start": track_us, "check_name": pa.array([name] * n, pa.string())}
    known |= {"start_time": span_us[0], "end_time": span_us[1]} | given
    return build("track_checks", {f.name: known.get(f.name, pa.nulls(n, f.type)) for f in schema.TRACK_CHECK_ROWS})


def jumps(walked: Walked, between: Intervals, rules: Rules) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Of the new fixes: identity events, checked parts and leaps, the latter for `compare`.

    between: what lies between the fixes of each track. Never raises.
    """
    leaps = _within_tracks(walked, between, rules.check)
    fixes = walked.fixes
    two = (fixes.mmsi[1:] == fixes.mmsi[:-1]) & (fixes.track_us[1:] != fixes.track_us[:-1])
    if not two.any():
        return schema.empty("identity_events"), schema.empty("track_checks"), leaps
    events, parts, hops = _of_several(walked, np.unique(fixes.mmsi[1:][two]), rules)
    return events, parts, concat([leaps, hops], schema.FLOW["leaps"])


def _within_tracks(walked: Walked, between: Intervals, rules: CheckRules) -> pa.Table:
    """Where a vessel came further than the two speeds that it reported explain."""
    fixes = walked.fixes
    speed_kn = between.speed_kn
    if not between.reported.all():  # where one of the two speeds is missing the other stands for both
        sog_kn = np.fmax(fixes.sog_kn, np.roll(fixes.sog_kn, 1))
        speed_kn = np.where(between.reported, speed_kn, np.where(np.isnan(sog_kn), rules.unknown_kn, sog_kn))
    spare_m = fixes.distance_m - (rules.leap_factor * M_PER_KN_US) * speed_kn * between.dt_us
    near = between.leg & (between.dt_us > 0) & (spare_m > rules.leap_m)
    row = np.flatnonzero(near)
    row = row[between.dt_us[row] <= minutes(rules.leap_within_min)]
    return _leap_rows(walked, row - 1, row, hop=False)


def _leap_rows(walked: Walked, a: Ints, b: Ints, hop: bool) -> pa.Table:
    """Rows of schema.LEAPS from these fixes to those, (n,) each."""
    fixes = walked.fixes
    columns = {"mmsi": fixes.mmsi[b], "start": fixes.time_us[a], "end": fixes.time_us[b], "hop": np.full(len(b), hop)}
    for side, row in (("0", a), ("1", b)):
        columns |= {f"lon{side}": fixes.lon[row], f"lat{side}": fixes.lat[row]}
        columns[f"sog{side}_kn"] = fixes.sog_kn[row].astype(np.float32)
    return build("leaps", columns)


def _of_several(walked: Walked, dirty: Ints, rules: Rules) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Events, parts and hops of the vessels that have several tracks."""
    at = np.flatnonzero(np.isin(walked.fixes.mmsi, dirty))
    mmsi, track_us, time_us = (getattr(walked.fixes, n)[at] for n in ("mmsi", "track_us", "time_us"))
    order = np.lexsort((time_us, mmsi))
    at, mmsi, track_us, time_us = at[order], mmsi[order], track_us[order], time_us[order]
    lon, lat, carried = walked.fixes.lon[at], walked.fixes.lat[at], walked.carried[at]
    seen_us = _seen_before(mmsi, track_us, time_us)
    apart_m = np.append(0.0, hop_m(lon, lat))
    changed = np.flatnonzero((mmsi[1:] == mmsi[:-1]) & (track_us[1:] != track_us[:-1]) & ~carried[1:]) + 1
    before = changed - 1
    dt_us = time_us[changed] - time_us[before]
    born = time_us[changed] == track_us[changed]
    far = impossible(apart_m[changed], dt_us, rules.vessel)
    hop = born & far
    returns = far & ~born
    began_us = track_us[before]
    back = ~born & (time_us[before] > began_us)
    shared = back & (seen_us[changed] > began_us)
    apart, from_row = _stays_apart((mmsi, track_us, time_us), seen_us, carried, rules)
    away_m = haversine_m(lon[from_row], lat[from_row], lon[apart], lat[apart])
    events = [
        event_rows(
            kind,
            mmsi[row],
            time_us[row],
            lon=lon[row],
            lat=lat[row],
            distance_km=np.round(apart_m[row] / _KM, 3),
        )
        for kind, row in ((SHARED_IDENTITY, changed[shared]), (POSITION_JUMP, changed[hop]))
    ]
    parts = check_rows(
        IMPOSSIBLE_SPEED,
        mmsi[apart],
        track_us[apart],
        (track_us[apart], time_us[apart]),
        lon=lon[apart],
        lat=lat[apart],
        measured=np.round(away_m / _KM, 3),
        threshold=np.full(len(apart), rules.vessel.hop_slack_m / _KM),
        samples=np.full(len(apart), 2),
    )
    parts = concat([parts, _inland(parts, rules.check)], schema.FLOW["track_checks"])
    leaps = [_leap_rows(walked, at[before[of]], at[changed[of]], hop=of is hop) for of in (hop, returns)]
    return pa.concat_tables(events), parts, concat(leaps, schema.FLOW["leaps"])


def _inland(parts: pa.Table, rules: CheckRules) -> pa.Table:
    """Of parts that began by a hop those that lie on land, further from shore than the coast may be wrong.

    Rivers are not in the coast's data: whoever sails on one came there without a hop, and is never asked about.
    """
    lon, lat = (np.asarray(parts[name]) for name in ("lon", "lat"))
    if not len(lon):
        return parts
    inland_km = distance_inland_km(lon, lat)
    far = inland_km > shore_error_km(lon, lat, inland_km) + rules.inland_km
    found = parts.filter(pa.array(far)).to_pydict()
    found |= {"check_name": [INLAND] * int(far.sum()), "measured": np.round(inland_km[far], 2)}
    found |= {"threshold": np.full(int(far.sum()), rules.inland_km)}
    return pa.table(found, schema=parts.schema)


def _stays_apart(of: tuple[Ints, Ints, Ints], seen_us: Ints, carried: Column, rules: Rules) -> tuple[Ints, Ints]:
    """The fix at which a track that began by a hop has lasted for apart_min, no other having been heard since it began.

    of: MMSI, track and time of fixes in order of time. Gives rows, and for each the last fix of another track: one that
    is still remembered, for a track that begins after it was forgotten began by no hop.
    """
    mmsi, track_us, time_us = of
    least_us, memory_us = minutes(rules.check.apart_min), days(rules.vessel.track_memory_d)
    run = np.zeros(len(mmsi), bool)
    run[starts_of(mmsi, track_us)] = True
    head = np.maximum.accumulate(np.where(run, np.arange(len(mmsi)), 0))
    other = np.maximum(head - 1, 0)
    alone = (head > 0) & (mmsi[other] == mmsi) & (time_us[other] < track_us) & (time_us - time_us[other] <= memory_us)
    reached = (time_us - track_us >= least_us) & (seen_us - track_us < least_us)
    row = np.flatnonzero(~carried & alone & reached)
    return row, other[row]


def _seen_before(mmsi: Ints, track_us: Ints, time_us: Ints) -> Ints:
    """When the track of each fix was heard before, (n,); its own time where it was not."""
    order = np.lexsort((time_us, track_us, mmsi))
    first = np.zeros(len(order), bool)
    first[starts_of(mmsi[order], track_us[order])] = True
    found = np.empty(len(order), np.int64)
    found[order] = np.where(first, time_us[order], time_us[order[np.maximum(np.arange(len(order)) - 1, 0)]])
    return found


# ------------------------------------------------------------------------------- what several do at the same moment


def displacements(leaps: pa.Table, rules: Rules) -> pa.Table:
    """Hops of many vessels to one place at once: interference with satellite navigation, which accuses none of them.

    leaps: those of whole buckets of thin_bucket_min, in any order.
    """
    hops = leaps.filter(leaps["hop"]).combine_chunks()
    end_us = micros(hops, "end")
    lon, lat = np.asarray(hops["lon1"]), np.asarray(hops["lat1"])
    mmsi = np.asarray(hops["mmsi"]).astype(np.int64)
    cell = grid_cell(lon, lat, rules.check.displaced_deg)
    bucket = end_us // minutes(rules.vessel.thin_bucket_min)
    order = ordered(bucket, cell, mmsi)
    bucket, cell, mmsi, end_us, lon, lat = (a[order] for a in (bucket, cell, mmsi, end_us, lon, lat))
    one = starts_of(bucket, cell, mmsi)  # the first hop of each vessel: of several at one moment there is one track
    heads = starts_of(bucket[one], cell[one])
    count = np.diff(np.append(heads, len(one)))
    many = np.repeat(count, count)
    keep = many >= rules.check.displaced_vessels
    row, many, n = one[keep], many[keep], int(keep.sum())
    return check_rows(
        DISPLACEMENT,
        mmsi[row],
        end_us[row],
        (end_us[row], end_us[row]),
        lon=lon[row],
        lat=lat[row],
        measured=many.astype(float),
        threshold=np.full(n, rules.check.displaced_vessels),
        samples=np.ones(n, np.int64),
        vessels=many,
    )


def handshakes(leaps: pa.Table, span_us: tuple[int, int], rules: Rules) -> pa.Table:
    """Where two numbers change places: each goes on where the other was. Rows of schema.IDENTITY_EVENTS.

    leaps: in any order; a report that came late leaps there and back, which is no change. span_us: from, and to before,
    when apart_min are over since the second of the two leaped.
    """
    leaps = leaps.take(pa.array(_single(leaps, minutes(rules.check.apart_min)))).combine_chunks()
    if leaps.num_rows < 2:
        return schema.empty("identity_events")
    a, b = _near_pairs(leaps, rules.check)
    mmsi, start_us, end_us = np.asarray(leaps["mmsi"]).astype(np.int64), micros(leaps, "start"), micros(leaps, "end")
    settled_us = np.maximum(end_us[a], end_us[b]) + minutes(rules.check.apart_min)
    due = (settled_us >= span_us[0]) & (settled_us < span_us[1])
    a, b = a[due], b[due]
    own_m, _ = _way(leaps, a, a, rules.check)
    others_m, _ = _way(leaps, b, b, rules.check)
    one_m, one_spare_m = _way(leaps, a, b, rules.check)
    two_m, two_spare_m = _way(leaps, b, a, rules.check)
    swap = np.minimum(end_us[a], end_us[b]) >= np.maximum(start_us[a], start_us[b])
    swap &= np.maximum(one_spare_m, two_spare_m) <= rules.check.leap_m
    swap &= own_m + others_m >= rules.check.swap_times * (one_m + two_m)
    a, b = a[swap], b[swap]
    place = {"lon": np.asarray(leaps["lon0"])[a], "lat": np.asarray(leaps["lat0"])[a]}
    km = np.round(np.minimum(own_m, others_m)[swap] / _KM, 3)
    time_us = np.maximum(end_us[a], end_us[b])
    return event_rows(HANDSHAKE, mmsi[a], time_us, other_mmsi=mmsi[b].astype(np.int32), distance_km=km, **place)


def _single(leaps: pa.Table, within_us: int) -> Ints:
    """The leaps before and after which, so near in time, none of the same number is half as far or further."""
    mmsi, end_us = np.asarray(leaps["mmsi"]).astype(np.int64), micros(leaps, "end")
    lon0, lat0, lon1, lat1 = (np.asarray(leaps[name]) for name in ("lon0", "lat0", "lon1", "lat1"))
    order = np.lexsort((end_us, mmsi))
    far_m = haversine_m(lon0, lat0, lon1, lat1)[order]
    near = (np.diff(mmsi[order]) == 0) & (np.diff(end_us[order]) <= within_us)
    there_and_back = np.zeros(len(order), bool)
    there_and_back[1:] = near & (2 * far_m[:-1] >= far_m[1:])
    there_and_back[:-1] |= near & (2 * far_m[1:] >= far_m[:-1])
    return order[~there_and_back]


def _way(leaps: pa.Table, a: Ints, b: Ints, rules: CheckRules) -> tuple[Floats, Floats]:
    """From where leap a begins to where b ends: the distance, and how much of it the speeds there do not explain.

    The greater one counts, since a ship may have sped up at once, and some sets report none at all.
    """
    lon0, lat0, sog0_kn = (np.asarray(leaps[name], dtype=np.float64)[a] for name in ("lon0", "lat0", "sog0_kn"))
    lon1, lat1, sog1_kn = (np.asarray(leaps[name], dtype=np.float64)[b] for name in ("lon1", "lat1", "sog1_kn"))
    taken_us = np.maximum(micros(leaps, "end")[b] - micros(leaps, "start")[a], 0)
    distance_m = haversine_m(lon0, lat0, lon1, lat1)
    reach_m = rules.leap_factor * M_PER_KN_US * taken_us * np.nan_to_num(np.fmax(sog0_kn, sog1_kn))
    return distance_m, distance_m - reach_m


def _near_pairs(leaps: pa.Table, rules: CheckRules) -> tuple[Ints, Ints]:
    """Rows of two vessels, the smaller number first, where b ends in or beside the cell in which a begins."""
    start_lon, start_lat, end_lon, end_lat = (np.asarray(leaps[n]) for n in ("lon0", "lat0", "lon1", "lat1"))
    begins = grid_cell(start_lon, start_lat, _CELL_DEG)
    order = np.argsort(begins, kind="stable")
    steps = [dy * GRID_ROW + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    ends = grid_cell(end_lon, end_lat, _CELL_DEG)
    pairs = [_equal(begins[order], ends + step) for step in steps]
    b = np.concatenate([row for row, _ in pairs])
    a = order[np.concatenate([at for _, at in pairs])]
    mmsi = np.asarray(leaps["mmsi"])
    time_us = micros(leaps, "end")
    good = (mmsi[a] < mmsi[b]) & (np.abs(time_us[a] - time_us[b]) <= minutes(rules.leap_within_min))
    return a[good], b[good]


def _equal(sorted_keys: Ints, wanted: Ints) -> tuple[Ints, Ints]:
    """(row of wanted, place among sorted keys) of every equal pair."""
    low, high = (np.searchsorted(sorted_keys, wanted, side) for side in ("left", "right"))
    row, nth = spread(high - low)
    return row, low[row] + nth
