"""The calls step: stays of a shard become port calls and loitering, silences those calls that they leave time for.

Law: a stay is closed when no later leg can go on with it, and a call when no later stay can; what a vessel had entered
is asked in the first slice that knows it. A silence says by itself which ports it leaves time for.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coordinates.sphere import M_PER_NM, haversine_m
from stswatch.geo.reference.harbours import port_of_call
from stswatch.geo.reference.ports import ANCHORAGE, HARBOUR, NEAR, ports, world_ports
from stswatch.geo.sea.distance import port_bound_km
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    Batch,
    Bools,
    Column,
    Floats,
    Ints,
    Result,
    Tables,
    build,
    concat,
    micros,
    starts_of,
)
from stswatch.pipeline.reported import as_of, still_needed
from stswatch.pipeline.rules import Rules, days, hours, minutes
from stswatch.pipeline.track_rules import StayRules
from stswatch.pipeline.tracks import stays as stays_of
from stswatch.pipeline.tracks.stays import ends_in, loitering, middle_of, numbers, shore

VOYAGE_FIELDS = ("draught_m", "destination")
_ENTERED = tuple(
    schema.column(f"{name}_{when}{suffix}", kind, f"{name} {when} it, as entered", null=True)
    for when in ("before", "after")
    for name in VOYAGE_FIELDS
    for suffix, kind in (("", schema.VOYAGE_DATA.field(name).type), ("_time", schema.UTC))
)
_BEFORE, _AFTER = _ENTERED[:4], _ENTERED[4:]
OPEN_STAYS = schema.table(
    "Stays that may go on.",
    *schema.STAYS,
    *_BEFORE,
    schema.column("asked", pa.bool_(), "what was entered before is known"),
)
OPEN_CALLS = schema.table(
    "Port calls that may go on.",
    *(schema.STAYS.field(name) for name in ("mmsi", "track_start", "start", "end", "fresh", "slow_ms")),
    *(schema.STAYS.field(name) for name in ("lon_sum", "lat_sum", "lon0", "lat0")),
    schema.column("port", pa.int32(), "index into world_ports()"),
    *(schema.column(f"{part}_ms", pa.int64(), f"time in {part}", unit="ms") for part in (HARBOUR, ANCHORAGE, NEAR)),
    schema.column("silent_us", pa.int64(), "time between stays that lies in silences"),
    schema.column("end_silent", pa.bool_(), "a silence begins where it ends"),
    schema.column("end_data", pa.bool_(), "the data end where it ends"),
    *_ENTERED,
    schema.column("asked", pa.bool_(), "what was entered after is known"),
)
STATE = {"stays": OPEN_STAYS, "calls": OPEN_CALLS, "edges": schema.EDGES, "entered": schema.VOYAGE_DATA}


def calls(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of one MMSI shard; see the module docstring for the law, schema.FLOW for what it gives.

    A look ahead gives none: its state is not at hand there.
    """
    if batch.provisional:
        return Result(state, {name: schema.empty(name) for name in ("port_calls", "loitering")})
    entered = concat([state["entered"], batch.table("voyage_data")], schema.VOYAGE_DATA)
    edges = concat([state["edges"], batch.table("edges")], schema.EDGES)
    going, ended = _split_stays(state["stays"], batch, entered, rules)
    ended_calls, waiting = _split_calls(state["calls"], _as_calls(ended, edges, rules), going, batch, entered, rules)
    since_us = batch.watermark_us - 2 * rules.lag_us - minutes(rules.stays.join_min)
    kept = {
        "stays": going,
        "calls": waiting,
        "edges": edges.filter(pa.array(micros(edges, "time") >= since_us)).combine_chunks(),
        "entered": still_needed(entered, VOYAGE_FIELDS, since_us, since_us - days(rules.encounter.static_memory_d)),
    }
    calls = [_call_rows(ended_calls), dark_calls(batch.table("judged_gaps"), rules.stays)]
    rows = {"port_calls": concat(calls, schema.PORT_CALLS), "loitering": loitering(ended, edges, rules.stays)}
    return Result(kept, rows)


# ------------------------------------------------------------------------------------------------------------ stays


