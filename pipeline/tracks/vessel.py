"""The vessel step: from fixes and static reports of an MMSI shard to legs, gaps, counts and what is known of vessels.

Law: fixes are taken in whole UTC buckets, those of an unfinished bucket wait; a track falls silent when the watermark
has passed its last fix by the threshold, exactly as a later fix would tell. So no cut of the data shows.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coordinates.cells import grid_cell
from stswatch.geo.reference.mmsi import flag_of
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    MINUTE,
    SECOND,
    Batch,
    Column,
    Floats,
    Ints,
    Result,
    Tables,
    build,
    concat,
    grouped,
    matching,
    micros,
    ordered,
    starts_of,
)
from stswatch.pipeline.reported import CLAIMS, claims, once_a_day
from stswatch.pipeline.rules import Rules, days, minutes
from stswatch.pipeline.schema import RECEIVERS
from stswatch.pipeline.track_rules import ABSENT_D, CoverageRules, VesselRules
from stswatch.pipeline.tracks.checks.course_checks import SAMPLES
from stswatch.pipeline.tracks.checks.table import examine
from stswatch.pipeline.tracks.coverage import ALL, REGION_DEG
from stswatch.pipeline.tracks.fixes import (
    PASS_US,
    PENDING,
    SPANS,
    STATIONS,
    HeardSpans,
    distinct,
    split,
    used,
    valid_by_station,
)
from stswatch.pipeline.tracks.gaps import Losses, Senders, tell
from stswatch.pipeline.tracks.identity import TRACKS, walk
from stswatch.pipeline.tracks.legs import Legs, Track, inner_ms, pieces, rounding_m, slow_legs, steps
from stswatch.pipeline.tracks.ship_hours import (
    HABITS,
    Turns,
    known_habits,
    satellite_counts,
    ship_hours,
    with_habits,
    with_own,
)
from stswatch.pipeline.tracks.stays import of_legs

STATIC_FIELDS = ("imo", "name", "call_sign", "ship_type", "length_m", "beam_m", "draught_m", "destination")


def known(fixes: pa.Table, reports: pa.Table) -> pa.Table:
    """One row per MMSI heard, as schema.VESSELS; rows of several slices merge by least, greatest, sum and latest.

    fixes: valid and distinct, sorted by MMSI and time. reports: static reports in any order. Who was away for longer
    than ABSENT_D[0] within a slice has a row before and one after, so that no cut of the data shows in absences.
    """
    heard, time_us = np.asarray(fixes["mmsi"]), micros(fixes, "time")
    away = np.diff(time_us, prepend=time_us[:1]) > days(ABSENT_D[0])
    away[starts_of(heard)] = True
    head = np.flatnonzero(away)
    tail = np.append(head[1:], len(heard)) - 1 if len(head) else head
    others = np.setdiff1d(np.asarray(reports["mmsi"]), heard[head])
    mmsi = np.sort(np.concatenate([heard[head], others]))
    at = np.searchsorted(mmsi, heard[head]) + np.arange(len(head)) - np.searchsorted(heard[head], heard[head])
    count = np.zeros(len(mmsi), np.int64)
    count[at] = tail - head + 1
    columns: dict[str, object] = {
        "mmsi": mmsi,
        "flag": pa.array(flag_of(mmsi), pa.string()),
        "first_seen": _placed(time_us[head], at, len(mmsi)),
        "last_seen": _placed(time_us[tail], at, len(mmsi)),
        "fixes": count,
    }
    for when, row in (("first", head), ("last", tail)):
        for axis in ("lon", "lat"):
            place = np.full(len(mmsi), np.nan)
            place[at] = np.asarray(fixes[axis])[row]
            columns[f"{when}_{axis}"] = place
    for name in STATIC_FIELDS:
        columns[name], columns[f"{name}_time"] = _latest(reports, name, mmsi)
    return build("vessels", columns)


def _placed(time_us: np.ndarray, at: np.ndarray, n: int) -> pa.Array:
    """Times at some of n rows, null elsewhere."""
    full, missing = np.zeros(n, np.int64), np.ones(n, bool)
    full[at], missing[at] = time_us, False
    return pa.array(full, pa.int64(), mask=missing).cast(schema.UTC)


def _latest(reports: pa.Table, name: str, mmsi: np.ndarray) -> tuple[pa.Array, pa.Array]:
    """The last value told of each MMSI and when; of several at one time the greatest."""
    reported = reports.select(["mmsi", "time", name]).filter(pc.is_valid(reports[name]))
    reported = reported.sort_by([("mmsi", "ascending"), ("time", "ascending"), (name, "ascending")]).combine_chunks()
    who = np.asarray(reported["mmsi"])
    head = starts_of(who)
    tail = np.append(head[1:], len(who)) - 1 if len(head) else head
    row = np.full(len(mmsi), -1)
    row[np.searchsorted(mmsi, who[tail])] = tail
    index = pa.array(row, mask=row < 0)
    return reported[name].combine_chunks().take(index), reported["time"].combine_chunks().take(index)


# ------------------------------- how much was received where and when anybody was heard, which coverage adds up

_SPARSE = 64  # seconds for each fix: where there are more, marking each second costs more than sorting
_LEAST_S = 1 << 18

HEARD = schema.table(
    "Vessels already counted in an hour that is not over.",
    schema.column("mmsi", pa.int32(), "the number the vessel claims"),
    *(schema.RECEPTIONS.field(name) for name in ("cell", "hour")),
    schema.column("receiver", pa.int8(), "kind of receiver, its place in RECEIVERS"),
)


def receptions(fixes: pa.Table, heard: pa.Table, until_us: int, rules: CoverageRules) -> tuple[pa.Table, pa.Table]:
    """Counts of the fixes of one MMSI shard, as schema.RECEPTIONS, and who was heard in the hour that is not over.

    fixes: sorted by MMSI and time, all before until_us. heard: what the last call gave, so that a cut within an hour
    counts no vessel twice. Each MMSI lies in one shard, so the numbers of vessels of several shards add up.
    """
    runs = _runs(fixes, heard, rules)
    mmsi, cell, hour, kind, count = (np.asarray(runs[name]) for name in ("mmsi", "cell", "hour", "kind", "fixes"))
    # who was heard before counts no fixes, and so comes first of its vessel
    order = ordered(cell, hour, kind, mmsi, count)
    mmsi, cell, hour, kind, count = (a[order] for a in (mmsi, cell, hour, kind, count))
    if not len(order):
        return schema.empty("receptions"), HEARD.empty_table()
    vessel = starts_of(cell, hour, kind, mmsi)
    new_vessel = np.zeros(len(order), np.int64)
    new_vessel[vessel] = count[vessel] > 0
    group = starts_of(cell, hour, kind)
    total = np.add.reduceat(count, group)
    some = total > 0
    head = group[some]
    words = np.array(RECEIVERS, object)
    rows = {"cell": cell[head], "hour": hour[head], "receiver": words[kind[head]], "fixes": total[some]}
    rows["vessels"] = np.add.reduceat(new_vessel, group)[some]
    last = vessel[hour[vessel] + HOUR > until_us]
    kept = {"mmsi": mmsi[last], "cell": cell[last], "hour": hour[last], "receiver": kind[last]}
    return build("receptions", rows), build(HEARD, kept)


def _runs(fixes: pa.Table, heard: pa.Table, rules: CoverageRules) -> dict[str, object]:
    """Fixes of one vessel that stay in one cell within an hour as one row: that leaves little to sort."""
    old, kind = heard.num_rows, np.asarray(fixes["receiver"])
    mmsi, hour = np.asarray(fixes["mmsi"]), micros(fixes, "time") // HOUR * HOUR
    cell = grid_cell(np.asarray(fixes["lon"]), np.asarray(fixes["lat"]), rules.cell_deg)
    run = starts_of(mmsi, hour, cell, kind)
    return {
        "mmsi": np.concatenate([np.asarray(heard["mmsi"]), mmsi[run]]),
        "cell": np.concatenate([np.asarray(heard["cell"]), cell[run]]),
        "hour": np.concatenate([micros(heard, "hour"), hour[run]]),
        "kind": np.concatenate([np.asarray(heard["receiver"]), kind[run]]),
        "fixes": np.concatenate([np.zeros(old, np.int64), np.diff(np.append(run, fixes.num_rows))]),
    }


def reporting(fixes: pa.Table, rules: Rules) -> pa.Table:
    """When anybody was heard, by kind of receiver and by all together, as schema.REPORTING.

    fixes: of one MMSI shard, PENDING, sorted by MMSI and time, in whole half hours.
    """
    kinds = np.asarray(fixes["receiver"])
    mmsi, time_us = np.asarray(fixes["mmsi"]), micros(fixes, "time")
    parts = [_minutes(ALL, mmsi, time_us, rules)]
    if fixes.num_rows and (kinds == kinds[0]).all():
        kind = pa.array([RECEIVERS[kinds[0]]] * parts[0].num_rows, pa.string())
        parts.append(parts[0].set_column(0, schema.REPORTING.field("receiver"), kind))
    else:
        for k in np.unique(kinds).tolist():
            rows = kinds == k
            parts.append(_minutes(RECEIVERS[k], mmsi[rows], time_us[rows], rules))
    return concat(parts, schema.REPORTING)


def _minutes(receiver: str, mmsi: Column, time_us: Ints, rules: Rules) -> pa.Table:
    """The minutes in which fixes lie, a row each."""
    if not len(time_us):
        return schema.empty("reporting")
    second = _distinct(time_us // SECOND)
    minute = second * SECOND // MINUTE
    head = starts_of(minute)
    new = starts_of(mmsi, time_us // minutes(rules.vessel.thin_bucket_min))  # the first fix of a vessel in a half hour
    at = np.searchsorted(minute[head], time_us[new] // MINUTE)
    columns = {
        "receiver": pa.array([receiver] * len(head), pa.string()),
        "minute": minute[head] * MINUTE,
        "first": second[head] * SECOND,
        "last": second[np.append(head[1:], len(second)) - 1] * SECOND,
        "vessels": np.bincount(at, minlength=len(head)),
    }
    return build("reporting", columns)


def _distinct(second: Ints) -> Ints:
    """Whole numbers in order, each once."""
    base = int(second.min())
    span = int(second.max()) - base + 1
    if span > _SPARSE * len(second) + _LEAST_S:
        return np.unique(second)
    seen = np.zeros(span, bool)
    seen[second - base] = True
    return np.flatnonzero(seen) + base


def reporting_places(fixes: pa.Table, stations: pa.Table, rules: Rules) -> pa.Table:
    """When stations heard anybody, and when anybody was heard in regions, as schema.REPORTING_PLACES.

    fixes: as for `reporting`; stations: their names, fixes.STATIONS. In a half hour a vessel counts for the region in
    which it was first.
    """
    if not fixes.num_rows:
        return schema.empty("reporting_places")
    mmsi, time_us, station = np.asarray(fixes["mmsi"]), micros(fixes, "time"), np.asarray(fixes["station"])
    half = time_us // minutes(rules.vessel.thin_bucket_min)
    run = starts_of(mmsi, half)
    lon, lat = (np.asarray(fixes[name])[run] for name in ("lon", "lat"))
    last_us = time_us[np.append(run[1:], len(time_us)) - 1]
    parts = [_added_up(-1 - grid_cell(lon, lat, REGION_DEG), half[run], time_us[run], last_us, rules)]
    if station.any():
        run = starts_of(mmsi, half, station)
        last_us = time_us[np.append(run[1:], len(time_us)) - 1]
        which = np.searchsorted(np.unique(stations["station"]), station[run], "right")
        order = _by_station(which, starts_of(mmsi[run], half[run]))
        run, last_us = run[order], last_us[order]
        own = starts_of(mmsi[run], half[run], station[run])
        last_us, run = np.maximum.reduceat(last_us, own), run[own]
        parts.append(_added_up(station[run], half[run], time_us[run], last_us, rules))
    rows = concat(parts, schema.REPORTING_PLACES)
    at = matching([np.asarray(stations["station"])], [np.asarray(rows["place"])]) if stations.num_rows else -1
    at = np.broadcast_to(at, rows.num_rows)
    names = stations["name"].combine_chunks().take(pa.array(at, mask=at < 0))
    return rows.set_column(1, schema.REPORTING_PLACES.field("station"), names)


def _by_station(which: Ints, head: Ints) -> Ints:
    """The order of runs by group, then by station, (n,): several may hear a vessel by turns.

    head: where groups begin.
    """
    group = np.zeros(len(which), np.int64)
    group[head] = 1
    return ordered(np.cumsum(group), which)


def _added_up(place: Ints, half: Ints, first_us: Ints, last_us: Ints, rules: Rules) -> pa.Table:
    """What was heard of vessels by place and half hour, (k,) each, added up."""
    place, half, first_us, last_us = (of[place != 0] for of in (place, half, first_us, last_us))
    if not len(place):
        return schema.empty("reporting_places")
    order = ordered(place, half, in_runs=False)
    head = starts_of(place[order], half[order])
    columns = {
        "place": place[order][head],
        "station": pa.nulls(len(head), pa.string()),
        "half": half[order][head] * minutes(rules.vessel.thin_bucket_min),
        "first": np.minimum.reduceat(first_us[order], head) // SECOND * SECOND,
        "last": np.maximum.reduceat(last_us[order], head) // SECOND * SECOND,
        "vessels": np.diff(np.append(head, len(place))),
    }
    return build("reporting_places", columns)


# --------------------------------------------------------------------------------------------------------- the step

READS = {
    "fixes": (
        *("mmsi", "time", "lon", "lat", "sog_kn", "heading_deg", "msg_type", "receiver", "invalid_reason"),
        *("cog_deg", "station", "radio", "utc_second"),
        "rounded_deg",  # the grid of their source, see geo/coordinates/cells.py
    ),
    "static_reports": (
        *("mmsi", "time", "imo", "name", "call_sign", "ship_type"),
        *("length_m", "beam_m", "draught_m", "destination", "invalid_reason"),
    ),
}
STATE = {
    "pending": PENDING,
    "stations": STATIONS,
    "tracks": TRACKS,
    "heard": HEARD,
    "static_data": schema.STATIC_DATA,
    "entered": schema.VOYAGE_DATA,
    "habits": HABITS,
    "claims": CLAIMS,
    "samples": SAMPLES,
    "damaged": schema.LOST_SPANS,
    "spans": SPANS,
    "satellite_spans": SPANS,
    "resumed": schema.GAPS,
}


def vessel(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of one MMSI shard; see the module docstring for the law, schema.FLOW for what it gives."""
    taken, stations = valid_by_station(batch.table("fixes"))
    fixes = concat([state["pending"], taken], PENDING)
    stations = grouped(concat([state["stations"], stations], STATIONS), STATIONS.names).aggregate([])
    bucket_us = minutes(rules.vessel.thin_bucket_min)
    until_us = batch.watermark_us if batch.final else batch.watermark_us // bucket_us * bucket_us
    ready, pending = split(fixes, until_us, batch.final)
    ready = distinct(ready)
    walked = walk(state["tracks"], ready, rules.vessel)
    now = walked.fixes
    between = steps(now, rules.vessel)
    has_leg = between.leg | (walked.carried & walked.had_leg)
    legs = slow_legs(now, between, has_leg, rules.vessel)
    lost = concat([state["damaged"], batch.table("lost_spans")], schema.LOST_SPANS)
    senders = Senders(walked, state["tracks"], ready, stations)
    tracks, gap_rows, edge_rows = tell(senders, between, has_leg, Losses.of(lost), until_us, batch, rules.vessel)
    turns = Turns.of(walked, between)
    habits = known_habits(state["habits"], walked, turns, batch.watermark_us, rules)
    heard_on = now.mmsi, now.track_us, now.time_us
    spans = HeardSpans.of(*heard_on, state["spans"])
    by_satellite = HeardSpans.of(*heard_on, state["satellite_spans"], now.satellite, PASS_US)
    gaps = with_habits(gap_rows, habits)
    gaps, resumed = with_own(gaps, state["resumed"], spans, by_satellite, until_us, batch.final)
    counts, heard = receptions(ready, state["heard"], until_us, rules.coverage)
    reports = used(batch.table("static_reports"))
    static_data, latest = once_a_day(reports, state["static_data"], schema.STATIC_DATA, batch.watermark_us)
    voyages, entered = once_a_day(reports, state["entered"], schema.VOYAGE_DATA, batch.watermark_us)
    leg_rows = _leg_rows(now, legs, rules.vessel)
    claimed = claims(reports, state["claims"], batch.watermark_us, rules.identity)
    samples, examined = examine(walked, ready, between, state["samples"], until_us, batch.final, rules)
    examined["identity_changes"] = concat([examined["identity_changes"], claimed.changes], schema.IDENTITY_EVENTS)
    rows = {
        **examined,
        "legs": leg_rows,
        "stays": of_legs(leg_rows, rules.stays),
        "voyage_data": voyages,
        "gaps": gaps,
        "edges": edge_rows,
        "static_data": static_data,
        "receptions": counts,
        "reporting": reporting(ready, rules),
        "reporting_places": reporting_places(ready, stations, rules),
        "satellite_counts": satellite_counts(ready, rules.reception),
        "ship_hours": ship_hours(walked, turns, until_us, batch.final, rules.reception),
        "vessels": known(ready, reports),
        "identity_values": claimed.values,
    }
    kept = {"pending": pending, "tracks": tracks, "heard": heard, "static_data": latest, "entered": entered}
    of_pending = pc.is_in(stations["station"], value_set=pc.unique(pending["station"]))
    kept |= {"stations": stations.filter(of_pending).combine_chunks(), "habits": habits, "claims": claimed.latest}
    kept |= {"samples": samples, "spans": spans.carried(), "satellite_spans": by_satellite.carried()}
    lost = lost.filter(pa.array(micros(lost, "end") >= until_us - days(rules.vessel.track_memory_d)))
    return Result(kept | {"damaged": lost.combine_chunks(), "resumed": resumed}, rows)


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
            "track_start": fixes.track_us[start],
            "start": cut.start_us,
            "end": cut.end_us,
            "lon0": _tidy(cut.lon0),
            "lat0": _tidy(cut.lat0),
            "lon1": _tidy(cut.lon1),
            "lat1": _tidy(cut.lat1),
            "speed_dkn": legs.speed_dkn[cut.leg],
            "speed_sent": legs.reported[cut.leg],
            "fix_start": fixes.time_us[start],
            "fix_end": fixes.time_us[end],
            "fresh": legs.fresh[cut.leg] & (cut.nth == 0),
            "heading_deg": fixes.heading_deg[end],
            "rounding_m": rounding_m(fixes, legs)[cut.leg],
            "inner": lists if len(cut.leg) == len(legs.start) else lists.take(pa.array(cut.leg)),
        },
    )


def _tidy(degrees: Floats) -> Floats:
    return np.round(degrees, 7)
