"""From fixes to encounters by brute force: geodesics of WGS 84, stepped at one second.

The program is held against it, so it shares neither code nor formula with the program. A crude filter finds
which legs could be near each other in which minute (it may be generous, never too narrow); in those minutes
both vessels are put on their geodesics each second, and the geodesic between them is measured.

What one second costs: starts and ends lie up to 1 s inside the true ones, and the nearest approach is met up
to half a second off, which at a relative speed of 10 kn is 2.6 m.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pyproj import Geod, Transformer
from scipy.spatial import cKDTree

EARTH = Geod(ellps="WGS84")
KNOT = 1852.0 / 3600.0
STILL_KN = 1.0
MINUTE = 60.0
MEMORY_S = 7 * 86400.0
IMPLIED_OVER_S = 60.0
SAMPLES = 2_000_000
Berth = Callable[[np.ndarray, np.ndarray], np.ndarray]


def oracle_encounters(fixes: pd.DataFrame, distance_m: float = 500, **options: Any) -> pd.DataFrame:
    """Every encounter in the fixes (mmsi, time, lon, lat, sog_kn, heading_deg); options as in oracle_envelope."""
    return oracle_envelope(fixes, (distance_m,), **options)[distance_m]


def oracle_envelope(
    fixes: pd.DataFrame,
    distances_m: Sequence[float] = (470, 500, 530),
    *,
    join_min: float = 30,
    min_duration_min: float = 30,
    slow_kn: float = 5,
    gap_h: float = 2,
    max_speed_kn: float = 60,
    hop_slack_m: float = 1000,
    berth: Berth | None = None,
    only: Collection[int] | None = None,
) -> dict[float, pd.DataFrame]:
    """Every encounter at several distances for little more than the price of the greatest of them.

    `berth(lon, lat)` tells which places count as a port outside the trade; `only` keeps these MMSI, no other.
    Tracks are named by their first fix, and two tracks of one MMSI can meet.
    """
    fixes = _tracks(_usable(fixes, only), max_speed_kn, hop_slack_m)
    legs = _legs(fixes, slow_kn, gap_h, berth)
    elements = _nearby(legs, max(distances_m))
    elements = _long_enough(legs, elements, join_min * 60, min_duration_min * 60)
    found: dict[float, list[pd.DataFrame]] = {distance: [] for distance in distances_m}
    for moments in _stepped(legs, elements, max(distances_m)):
        for distance, tables in found.items():
            near = moments[moments.distance <= distance]
            tables.append(_encounters(near, join_min * 60, min_duration_min * 60))
    names = fixes.groupby("track").first()
    return {distance: _table(tables, names) for distance, tables in found.items()}


def port_berth(lon: np.ndarray, lat: np.ndarray, radius_km: float = 10) -> Berth:
    """A berth rule from a list of ports: within the radius of one of them."""
    tree = cKDTree(_xyz(lon, lat))
    return lambda lon, lat: tree.query(_xyz(lon, lat))[0] <= radius_km * 1000


def _xyz(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Earth-centred coordinates in metres, (n, 3); a straight line is never longer than the geodesic."""
    lon, lat = np.asarray(lon, "float64"), np.asarray(lat, "float64")
    if not len(lon):
        return np.zeros((0, 3))
    to_metres = Transformer.from_crs(4979, 4978, always_xy=True)
    return np.column_stack(to_metres.transform(lon, lat, np.zeros(len(lon))))


def _usable(fixes: pd.DataFrame, only: Collection[int] | None) -> pd.DataFrame:
    """One fix per MMSI and time, in that order, with the time as seconds of the epoch."""
    fixes = fixes.loc[fixes.lon.notna() & fixes.lat.notna()]
    if only is not None:
        fixes = fixes[fixes.mmsi.isin(list(only))]
    time = pd.to_datetime(fixes.time, utc=True).dt.tz_localize(None).astype("datetime64[us]")
    fixes = pd.DataFrame(
        {
            "mmsi": fixes.mmsi.astype("int64"),
            "t": time.astype("int64") / 1e6,
            "lon": fixes.lon.astype("float64"),
            "lat": fixes.lat.astype("float64"),
            "sog_kn": fixes.sog_kn.astype("float64").round(4),
            "heading": fixes.heading_deg.astype("float64") if "heading_deg" in fixes else np.nan,
        }
    )
    fixes = fixes.assign(heading=fixes.heading.fillna(-1))
    fixes = fixes.sort_values(["mmsi", "t", "lon", "lat", "sog_kn", "heading"], na_position="last")
    return fixes.drop_duplicates(["mmsi", "t"], keep="first").reset_index(drop=True)