def _split_stays(open_stays: pa.Table, batch: Batch, entered: pa.Table, rules: Rules) -> tuple[pa.Table, pa.Table]:
    """The stays that may go on, and those that are over."""
    new = batch.table("stays")
    for field in list(OPEN_STAYS)[len(schema.STAYS) :]:
        nothing = (
            pa.array(np.zeros(new.num_rows, bool)) if field.name == "asked" else pa.nulls(new.num_rows, field.type)
        )
        new = new.append_column(field, nothing)
    both = concat([open_stays, new], OPEN_STAYS)
    joined, first = stays_of.join(both.select(schema.STAYS.names), rules.stays)
    for field in list(OPEN_STAYS)[len(schema.STAYS) :]:
        joined = joined.append_column(field, both[field.name].take(pa.array(first)))
    joined = _asked(joined, "before", micros(joined, "start"), np.ones(joined.num_rows, bool), entered, rules)
    wait_us = rules.lag_us + minutes(rules.stays.join_min)
    over = np.full(joined.num_rows, batch.final) | (micros(joined, "end") < batch.watermark_us - wait_us)
    return tuple(joined.filter(pa.array(which)).combine_chunks() for which in (~over, over))


def _asked(rows: pa.Table, when: str, time_us: Ints, due: Bools, entered: pa.Table, rules: Rules) -> pa.Table:
    """The rows, of those due and not asked yet what the vessel had entered by some times."""
    ask = due & ~np.asarray(rows["asked"])
    at = np.flatnonzero(ask)
    if not len(at):
        return rows
    where = np.full(rows.num_rows, -1)
    where[at] = np.arange(len(at))
    take = pa.array(np.where(ask, rows.num_rows + where, np.arange(rows.num_rows)))
    mmsi = np.asarray(rows["mmsi"]).astype(np.int64)[at]
    for name in VOYAGE_FIELDS:
        found = as_of(entered, name, mmsi, time_us[at], time_us[at] - days(rules.encounter.static_memory_d))
        for column, values in zip((f"{name}_{when}", f"{name}_{when}_time"), found, strict=True):
            place, field = rows.column_names.index(column), rows.schema.field(column)
            both = pa.concat_arrays([rows[column].combine_chunks(), values.cast(field.type)])
            rows = rows.set_column(place, field, both.take(take))
    place = rows.column_names.index("asked")
    return rows.set_column(place, rows.schema.field("asked"), pa.array(np.asarray(rows["asked"]) | due))


# ------------------------------------------------------------------------------------------------------- port calls


def _as_calls(stays: pa.Table, edges: pa.Table, rules: Rules) -> pa.Table:
    """The stays in ports as calls of one stay each; -1 for the port of those that lie in none, which part calls."""
    index, how, _ = port_of_call(*middle_of(stays), rules.stays.port_radius_km)
    slow_ms = np.asarray(stays["slow_ms"])
    silent, data = ends_in(stays, edges)
    columns: dict[str, object] = {name: stays[name] for name in OPEN_CALLS.names if name in stays.column_names}
    columns |= {"port": index, "silent_us": np.zeros(stays.num_rows, np.int64), "end_silent": silent, "end_data": data}
    columns |= {f"{part}_ms": np.where(how == part, slow_ms, 0) for part in (HARBOUR, ANCHORAGE, NEAR)}
    columns |= {field.name: pa.nulls(stays.num_rows, field.type) for field in _AFTER}
    columns["asked"] = np.zeros(stays.num_rows, bool)
    return build(OPEN_CALLS, columns)


def _split_calls(
    open_calls: pa.Table, new: pa.Table, going: pa.Table, batch: Batch, entered: pa.Table, rules: Rules
) -> tuple[pa.Table, pa.Table]:
    """The calls that are over, and those that may go on."""
    joined = _join_calls(concat([open_calls, new], OPEN_CALLS), rules.stays, days(rules.vessel.track_memory_d))
    end_us, own = micros(joined, "end"), rules.stays
    after_us = end_us + hours(own.entered_after_h)
    joined = _asked(
        joined, "after", after_us, np.full(len(end_us), batch.final) | (after_us <= batch.watermark_us), entered, rules
    )
    silent = np.asarray(joined["end_silent"])
    limit_us = end_us + np.where(silent, days(rules.vessel.track_memory_d), hours(own.call_join_h))
    waits = _waits(joined, going, limit_us)
    over = np.maximum(limit_us, after_us) < batch.watermark_us - rules.lag_us
    over = np.full(len(end_us), batch.final) | (over & ~waits)
    at_sea = np.asarray(joined["port"]) < 0  # remembered for as long as the call that it parts from what comes after
    waiting = np.where(at_sea, np.append(False, ~over)[:-1], ~over)
    return tuple(joined.filter(pa.array(which)).combine_chunks() for which in (over & ~at_sea, waiting))


