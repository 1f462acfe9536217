"""The encounter and judge steps: proximities of one pair become encounters, encounters become scored rows.

Law: proximities of a pair arrive in order of time, since a moment is known once the later of two legs is complete. An
encounter closes when nothing that can still arrive would touch it (`Rules.wait_us`): its end, plus the joining time,
the time in which a silence counts as beside it and the hours in which its vessels are seen to go, lies before the
watermark less the lag. What is kept of it are sums of whole numbers.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.geo.coast.water import distance_to_shore_km, shore_error_km
from stswatch.geo.coordinates.sphere import KMH_PER_KN, MS_PER_KN, haversine_m
from stswatch.geo.coordinates.sun import sun_elevation_deg
from stswatch.geo.reference.harbours import nearest_port, port_or_anchorage_of
from stswatch.geo.reference.ports import ports, world_ports
from stswatch.geo.reference.zones import zone_of
from stswatch.models.scorecard import Scorecard, load
from stswatch.pipeline import schema
from stswatch.pipeline.batch import (
    HOUR,
    MINUTE,
    MS,
    SECOND,
    Batch,
    Bools,
    Result,
    Tables,
    build,
    concat,
    micros,
    ordered,
    starts_of,
)
from stswatch.pipeline.meetings import intervals, proximity
from stswatch.pipeline.meetings.intervals import PAIR, Runs
from stswatch.pipeline.rules import EncounterRules, Rules, days, minutes
from stswatch.pipeline.schema.measures import MEASURES
from stswatch.pipeline.times import iso

OPEN = schema.table(
    "Encounters that are not closed.",
    *schema.PROXIMITIES,
    schema.column("opened", pa.bool_(), "was an encounter before this slice"),
)
STATE = {"open": OPEN, "berths": schema.PORT_PAIRS}


def encounter(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice of one pair shard; see the module docstring for the law, schema.FLOW for what it gives."""
    meetings = _joined(state["open"], batch.table("proximities"), rules.encounter)
    done = _done(meetings, batch, rules)
    port_pairs, neighbours = proximity.count(state, batch, rules)
    kept = {"open": meetings.filter(pa.array(~done)).combine_chunks(), "berths": port_pairs}
    span_us = micros(meetings, "end") - micros(meetings, "start")
    counts = done & (span_us >= minutes(rules.encounter.min_duration_min))
    closed = meetings.filter(pa.array(counts)).select(schema.CLOSED_ENCOUNTERS.names)
    rows = {"closed_encounters": closed.cast(schema.CLOSED_ENCOUNTERS), "port_pair_counts": neighbours}
    return Result(kept, rows)


def judge(state: Tables, batch: Batch, rules: Rules, card: Scorecard | None = None) -> Result:
    """Give the encounters that were closed, with what became of their vessels, score and reasons.

    card: the scorecard that gives the scores, the program's default where None.
    """
    closed, of = batch.table("closed_encounters"), batch.table("parties")
    return Result(state, {"encounters": encounter_rows(closed, of, rules, card or scorecard())})


def _joined(opened: pa.Table, proximities: pa.Table, rules: EncounterRules) -> pa.Table:
    """The open encounters with the new proximities joined to them."""
    never = pa.array(np.zeros(proximities.num_rows, bool))
    new = proximities
    for name in OPEN.names[len(schema.PROXIMITIES) :]:
        new = new.append_column(OPEN.field(name), never)
    both = intervals.from_table(concat([opened, new.cast(OPEN)], OPEN))
    joined = intervals.join(both, _heads(both, rules))
    return intervals.to_table(joined, OPEN, {"opened": np.ones(len(joined), bool)})


