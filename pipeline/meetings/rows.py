"""Closed encounters as the rows that people read: medians, place, score and reasons."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.geo.ports import nearest_port, port_or_anchorage_of, ports
from stswatch.geo.sphere import M_PER_NM, MS_PER_KN, haversine_m
from stswatch.geo.sun import sun_elevation_deg
from stswatch.geo.water import distance_to_shore_km, shore_error_km
from stswatch.geo.zones import zone_of
from stswatch.models.scorecard import Scorecard, load
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE, MS, build, micros, ordered, starts_of
from stswatch.pipeline.meetings import edges, histogram, particulars, runs
from stswatch.pipeline.rules import Rules, minutes

KM_PER_NM = M_PER_NM / 1000
_MEDIANS = (
    ("median_distance_m", histogram.DISTANCE),
    ("median_speed_a_kn", histogram.SPEED_A),
    ("median_speed_b_kn", histogram.SPEED_B),
    ("heading_difference_deg", histogram.ANGLE),
)


def encounter_rows(closed: pa.Table, known_edges: pa.Table, said: pa.Table, rules: Rules, card: Scorecard) -> pa.Table:
    """Encounters long enough to count, as schema.ENCOUNTERS; `run_id` is filled in by the store."""
    span_us = micros(closed, "end") - micros(closed, "start")
    rows = closed.filter(pa.array(span_us >= minutes(rules.encounter.min_duration_min)))
    if rows.num_rows == 0:
        return schema.empty("encounters")
    columns: dict[str, Any] = _measured(rows) | _of_each(rows) | _moved(rows)
    columns["position_error_m"] = 2 * rules.vessel.fix_error_m + np.asarray(rows["rounding_m"])
    columns["end_censored"] = edges.ended_by_data(rows, known_edges)
    columns |= particulars.by_the_end(rows, said, rules.encounter)
    row, code, ms = runs.bins_of(rows)
    for name, what in _MEDIANS:
        columns[name] = np.round(histogram.medians(row, code, ms, what, rows.num_rows), 1)
    # a median within a bin may lie below the least distance, which is known to the centimetre
    columns["median_distance_m"] = np.maximum(columns["median_distance_m"], columns["min_distance_m"])
    own = rules.encounter
    near = histogram.share_below(row, code, ms, own.one_place_m, rows.num_rows)
    columns["possibly_one_hull"] = (near >= own.one_place_share) & (columns["within_min"] >= own.one_place_min)
    columns |= _place(columns["lon"], columns["lat"], rules.proximity.port_radius_km)
    off_km = shore_error_km(columns["lon"], columns["lat"], columns["distance_to_shore_km"])
    columns["distance_to_shore_error_km"] = np.round(off_km + columns["position_error_m"] / 2000, 2)
    sun_deg = sun_elevation_deg(columns["lon"], columns["lat"], columns["nearest_time"])
    columns["sun_elevation_deg"] = np.round(sun_deg, 2)
    order = np.lexsort((columns["start_time"], columns["mmsi_b"], columns["mmsi_a"]))
    return build("encounters", columns | _judged(columns, card)).take(pa.array(order))


def _measured(rows: pa.Table) -> dict[str, np.ndarray]:
    """What follows from the sums alone."""
    n = rows.num_rows
    start_us, end_us, within_ms = micros(rows, "start"), micros(rows, "end"), np.asarray(rows["within_ms"])
    return {
        "id": _ids(rows),
        "revision": np.ones(n, np.int64),
        "status": np.full(n, "current", object),
        "kind": np.full(n, "lit", object),
        "start_time": start_us,
        "end_time": end_us,
        "start_censored": np.asarray(rows["fresh"]),
        "duration_min": (end_us - start_us) / MINUTE,
        "within_min": within_ms * MS / MINUTE,
        "lon": np.asarray(rows["lon"]),
        "lat": np.asarray(rows["lat"]),
        "nearest_time": micros(rows, "nearest_time"),
        "region": np.full(n, None, object),
        "min_distance_m": np.asarray(rows["nearest_cm"]) / 100.0,
        "observed_share": np.round(np.asarray(rows["observed_ms"]) / within_ms, 4),
        "candidates": np.ones(n, np.int64),
        "run_id": np.full(n, "", object),
    }


def _of_each(rows: pa.Table) -> dict[str, np.ndarray]:
    """What is told of a and of b."""
    columns: dict[str, np.ndarray] = {}
    for v in ("a", "b"):
        columns[f"track_{v}"] = _track_names(rows, v)
        columns[f"mmsi_{v}"] = np.asarray(rows[f"mmsi_{v}"])
        columns[f"fixes_{v}"] = np.asarray(rows[f"fixes_{v}"]) + np.asarray(rows[f"end_fix_{v}"])
        columns[f"dark_{v}"] = np.asarray(rows[f"dark_{v}"])
    return columns


def _moved(rows: pa.Table) -> dict[str, np.ndarray]:
    """How fast the two moved against each other, and how far and how fast the pair as a whole."""
    m_per_s = np.asarray(rows["moved_cm"]) / 100 / (np.asarray(rows["within_ms"]) / 1000)
    drift_km = haversine_m(*(np.asarray(rows[name]) for name in ("lon0", "lat0", "lon1", "lat1"))) / 1000
    hours = (micros(rows, "end") - micros(rows, "start")) / HOUR
    return {
        "relative_speed_kn": np.round(m_per_s / MS_PER_KN, 2),
        "drift_km": np.round(drift_km, 2),
        "drift_kn": np.round(drift_km / hours / KM_PER_NM, 2),
    }


def _track_names(rows: pa.Table, v: str) -> np.ndarray:
    """The name of the track of each, written once for each track: in a harbour one has many neighbours."""
    mmsi, first_us = np.asarray(rows[f"mmsi_{v}"]), micros(rows, f"track_{v}")
    order = ordered(mmsi.astype(np.int64), first_us // MS)
    head = starts_of(mmsi[order], first_us[order])
    tracks = zip(mmsi[order[head]].tolist(), first_us[order[head]].tolist(), strict=True)
    names = np.array([f"{m:09d}@{_iso(t)}" for m, t in tracks], object)
    found = np.empty(len(order), object)
    found[order] = np.repeat(names, np.diff(np.append(head, len(order))))
    return found


def _iso(time_us: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="milliseconds" if time_us % 1_000_000 else "seconds").replace("+00:00", "Z")


def _ids(rows: pa.Table) -> np.ndarray:
    """A name for each encounter made of its pair and start: the same event gets the same name in every run."""
    parts = [
        np.asarray(rows["mmsi_a"]),
        micros(rows, "track_a"),
        np.asarray(rows["mmsi_b"]),
        micros(rows, "track_b"),
    ]
    text = zip(*(p.tolist() for p in (*parts, micros(rows, "start"))), strict=True)
    return np.array(["E" + hashlib.sha256(repr(t).encode()).hexdigest()[:12] for t in text], object)


def _place(lon: np.ndarray, lat: np.ndarray, port_radius_km: float) -> dict[str, np.ndarray]:
    """Zones of the nearest approach, its nearest port, the one that it lies in, and how far the shore is."""
    index, distance_km = nearest_port(lon, lat)
    inside, part = port_or_anchorage_of(lon, lat, port_radius_km)
    zones = np.empty(len(lon), object)
    zones[:] = zone_of(lon, lat)
    return {
        "zones": zones,
        "port": ports().id[index].astype(object),
        "distance_to_port_km": np.round(distance_km, 2),
        "in_port": _where(inside >= 0, ports().id[inside]),
        "in_port_part": _where(inside >= 0, part),
        "distance_to_shore_km": np.round(distance_to_shore_km(lon, lat), 2),
    }


def _where(known: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Words where they are known, else null."""
    out = words.astype(object)
    out[~known] = None
    return out


def _judged(columns: dict[str, Any], card: Scorecard) -> dict[str, object]:
    """Score and reasons from what was measured; flag, name and lists never enter."""
    score, _ = card.score(columns)
    return {"score": score, "reasons": card.reasons(columns).cast(schema.ENCOUNTERS.field("reasons").type)}


@cache
def scorecard() -> Scorecard:
    """The scorecard that gives the scores where no other is asked for, read once."""
    return load()