def _waits(calls_: pa.Table, going: pa.Table, limit_us: Ints) -> Bools:
    """Whether a stay that is not over yet begins soon enough after each call to go on with it, (n,) bool."""
    rows = [(calls_, np.full(calls_.num_rows, False)), (going, np.full(going.num_rows, True))]
    mmsi, track, start = (np.concatenate([numbers(t, n) for t, _ in rows]) for n in ("mmsi", "track_start", "start"))
    stay = np.concatenate([mark for _, mark in rows])
    order = np.lexsort((start, track, mmsi))
    follows = np.zeros(len(order), bool)
    limit = np.append(limit_us, np.zeros(going.num_rows, np.int64))
    a, b = order[:-1], order[1:]
    follows[a] = ~stay[a] & stay[b] & (mmsi[a] == mmsi[b]) & (track[a] == track[b]) & (start[b] <= limit[a])
    return follows[: calls_.num_rows]


_ADDED = ("slow_ms", "lon_sum", "lat_sum", f"{HARBOUR}_ms", f"{ANCHORAGE}_ms", f"{NEAR}_ms")


def _join_calls(rows: pa.Table, rules: StayRules, memory_us: int) -> pa.Table:
    """Calls of single stays joined; what lies in no port ends a call, and is left out where none is before it."""
    if rows.num_rows == 0:
        return rows
    order = np.lexsort((micros(rows, "start"), micros(rows, "track_start"), np.asarray(rows["mmsi"])))
    rows = rows.take(pa.array(order)).combine_chunks()
    start, end, port = micros(rows, "start"), micros(rows, "end"), np.asarray(rows["port"])
    silent = np.zeros(len(start), bool)
    silent[1:] = np.asarray(rows["end_silent"])[:-1] & np.asarray(rows["fresh"])[1:]
    between_us = np.append(0, start[1:] - end[:-1])
    head = np.zeros(len(start), bool)
    head[starts_of(np.asarray(rows["mmsi"]), micros(rows, "track_start"), port)] = True
    head |= between_us > np.where(silent, memory_us, hours(rules.call_join_h))
    first = _cut(np.flatnonzero(head), start, end, days(rules.call_max_d))
    last = np.append(first[1:], len(start)) - 1
    silent_us = np.where(silent, between_us, 0)
    silent_us[first] = 0
    columns: dict[str, object] = {name: rows[name].take(pa.array(first)) for name in rows.column_names}
    at_end = ("end", "end_silent", "end_data", "asked", *(field.name for field in _AFTER))
    columns |= {name: rows[name].take(pa.array(last)) for name in at_end}
    columns |= {name: np.add.reduceat(np.asarray(rows[name]), first) for name in _ADDED}
    columns["silent_us"] = np.add.reduceat(np.asarray(rows["silent_us"]) + silent_us, first)
    found = build(OPEN_CALLS, columns)
    called = port[first] >= 0
    new_track = np.zeros(len(start), bool)
    new_track[starts_of(np.asarray(rows["mmsi"]), micros(rows, "track_start"))] = True
    ends_one = ~called & np.append(False, called)[:-1] & ~new_track[first]
    return found.filter(pa.array(called | ends_one)).combine_chunks()


def _cut(first: Ints, start: Ints, end: Ints, longest_us: int) -> Ints:
    """Where calls begin, those longer than allowed parted: at the first stay that would end too late."""
    while True:
        begin = np.repeat(first, np.diff(np.append(first, len(start))))
        late = (end - start[begin] > longest_us) & (np.arange(len(start)) > begin)
        if not late.any():
            return first
        row = np.flatnonzero(late)
        first = np.union1d(first, row[starts_of(begin[row])])