def _heads(given: Runs, rules: EncounterRules) -> Bools:
    """What begins an encounter: a former one, a new pair, too long an interruption, the longest an encounter may be."""
    columns = given.columns
    start, end, n = columns["start"], columns["end"], len(given)
    head = columns["opened"].copy()
    head[starts_of(*(columns[name] for name in PAIR))] = True
    head[1:] |= start[1:] - end[:-1] > minutes(rules.join_min)
    begun = start[np.maximum.accumulate(np.where(head, np.arange(n), 0))]
    # counted in whole UTC days: there intervals part in every run, so that no slice shows in where an encounter is cut
    age = (start // days(1) - begun // days(1)) * days(1) // days(rules.max_open_d)
    head[1:] |= age[1:] > age[:-1]
    return np.asarray(head)


def _done(meetings: pa.Table, batch: Batch, rules: Rules) -> Bools:
    """Which encounters nothing can touch any more."""
    if batch.final:
        return np.ones(meetings.num_rows, bool)
    return np.asarray(micros(meetings, "end") < batch.watermark_us - rules.wait_us)


# ------------------------------------------- closed encounters as the rows that people read: medians, place, score

_MEDIANS = (
    ("median_distance_m", intervals.DISTANCE),
    ("median_speed_a_kn", intervals.SPEED_A),
    ("median_speed_b_kn", intervals.SPEED_B),
    ("heading_difference_deg", intervals.ANGLE),
)


def encounter_rows(closed: pa.Table, parties: pa.Table, rules: Rules, card: Scorecard) -> pa.Table:
    """Closed encounters as schema.ENCOUNTERS; `run_id` is filled in by the store.

    closed: schema.CLOSED_ENCOUNTERS. parties: schema.PARTIES, two rows of each, in any order.
    """
    if closed.num_rows == 0:
        return schema.empty("encounters")
    rows = _in_order(closed)
    columns: dict[str, Any] = _measured(rows) | _of_each(rows) | _moved(rows) | _of_parties(_in_order(parties))
    columns["position_error_m"] = 2 * rules.vessel.fix_error_m + np.asarray(rows["rounding_m"])
    row, code, ms = intervals.bins_of(rows)
    for name, what in _MEDIANS:
        columns[name] = intervals.medians(row, code, ms, what, rows.num_rows)
    columns = rounded(columns)
    # a median within a bin may lie below the least distance, which is known to the centimetre
    columns["median_distance_m"] = np.maximum(columns["median_distance_m"], columns["cpa_distance_m"])
    own = rules.encounter
    near = intervals.share_below(row, code, ms, own.one_place_m, rows.num_rows)
    columns["possibly_one_hull"] = (near >= own.one_place_share) & (columns["within_min"] >= own.one_place_min)
    columns |= rounded(_place(columns["lon"], columns["lat"], rules.proximity.port_radius_km))
    off_km = shore_error_km(columns["lon"], columns["lat"], columns["distance_to_shore_km"])
    sun_deg = sun_elevation_deg(columns["lon"], columns["lat"], columns["cpa_time"])
    far = {"distance_to_shore_error_km": off_km + columns["position_error_m"] / 2000, "sun_elevation_deg": sun_deg}
    columns |= rounded(far)
    order = np.lexsort((columns["start_time"], columns["mmsi_b"], columns["mmsi_a"]))
    return build("encounters", columns | _judged(columns, card)).take(pa.array(order))


def _in_order(rows: pa.Table) -> pa.Table:
    """Rows of encounters, or of their parties, sorted by what names an encounter, a before b."""
    keys = [np.asarray(rows[name].cast(pa.int64())) for name in (*intervals.PAIR, "start")]
    if "party" in rows.column_names:
        keys.append(np.asarray(rows["party"]))
    return rows.take(pa.array(np.lexsort(keys[::-1]))).combine_chunks()


def _of_parties(parties: pa.Table) -> dict[str, Any]:
    """What became of each vessel, and what it said of itself; parties: two rows for each encounter, in order."""
    columns: dict[str, Any] = {}
    ended = np.asarray(parties["ended"])
    columns["end_censored"] = ended[0::2] | ended[1::2]
    for k, v in enumerate("ab"):
        of = parties.take(pa.array(np.arange(k, parties.num_rows, 2))).combine_chunks()
        columns |= {f"gap_{v}": np.asarray(of["gap"])}
        columns |= {f"slow_{side}_{v}_h": of[f"slow_{side}_h"] for side in ("before", "after")}
        columns |= {f"ship_type_{v}": of["ship_type"], f"length_{v}_m": of["length_m"]}
    return columns


def rounded(columns: dict[str, Any]) -> dict[str, Any]:
    """The same columns, those that are measures as they are published; see schema/measures.py."""
    decimals = {name: MEASURES[name].decimals for name in columns if name in MEASURES}
    return columns | {name: np.round(columns[name], n) for name, n in decimals.items() if n is not None}


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
        "cpa_time": micros(rows, "cpa_time"),
        "region": np.full(n, None, object),
        "cpa_distance_m": np.asarray(rows["nearest_cm"]) / 100.0,
        "motion_error_m": np.asarray(rows["motion_cm"]) / 100.0,
        "observed_share": np.asarray(rows["observed_ms"]) / within_ms,
        "candidate_count": np.ones(n, np.int64),
        "run_id": np.full(n, "", object),
    }


def _of_each(rows: pa.Table) -> dict[str, np.ndarray]:
    """What is told of a and of b."""
    columns: dict[str, np.ndarray] = {}
    for v in ("a", "b"):
        columns[f"track_{v}"] = _track_names(rows, v)
        columns[f"mmsi_{v}"] = np.asarray(rows[f"mmsi_{v}"])
        columns[f"fixes_{v}"] = np.asarray(rows[f"fixes_{v}"]) + np.asarray(rows[f"end_fix_{v}"])
    return columns


def _moved(rows: pa.Table) -> dict[str, np.ndarray]:
    """How fast the two moved against each other, and how far and how fast the pair as a whole."""
    m_per_s = np.asarray(rows["moved_cm"]) / 100 / (np.asarray(rows["within_ms"]) / 1000)
    drift_km = haversine_m(*(np.asarray(rows[name]) for name in ("lon0", "lat0", "lon1", "lat1"))) / 1000
    hours = (micros(rows, "end") - micros(rows, "start")) / HOUR
    return {
        "relative_speed_kn": m_per_s / MS_PER_KN,
        "drift_km": drift_km,
        "drift_kn": drift_km / hours / KMH_PER_KN,
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
    return iso(time_us) if time_us % SECOND else iso(time_us).replace(".000", "")


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
        "port": world_ports().id[index].astype(object),
        "distance_to_port_km": distance_km,
        "in_port": _where(inside >= 0, ports().id[inside]),
        "in_port_part": _where(inside >= 0, part),
        "distance_to_shore_km": distance_to_shore_km(lon, lat),
    }


def _where(known: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Words where they are known, else null."""
    out = words.astype(object)
    out[~known] = None
    return out


def _judged(columns: dict[str, Any], card: Scorecard) -> dict[str, object]:
    """Score and reasons from what was measured; flag, name and lists never enter, what lies round it is added later."""
    card = card.of_meeting
    score, _ = card.score(columns)
    return {"score": score, "reasons": card.reasons(columns).cast(schema.ENCOUNTERS.field("reasons").type)}


@cache
def scorecard() -> Scorecard:
    """The scorecard that gives the scores where no other is asked for, read once."""
    return load()