def _tracks(fixes: pd.DataFrame, max_speed_kn: float, hop_slack_m: float) -> pd.DataFrame:
    """Each fix joins the track of its MMSI that explains it; only torn vessels are walked through."""
    fixes = fixes.assign(track=fixes.groupby("mmsi", sort=False).ngroup())
    mmsi, t, lon, lat = (fixes[name].to_numpy() for name in ("mmsi", "t", "lon", "lat"))
    apart = EARTH.inv(lon[:-1], lat[:-1], lon[1:], lat[1:])[2]
    elapsed = np.diff(t)
    torn = (apart > hop_slack_m + max_speed_kn * KNOT * elapsed) | (elapsed > MEMORY_S)
    suspects = np.unique(mmsi[1:][torn & (mmsi[1:] == mmsi[:-1])])
    track = fixes.track.to_numpy().copy()
    unused = int(track.max(initial=-1)) + 1
    for suspect in suspects:
        last: list[tuple[int, int]] = []  # number of the track, row of its last fix
        for row in np.flatnonzero(mmsi == suspect):
            best, nearest = None, np.inf
            for place, (_, before) in enumerate(last):
                waited = t[row] - t[before]
                far = EARTH.inv(lon[before], lat[before], lon[row], lat[row])[2]
                if waited <= MEMORY_S and far <= hop_slack_m + max_speed_kn * KNOT * waited and far < nearest:
                    best, nearest = place, far
            if best is None:
                last.append((unused, int(row)))
                track[row], unused = unused, unused + 1
            else:
                track[row] = last[best][0]
                last[best] = (last[best][0], row)
    fixes = fixes.assign(track=track)
    first = fixes.groupby("track", sort=False).agg(mmsi=("mmsi", "first"), t=("t", "first"))
    rank = pd.Series(np.arange(len(first)), index=first.sort_values(["mmsi", "t"]).index)
    return fixes.assign(track=rank[track].to_numpy()).sort_values(["track", "t"]).reset_index(drop=True)


def _legs(fixes: pd.DataFrame, slow_kn: float, gap_h: float, berth: Berth | None) -> pd.DataFrame:
    """The slow legs: geodesic, whether a leg comes before and after, and whether it lies still in a port."""
    start, end = fixes.iloc[:-1].reset_index(drop=True), fixes.iloc[1:].reset_index(drop=True)
    is_leg = ((start.track == end.track) & (end.t - start.t <= gap_h * 3600)).to_numpy()
    before, after = (pd.Series(is_leg).shift(step, fill_value=False) for step in (1, -1))
    azimuth, _, length = EARTH.inv(*(side[name].to_numpy() for side in (start, end) for name in ("lon", "lat")))
    reported = (start.sog_kn + end.sog_kn) / 2
    implied = length / np.maximum(end.t - start.t, IMPLIED_OVER_S) / KNOT
    speed = reported.fillna(pd.Series(implied)).round(6).to_numpy()
    legs = pd.DataFrame(
        {
            "track": start.track,
            "t0": start.t,
            "t1": end.t,
            "lon": start.lon,
            "lat": start.lat,
            "azimuth": azimuth,
            "length": length,
            "heading": end.heading.where(end.heading >= 0),
            "first": ~before,
            "last": ~after,
            "moored": speed < STILL_KN,
        }
    )[is_leg & (speed < slow_kn)].reset_index(drop=True)
    if berth is None:
        return legs.assign(moored=False)
    middle_lon, middle_lat, _ = EARTH.fwd(legs.lon, legs.lat, legs.azimuth, legs.length / 2)
    return legs.assign(moored=legs.moored & berth(np.asarray(middle_lon), np.asarray(middle_lat)))