def _call_rows(found: pa.Table) -> pa.Table:
    """Calls as schema.PORT_CALLS."""
    n, table = found.num_rows, world_ports()
    port, (lon, lat) = np.asarray(found["port"]).astype(np.int64), middle_of(found)
    start, end = micros(found, "start"), micros(found, "end")
    fresh, track_us = np.asarray(found["fresh"]), micros(found, "track_start")
    silent_us, end_silent = np.asarray(found["silent_us"]), np.asarray(found["end_silent"])
    partly = (silent_us > 0) | end_silent | (fresh & (start > track_us))
    harbour, anchorage = (np.asarray(found[f"{part}_ms"]) > 0 for part in (HARBOUR, ANCHORAGE))
    columns: dict[str, object] = {
        "mmsi": found["mmsi"],
        "track_start": found["track_start"],
        "shown": np.where(partly, "partly_dark", "lit").astype(object),
        "port": table.id[port].astype(object),
        "trade": table.trade[port],
        "part": np.where(harbour, "berth", np.where(anchorage, ANCHORAGE, NEAR)).astype(object),
        "arrival": start,
        "departure": end,
        "start_censored": fresh,
        "end_censored": end_silent | np.asarray(found["end_data"]),
        "silent_h": np.round(silent_us / HOUR, 4),
        "lon": lon,
        "lat": lat,
        "distance_to_port_km": np.round(haversine_m(lon, lat, table.lon[port], table.lat[port]) / 1000, 3),
        "may_score": np.zeros(n, bool),
        **shore(lon, lat),
    }
    for when, at in (("before", start), ("after", end)):
        for name in VOYAGE_FIELDS:
            columns[f"{name}_{when}"] = found[f"{name}_{when}"]
            age_h = _hours_since(found[f"{name}_{when}_time"], at)
            columns[f"{name}_{when}_h"] = age_h
    columns |= {f.name: pa.nulls(n, f.type) for f in schema.PORT_CALLS if f.name not in columns}
    return build("port_calls", columns)


def _hours_since(time: pa.ChunkedArray, at_us: Ints) -> Column:
    """Hours from times to others, NaN where there is none."""
    given = np.asarray(time.cast(pa.int64()).fill_null(0))
    return np.where(np.asarray(time.is_valid()), np.round((at_us - given) / HOUR, 4), np.nan)


# ----------------- which DPRK and trade ports a silence leaves time for: there by sea, some hours of stay, and back
# Absence of data never raises darkness: a call here says what was possible, and beside it stands what the silence was
# judged to be; `may_score` is true only where it was `silenced`.

_OF_SPHERE = 0.99  # no way on the ellipsoid is shorter than this share of the same on the sphere
ONE_PLACE_KM = 10.0  # ports so near each other are one place to whoever sails there from afar


def dark_calls(gaps: pa.Table, rules: StayRules) -> pa.Table:
    """The calls that silences leave time for, as schema.PORT_CALLS; gaps: schema.JUDGED_GAPS.

    Distances are those that no way by sea is shorter than, so nothing possible is left out. Silences that no fix ended
    give none: nobody knows what was possible. Never raises.
    """
    gaps = gaps.filter(pc.equal(gaps["ending"], "resumed")).combine_chunks()
    which = trade_ports()
    lon, lat = ports().lon[which], ports().lat[which]
    ends = [tuple(np.asarray(gaps[f"{axis}{k}"], np.float64) for axis in ("lon", "lat")) for k in (0, 1)]
    speed_kmh = rules.dark_speed_kn * M_PER_NM / 1000
    long_h = (micros(gaps, "end_time") - micros(gaps, "start_time")) / HOUR if gaps.num_rows else np.zeros(0)
    straight = np.add(*(haversine_m(x[:, None], y[:, None], lon, lat) / 1000 for x, y in ends))
    some = np.flatnonzero((long_h[:, None] - straight / speed_kmh >= rules.dark_stay_h).any(axis=1))
    if not len(some):
        return schema.PORT_CALLS.empty_table()
    # both ends at once: where a silence ends another mostly begins, and each place is looked at once
    lon, lat = (np.concatenate([axis[some] for axis in both]) for both in zip(*ends, strict=True))
    near = long_h[some, None] - _OF_SPHERE * straight[some] / speed_kmh >= rules.dark_stay_h
    there, back = np.split(port_bound_km(lon, lat, ports().id[which].tolist(), np.concatenate([near, near])), 2)
    spare_h = long_h[some, None] - (there + back) / speed_kmh
    rank = ranks(np.where(spare_h >= rules.dark_stay_h, spare_h, -np.inf))
    row, port = np.nonzero(spare_h >= rules.dark_stay_h)
    return _dark_rows(
        gaps, some[row], which[port], there[row, port], back[row, port], spare_h[row, port], rank[row, port], speed_kmh
    )


