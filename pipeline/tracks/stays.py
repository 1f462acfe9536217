"""Stays: how long one track was slow in one place; which of them are loitering; what vessels enter for their voyages.

Law: whether a leg goes on with the stay of the one before is decided by those two alone, and what is kept of a stay are
sums of whole numbers. So stays of single slices, joined by the same rule, are those of the whole. A stay is parted at
fixed marks cut_d apart, so that none is older than that.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coast.water import distance_to_shore_km, shore_error_km
from stswatch.geo.coordinates.sphere import haversine_m, near_lon
from stswatch.geo.reference.harbours import nearest_port, port_of_call
from stswatch.geo.reference.ports import HARBOUR, ports
from stswatch.geo.reference.zones import REPORTED, zone_of, zones
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MS, Bools, Column, Ints, build, concat, micros, ordered, starts_of
from stswatch.pipeline.rules import StayRules, days, hours, minutes

MICRODEG = 1_000_000
_SUMS = ("slow_ms", "dkn_ms", "lon_sum", "lat_sum")
_FIRST = ("mmsi", "track_start", "start", "lon0", "lat0", "fresh")
_LAST = ("end", "lon1", "lat1")
Columns = dict[str, Column]


def of_legs(legs: pa.Table, rules: StayRules) -> pa.Table:
    """The stays of slow legs, schema.STAYS, sorted as the legs are: by vessel, track and time.

    legs: schema.LEGS so sorted. Never raises.
    """
    dkn = np.asarray(legs["speed_dkn"])
    slow = np.flatnonzero(dkn < rules.slow_kn * 10)
    rows = {name: numbers(legs, name)[slow] for name in ("mmsi", "track_start", "start", "end", "fresh")}
    rows |= {name: np.asarray(legs[name])[slow] for name in ("lon0", "lat0", "lon1", "lat1")}
    long_ms = (rows["end"] - rows["start"]) // MS
    rows |= {"slow_ms": long_ms, "dkn_ms": dkn[slow].astype(np.int64) * long_ms}
    for axis in ("lon", "lat"):
        middle = np.rint((rows[f"{axis}0"] + rows[f"{axis}1"]) * (MICRODEG / 2)).astype(np.int64)
        rows[f"{axis}_sum"] = middle * long_ms
    return build("stays", _joined(rows, rules))


def join(stays: pa.Table, rules: StayRules) -> tuple[pa.Table, Ints]:
    """Stays of several slices as those of the whole, and the first given row of each; rows in any order."""
    order = ordered(np.asarray(stays["mmsi"]), micros(stays, "track_start") // MS, micros(stays, "start") // MS)
    rows = {name: numbers(stays, name)[order] for name in schema.STAYS.names}
    return build("stays", _joined(rows, rules)), order[_heads(rows, rules)]


def middle_of(stays: pa.Table) -> tuple[Column, Column]:
    """Mean longitude and latitude of stays, by time (n,), degrees; where none passed, of the first leg."""
    slow_ms = np.asarray(stays["slow_ms"])
    some = np.maximum(slow_ms, 1)
    lon, lat = (np.asarray(stays[f"{axis}_sum"]) / some / MICRODEG for axis in ("lon", "lat"))
    lon0, lat0 = np.asarray(stays["lon0"]), np.asarray(stays["lat0"])
    lon = np.round((np.where(slow_ms > 0, lon, lon0) + 180) % 360 - 180, 6)
    return lon, np.round(np.where(slow_ms > 0, lat, lat0), 6)


def numbers(table: pa.Table, name: str) -> Column:
    """A column (n,) as numbers: a time in microseconds."""
    return micros(table, name) if pa.types.is_timestamp(table.schema.field(name).type) else np.asarray(table[name])


def _joined(rows: Columns, rules: StayRules) -> Columns:
    """Sorted pieces of stays joined."""
    first = _heads(rows, rules)
    if len(first) == len(rows["start"]):
        return rows
    last = np.append(first[1:], len(rows["start"]))[: len(first)] - 1
    begin = np.repeat(first, last - first + 1)
    turned = np.rint((near_lon(rows["lon0"], rows["lon0"][begin]) - rows["lon0"]) / 360).astype(np.int64)
    out = {name: rows[name][first] for name in _FIRST} | {name: rows[name][last] for name in _LAST}
    sums = rows | {"lon_sum": rows["lon_sum"] + turned * 360 * MICRODEG * rows["slow_ms"]}
    return out | {name: np.add.reduceat(sums[name], first) for name in _SUMS}


def _heads(rows: Columns, rules: StayRules) -> Ints:
    """Where a stay begins, indices into rows sorted by track and time."""
    start, end, cut_us = rows["start"], rows["end"], days(rules.cut_d)
    head = np.zeros(len(start), bool)
    head[starts_of(rows["mmsi"], rows["track_start"])] = True
    head[1:] |= start[1:] - end[:-1] > minutes(rules.join_min)
    head[1:] |= start[1:] // cut_us != start[:-1] // cut_us
    torn = 1 + np.flatnonzero(~head[1:] & (start[1:] > end[:-1]))
    before = torn - 1
    away_m = haversine_m(rows["lon1"][before], rows["lat1"][before], rows["lon0"][torn], rows["lat0"][torn])
    head[torn] |= np.round(away_m, 3) > rules.join_m
    return np.flatnonzero(head)


# ----------------------------------- draught and destination: each value once a UTC day and where it changes

VOYAGE_FIELDS = ("draught_m", "destination")


def voyage_data(reports: pa.Table, today: pa.Table, watermark_us: int) -> tuple[pa.Table, pa.Table]:
    """What is entered now, and what was entered in the UTC day of the watermark, schema.VOYAGE_DATA both.

    reports: static reports in any order. today: the second result of the slice before. Of several reports of a vessel
    at one moment the greatest value counts. Each row has one value, the other is null. Never raises.
    """
    parts = [_entered(reports, today, name, watermark_us) for name in VOYAGE_FIELDS]
    new, kept = (concat(tables, schema.VOYAGE_DATA) for tables in zip(*parts, strict=True))
    return new, kept


def _entered(reports: pa.Table, today: pa.Table, name: str, watermark_us: int) -> tuple[pa.Table, pa.Table]:
    """The rows of one value: those of new reports, and those of the last day."""
    fields = pa.schema([schema.VOYAGE_DATA.field(column) for column in ("mmsi", "time", name)])
    old, new = (rows.select(fields.names).filter(pc.is_valid(rows[name])).cast(fields) for rows in (today, reports))
    both = pa.concat_tables([old, new]).combine_chunks()
    if both.num_rows == 0:
        return schema.VOYAGE_DATA.empty_table(), schema.VOYAGE_DATA.empty_table()
    mmsi, time_us = np.asarray(both["mmsi"]), micros(both, "time") // MS * MS
    rank = _ranks(both[name].combine_chunks())
    order = ordered(mmsi, time_us // MS, rank)
    mmsi, time_us, rank = mmsi[order], time_us[order], rank[order]
    head = starts_of(mmsi, time_us)
    greatest = np.append(head[1:], len(order)) - 1
    order, mmsi, time_us, rank = order[greatest], mmsi[greatest], time_us[greatest], rank[greatest]
    anew = starts_of(mmsi, time_us // days(1), rank)
    rows = both.take(pa.array(order[anew])).combine_chunks()
    columns: dict[str, object] = {
        other: pa.nulls(len(anew), schema.VOYAGE_DATA.field(other).type) for other in VOYAGE_FIELDS
    }
    columns |= {"mmsi": mmsi[anew], "time": time_us[anew], name: rows[name]}
    found = build(schema.VOYAGE_DATA, columns)
    last = time_us[anew] // days(1) >= watermark_us // days(1)
    return tuple(found.filter(pa.array(which)).combine_chunks() for which in (order[anew] >= old.num_rows, last))


def _ranks(values: pa.Array) -> Ints:
    """A whole number for each value, in their order."""
    coded = values.dictionary_encode()
    place = np.empty(len(coded.dictionary), np.int64)
    place[np.asarray(pc.sort_indices(coded.dictionary))] = np.arange(len(coded.dictionary))
    return np.asarray(place[np.asarray(coded.indices)])


def as_of(known: pa.Table, name: str, mmsi: Ints, time_us: Ints, memory_us: int) -> tuple[pa.Array, pa.Array]:
    """What vessels (n,) had entered last by some times: values and when; null where nothing, or longer ago than memory.

    known: schema.VOYAGE_DATA in any order.
    """
    rows = known.filter(pc.is_valid(known[name]))
    rows = rows.take(pa.array(ordered(np.asarray(rows["mmsi"]), micros(rows, "time") // MS))).combine_chunks()
    have, have_us = np.asarray(rows["mmsi"]), micros(rows, "time")
    n = len(have)
    order = np.lexsort((np.repeat([0, 1], [n, len(mmsi)]), np.append(have_us, time_us), np.append(have, mmsi)))
    row = np.empty(n + len(mmsi), np.int64)
    row[order] = np.maximum.accumulate(np.where(order < n, order, -1)) if len(order) else []
    row = row[n:]
    good = (row >= 0) & (np.append(have, -1)[row] == mmsi) & (time_us - np.append(have_us, 0)[row] <= memory_us)
    index = pa.array(row, mask=~good)
    return rows[name].combine_chunks().take(index), rows["time"].combine_chunks().take(index)


def still_known(known: pa.Table, since_us: int, memory_us: int) -> pa.Table:
    """What can be asked for at a time after since_us: all rows after, and of each vessel and value the last before."""
    mmsi, time_us = np.asarray(known["mmsi"]), micros(known, "time")
    old = time_us <= since_us
    needed = ~old
    for name in VOYAGE_FIELDS:
        row = np.flatnonzero(np.asarray(pc.is_valid(known[name])) & old)
        row = row[ordered(mmsi[row], time_us[row] // MS)]
        first = starts_of(mmsi[row])
        last = row[np.append(first[1:], len(row))[: len(first)] - 1]
        needed[last] = True
    return known.filter(pa.array(needed & (time_us >= since_us - memory_us))).combine_chunks()


# ------------------------------------------------------- loitering: long stays away from berths, quays and anchorages


def loitering(stays: pa.Table, edges: pa.Table, rules: StayRules) -> pa.Table:
    """The stays that are long, away from berths and quays, and outside anchorages unless in a reported area."""
    span_us = micros(stays, "end") - micros(stays, "start")
    stays = stays.filter(pa.array(span_us >= hours(rules.loitering_h))).combine_chunks()
    lon, lat = middle_of(stays)
    _, how, _ = port_of_call(lon, lat, rules.port_radius_km)
    held = zone_of(lon, lat)
    kind = {p["id"]: p["kind"] for p in zones().properties}
    reported = np.array([any(kind[name] == REPORTED for name in names) for names in held], bool)
    away = (how != HARBOUR) & ((how == "") | reported)
    where = shore(lon[away], lat[away])  # of the few that are left: it costs most
    off_quay = where["distance_to_shore_km"] > where["distance_to_shore_error_km"]
    away[away] = off_quay
    rows = stays.filter(pa.array(away)).combine_chunks()
    nearest, km = nearest_port(lon[away], lat[away])
    silent, data = ends_in(rows, edges)
    start, end, slow_ms = micros(rows, "start"), micros(rows, "end"), np.maximum(np.asarray(rows["slow_ms"]), 1)
    lon0, lat0, lon1, lat1 = (np.asarray(rows[name]) for name in ("lon0", "lat0", "lon1", "lat1"))
    lon, lat = lon[away], lat[away]
    columns: dict[str, object] = {
        "mmsi": rows["mmsi"],
        "track_start": rows["track_start"],
        "start_time": start,
        "end_time": end,
        "duration_h": (end - start) / HOUR,
        "start_censored": rows["fresh"],
        "end_censored": silent | data,
        "lon": lon,
        "lat": lat,
        "drift_km": np.round(haversine_m(lon0, lat0, lon1, lat1) / 1000, 3),
        "mean_speed_kn": np.round(np.asarray(rows["dkn_ms"]) / slow_ms / 10, 2),
        "zones": pa.array([names for names, kept in zip(held, away, strict=True) if kept], pa.list_(pa.string())),
        "port": ports().id[nearest].astype(object),
        "distance_to_port_km": np.round(km, 3),
        **{name: values[off_quay] for name, values in where.items()},
    }
    return build("loitering", columns)


def ends_in(stays: pa.Table, edges: pa.Table) -> tuple[Bools, Bools]:
    """Whether a silence begins, and whether the data end, where each stay does, (n,) bool each."""
    key = np.concatenate(
        [
            np.column_stack([numbers(rows, name) for name in names])
            for rows, names in ((stays, ("mmsi", "track_start", "end")), (edges, ("mmsi", "track_start", "time")))
        ]
    )
    number = np.unique(key, axis=0, return_inverse=True)[1].reshape(-1)
    of_stay, of_edge = number[: stays.num_rows], number[stays.num_rows :]
    side = np.array(edges["side"].to_pylist(), object)
    return np.isin(of_stay, of_edge[side == "end"]), np.isin(of_stay, of_edge[side == "data_end"])


def shore(lon: Column, lat: Column) -> dict[str, Column]:
    """The distance to the shore of points (n,), degrees, with its error, as columns."""
    km = distance_to_shore_km(lon, lat)
    return {"distance_to_shore_km": np.round(km, 3), "distance_to_shore_error_km": shore_error_km(lon, lat, km)}