def _nearby(legs: pd.DataFrame, distance_m: float) -> pd.DataFrame:
    """Two legs of different tracks and a minute in which they could be near, without berth neighbours."""
    first, last = (np.floor(legs[name] / MINUTE).astype("int64").to_numpy() for name in ("t0", "t1"))
    leg = np.repeat(np.arange(len(legs)), last - first + 1)
    minute = _counting(last - first + 1) + first[leg]
    part = legs.iloc[leg].reset_index(drop=True)
    lo, hi = np.maximum(part.t0, minute * MINUTE), np.minimum(part.t1, minute * MINUTE + MINUTE)
    span = part.t1 - part.t0
    lon, lat, _ = EARTH.fwd(part.lon, part.lat, part.azimuth, part.length * ((lo + hi) / 2 - part.t0) / span)
    reach = (part.length * (hi - lo) / span / 2 + 1.0).to_numpy()
    xyz = _xyz(lon, lat)
    order = np.argsort(minute, kind="stable")
    tables = []
    for rows in np.split(order, np.flatnonzero(np.diff(minute[order])) + 1):
        if len(rows) > 1:
            pairs = cKDTree(xyz[rows]).query_pairs(distance_m + 2 * reach[rows].max(), output_type="ndarray")
            a, b = rows[pairs[:, 0]], rows[pairs[:, 1]]
            near = np.linalg.norm(xyz[a] - xyz[b], axis=1) <= distance_m + reach[a] + reach[b]
            tables.append(np.column_stack([leg[a][near], leg[b][near], minute[a][near]]))
    i, j, at = (np.concatenate(tables) if tables else np.zeros((0, 3), "int64")).T
    track, moored, t0, t1 = (legs[name].to_numpy() for name in ("track", "moored", "t0", "t1"))
    overlap = np.maximum(t0[i], t0[j]) <= np.minimum(t1[i], t1[j])
    meet = overlap & (track[i] != track[j]) & ~(moored[i] & moored[j])
    i, j, at = i[meet], j[meet], at[meet]
    swap = track[i] > track[j]
    return pd.DataFrame({"i": np.where(swap, j, i), "j": np.where(swap, i, j), "minute": at})


def _long_enough(legs: pd.DataFrame, elements: pd.DataFrame, join_s: float, least_s: float) -> pd.DataFrame:
    """Without what could not last long enough even if the two were within the distance all the time."""
    track = legs.track.to_numpy()
    a, b = track[elements.i], track[elements.j]
    elements = elements.assign(a=a, b=b).sort_values(["a", "b", "minute"], ignore_index=True)
    pause = elements.minute.diff() * MINUTE - MINUTE
    new = elements[["a", "b"]].ne(elements[["a", "b"]].shift()).any(axis=1) | (pause > join_s)
    run = elements.groupby(new.cumsum(), sort=False).minute
    return elements[(run.transform("max") - run.transform("min") + 1) * MINUTE >= least_s]