def most_time(
    start: tuple[Floats, Floats], end: tuple[Floats, Floats], long_h: Floats, rules: StayRules
) -> dict[str, Column | pa.Array]:
    """Where absences leave most time: ports, port, way_km and spare_h of schema long_absences, (n,) each.

    start, end: longitudes and latitudes, degrees, (n,) each; long_h: how long each was away. Never raises.
    """
    ids = ports().id[trade_ports()]
    lon, lat = (np.concatenate(axis) for axis in zip(start, end, strict=True))
    away_km = np.add(*np.split(port_bound_km(lon, lat, ids.tolist()), 2))
    spare_h = long_h[:, None] - away_km / (rules.dark_speed_kn * M_PER_NM / 1000)
    best = np.argmax(spare_h, axis=1)
    row = np.arange(len(best))
    none = spare_h[row, best] < rules.dark_stay_h
    return {
        "ports": (spare_h >= rules.dark_stay_h).sum(axis=1),
        "port": pa.array(ids[best].tolist(), pa.string(), mask=none),
        "way_km": np.where(none, np.nan, np.round(away_km[row, best], 1)),
        "spare_h": np.where(none, np.nan, np.round(spare_h[row, best], 2)),
    }


def trade_ports() -> Ints:
    """The ports of the DPRK and of its trade, indices into `ports()`."""
    return np.flatnonzero(ports().trade)


def places() -> Ints:
    """For each of `trade_ports()` the place that it shares with those within ONE_PLACE_KM, numbered from 0."""
    lon, lat = ports().lon[trade_ports()], ports().lat[trade_ports()]
    near = haversine_m(lon[:, None], lat[:, None], lon, lat) <= 1000 * ONE_PLACE_KM
    return np.unique(np.argmax(near, axis=1), return_inverse=True)[1].reshape(-1)


def ranks(spare_h: Floats) -> Ints:
    """Places of ports (n, k) by the time left there, 1 where most is; ports of one place share the best of theirs.

    >>> ranks(np.arange(16.0)[None, ::-1])[0, :4].tolist()
    [1, 1, 1, 2]
    """
    of = places()
    best = np.full((len(spare_h), of.max() + 1), -np.inf)
    for port, place in enumerate(of.tolist()):
        best[:, place] = np.maximum(best[:, place], spare_h[:, port])
    order = np.argsort(-best, axis=1, kind="stable")
    nth = np.empty_like(order)
    np.put_along_axis(nth, order, np.arange(1, order.shape[1] + 1)[None, :], axis=1)
    return np.asarray(nth[:, of])


def _dark_rows(
    gaps: pa.Table, row: Ints, port: Ints, there: Floats, back: Floats, spare_h: Floats, rank: Ints, speed_kmh: float
) -> pa.Table:
    """One row for each silence and port."""
    table, n = ports(), len(row)
    start, end = micros(gaps, "start_time")[row], micros(gaps, "end_time")[row]
    judgement = gaps["judgement"].take(pa.array(row))
    lon, lat = table.lon[port], table.lat[port]
    columns: dict[str, object] = {
        "mmsi": gaps["mmsi"].take(pa.array(row)),
        "track_start": gaps["track_start"].take(pa.array(row)),
        "shown": np.full(n, "dark_possible", object),
        "port": table.id[port].astype(object),
        "trade": np.ones(n, bool),
        "arrival": start + np.ceil(there / speed_kmh * HOUR).astype(np.int64) // 1000 * 1000,
        "departure": end - np.ceil(back / speed_kmh * HOUR).astype(np.int64) // 1000 * 1000,
        "start_censored": np.ones(n, bool),
        "end_censored": np.ones(n, bool),
        "silent_h": np.round((end - start) / HOUR, 4),
        "lon": lon,
        "lat": lat,
        "distance_to_port_km": np.zeros(n),
        **shore(lon, lat),
        "gap_start": start,
        "gap_end": end,
        "judgement": judgement,
        "may_score": pc.equal(judgement, schema.SILENCED),
        "way_km": np.round(there + back, 1),
        "spare_h": np.round(spare_h, 2),
        "rank": rank.astype(np.int16),
    }
    columns |= {f.name: pa.nulls(n, f.type) for f in schema.PORT_CALLS if f.name not in columns}
    return build("port_calls", columns)
