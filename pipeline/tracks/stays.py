"""Stays: how long one track was slow in one place; which of them are loitering; what vessels enter for their voyages.

Law: whether a leg goes on with the stay of the one before is decided by those two alone, and what is kept of a stay are
sums of whole numbers. So stays of single slices, joined by the same rule, are those of the whole. A stay is parted at
fixed marks cut_d apart, so that none is older than that.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.geo.coast.water import distance_to_shore_km, shore_error_km
from stswatch.geo.coordinates.sphere import haversine_m, near_lon
from stswatch.geo.reference.harbours import nearest_port, port_of_call
from stswatch.geo.reference.ports import HARBOUR, world_ports
from stswatch.geo.reference.zones import REPORTED, zone_of, zones
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MS, Bools, Column, Ints, build, micros, ordered, starts_of
from stswatch.pipeline.rules import days, hours, minutes
from stswatch.pipeline.track_rules import StayRules

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


# ------------------------------------------------------- loitering: long stays away from berths, quays and anchorages


def loitering(stays: pa.Table, edges: pa.Table, rules: StayRules) -> pa.Table:
    """The stays that are long, away from berths and quays, and outside anchorages unless in a reported area."""
    span_us = micros(stays, "end") - micros(stays, "start")
    stays = stays.filter(pa.array(span_us >= hours(rules.loitering_h))).combine_chunks()
    if not stays.num_rows:
        return schema.empty("loitering")
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
        "port": world_ports().id[nearest].astype(object),
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