def _stepped(legs: pd.DataFrame, elements: pd.DataFrame, distance_m: float) -> Iterator[pd.DataFrame]:
    """Moments within the distance: each second and the ends of each shared stretch, whole pairs at once, in order."""
    column = {name: legs[name].to_numpy() for name in legs}
    i, j = elements.i.to_numpy(), elements.j.to_numpy()
    since = elements.minute.to_numpy() * MINUTE
    lo = np.maximum(np.maximum(column["t0"][i], column["t0"][j]), since)
    hi = np.minimum(np.minimum(column["t1"][i], column["t1"][j]), since + MINUTE)
    count = np.maximum(np.ceil(hi) - np.floor(lo), 0).astype("int64") + 1
    pair = elements.groupby(["a", "b"], sort=False).ngroup().to_numpy()
    per_pair = np.bincount(pair, weights=count)
    share = (np.cumsum(per_pair) // SAMPLES)[pair] if len(pair) else pair
    for number in np.unique(share):
        rows = np.flatnonzero((share == number) & (lo <= hi))
        row = np.repeat(rows, count[rows])
        t = np.clip(np.floor(lo[row]) + _counting(count[rows]), lo[row], hi[row])
        here, there = _place(column, i[row], t), _place(column, j[row], t)
        azimuth, _, distance = EARTH.inv(*here, *there)
        near = np.flatnonzero(distance <= distance_m)
        t, distance, leg_a, leg_b = t[near], distance[near], i[row[near]], j[row[near]]
        seen = _seen(azimuth[near], distance, [end[near] for end in (*here, *there)])
        seen |= {"angle": _angle(column, leg_a, leg_b)}
        at_start = [t == column["t0"][leg] for leg in (leg_a, leg_b)]
        at_end = [t == column["t1"][leg] for leg in (leg_a, leg_b)]
        first, last = ([column[name][leg] for leg in (leg_a, leg_b)] for name in ("first", "last"))
        moments = {"a": column["track"][leg_a], "b": column["track"][leg_b], "t": t, "distance": distance}
        flags = {
            "fixes_a": at_start[0] | at_end[0],
            "fixes_b": at_start[1] | at_end[1],
            "start_censored": (at_start[0] & first[0]) | (at_start[1] & first[1]),
            "end_censored": (at_end[0] & last[0]) | (at_end[1] & last[1]),
        }
        order = np.lexsort((t, moments["b"], moments["a"]))  # stable
        yield pd.DataFrame({name: values[order] for name, values in (moments | seen | flags).items()})


def _seen(azimuth: np.ndarray, distance: np.ndarray, ends: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Where b lies as seen from a, metres east and north, and the middle of both."""
    (lon_a, lat_a), (lon_b, lat_b) = ends[:2], ends[2:]
    east, north = distance * np.sin(np.radians(azimuth)), distance * np.cos(np.radians(azimuth))
    lon = lon_a + ((lon_b - lon_a + 180) % 360 - 180) / 2
    return {"east": east, "north": north, "lon": lon, "lat": (lat_a + lat_b) / 2}


def _angle(column: dict[str, np.ndarray], a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Degrees between the keels, 0 to 90, as told where two legs end; nan unless both do within ten minutes."""
    keels = np.radians(column["heading"][a] - column["heading"][b])
    angle = np.degrees(np.arctan2(np.abs(np.sin(keels)), np.abs(np.cos(keels))))
    return np.where(np.abs(column["t1"][a] - column["t1"][b]) <= 600, angle, np.nan)


def _place(column: dict[str, np.ndarray], leg: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude on the geodesic of each leg at each time; once for all that are near it then."""
    if not len(t):
        return np.zeros(0), np.zeros(0)
    at_us = np.round((t - t.min()) * 1e6).astype("int64")
    _, first, same = np.unique(leg * (at_us.max() + 1) + at_us, return_index=True, return_inverse=True)
    lon, lat = _place_each(column, leg[first], t[first])
    return lon[same], lat[same]


def _place_each(column: dict[str, np.ndarray], leg: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = (t - column["t0"][leg]) / (column["t1"][leg] - column["t0"][leg])
    lon, lat, moved = column["lon"][leg], column["lat"][leg], column["length"][leg] * share
    under_way = moved > 0
    lon[under_way], lat[under_way], _ = EARTH.fwd(
        lon[under_way], lat[under_way], column["azimuth"][leg][under_way], moved[under_way]
    )
    return lon, lat


def _encounters(moments: pd.DataFrame, join_s: float, least_s: float) -> pd.DataFrame:
    """Moments of each pair joined over short interruptions, where they span long enough."""
    flags = ["fixes_a", "fixes_b", "start_censored", "end_censored"]
    how = {"distance": "min", **dict.fromkeys(("east", "north", "lon", "lat", "angle"), "last")}
    how |= dict.fromkeys(flags, "max")
    once = _once(moments, ["a", "b", "t"], how)
    new = once[["a", "b"]].ne(once[["a", "b"]].shift()).any(axis=1) | (once.t.diff() > join_s)
    step = once.t.diff().where(~new & (once.t.diff() <= 1))
    moved = np.hypot(once.east.diff(), once.north.diff()).where(step.notna())
    once = once.assign(event=new.cumsum(), step=step, moved=moved)
    seconds = once[once.t == np.floor(once.t)]
    events = once.groupby("event").agg(
        a=("a", "first"),
        b=("b", "first"),
        start=("t", "first"),
        end=("t", "last"),
        cpa_distance_m=("distance", "min"),
        fixes_a=("fixes_a", "sum"),
        fixes_b=("fixes_b", "sum"),
        start_censored=("start_censored", "first"),
        end_censored=("end_censored", "last"),
        moved=("moved", "sum"),
        within=("step", "sum"),
        **{f"{axis}_{at}": (axis, at) for axis in ("lon", "lat") for at in ("first", "last")},
    )
    by_event = seconds.groupby("event")
    events = events.assign(median_distance_m=by_event.distance.median())
    events = events.assign(heading_difference_deg=by_event.angle.median())
    return events[events.end - events.start >= least_s]


def _once(moments: pd.DataFrame, key: list[str], how: dict[str, str]) -> pd.DataFrame:
    """Rows that are sorted by a key, one for each: only where legs meet there are several, which take long to join."""
    again = moments[key].eq(moments[key].shift()).all(axis=1).to_numpy()
    several, last = again.copy(), np.ones(len(again), bool)
    several[:-1] |= again[1:]
    last[:-1] = ~again[1:]
    joined = moments[several].groupby(key).agg(how)
    once = moments[last].reset_index(drop=True)
    for name in how:
        values = once[name].to_numpy(copy=True)
        values[several[last]] = joined[name]
        once[name] = values
    return once


def _table(tables: list[pd.DataFrame], names: pd.DataFrame) -> pd.DataFrame:
    """The events in the words of the encounters table; track_a and track_b are first fixes."""
    columns = ["a", "b", "start", "end", "cpa_distance_m", "median_distance_m"]
    columns += ["fixes_a", "fixes_b", "start_censored", "end_censored", "heading_difference_deg", "moved", "within"]
    columns += [f"{axis}_{at}" for axis in ("lon", "lat") for at in ("first", "last")]
    events = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    mmsi, first = names.mmsi.reindex(events.a).to_numpy(), names.t.reindex(events.a).to_numpy()
    mmsi_b, first_b = names.mmsi.reindex(events.b).to_numpy(), names.t.reindex(events.b).to_numpy()
    places = [events[f"{axis}_{at}"].astype("float64") for at in ("first", "last") for axis in ("lon", "lat")]
    table = pd.DataFrame(
        {
            "mmsi_a": mmsi.astype("int64"),
            "mmsi_b": mmsi_b.astype("int64"),
            "track_a": _utc(first),
            "track_b": _utc(first_b),
            "start_time": _utc(events.start),
            "end_time": _utc(events.end),
            "duration_min": (events.end - events.start).astype("float64") / 60,
            "cpa_distance_m": events.cpa_distance_m.astype("float64"),
            "median_distance_m": events.median_distance_m.astype("float64"),
            "heading_difference_deg": events.heading_difference_deg.astype("float64"),
            "relative_speed_kn": (events.moved / events.within).astype("float64") / KNOT,
            "drift_km": EARTH.inv(*places)[2] / 1000,
            **{name: events[name].astype("int64") for name in ("fixes_a", "fixes_b")},
            **{name: events[name].astype("bool") for name in ("start_censored", "end_censored")},
        }
    )
    return table.sort_values(["mmsi_a", "mmsi_b", "start_time", "track_a", "track_b"]).reset_index(drop=True)


def _utc(seconds: np.ndarray | pd.Series) -> pd.DatetimeIndex:
    microseconds = np.round(np.asarray(seconds, "float64") * 1e6).astype("int64")
    return pd.DatetimeIndex(microseconds.view("datetime64[us]")).tz_localize("UTC")


def _counting(counts: np.ndarray) -> np.ndarray:
    """0, 1 ... for each count, one after the other: [2, 3] gives [0, 1, 0, 1, 2]."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
