"""The dark step: who can have met while one of the two, or both, were not heard.

`one_dark`: a vessel loitered, and another, whose silence was judged silenced, had time to lie beside it. `both_dark`:
the silences of two vessels, at least one of them silenced, left both time to lie at one place. Nothing here was seen:
a row says what was possible, how many other silences fit as well, and how many would by accident (fitting.py).

Law: a wait is decided once every silence that can overlap it is judged, a silence likewise, and a pair of silences once
both are. What is looked back at is kept for as long as it can be asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coordinates.plane import area_km2, in_space_km
from stswatch.geo.coordinates.sphere import KMH_PER_KN
from stswatch.geo.reference.harbours import nearest_port
from stswatch.geo.reference.ports import world_ports
from stswatch.geo.reference.zones import zone_of
from stswatch.geo.sea.distance import bounds_km, in_region
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, Batch, Bools, Floats, Ints, Result, Tables, build, concat, matching, micros
from stswatch.pipeline.meetings.fitting import (
    GAPS,
    WAITS,
    DarkSpans,
    Pool,
    Surroundings,
    between_km,
    courses_off,
    distance,
)
from stswatch.pipeline.meetings.reach import (
    GapGroups,
    StayBySea,
    by_sea,
    degrees,
    least_speed_kn,
    longest,
    regions,
    to_wkb,
)
from stswatch.pipeline.rules import Rules, days, hours

PARTNERS = schema.table(
    "The first partners of silences that are decided: two that name each other are a pair.",
    *(
        schema.column(f"{name}_{v}", kind, "")
        for v in "ab"
        for name, kind in (("mmsi", pa.int32()), ("start", schema.UTC))
    ),
    schema.column("until", schema.UTC, "end of the silence a"),
    schema.column("fits", pa.int64(), "how many partners fit the silence a"),
)
HEARD = schema.table("Hours in which anybody was heard.", schema.column("hour", schema.UTC, "start of the hour"))
STATE = {"gaps": GAPS, "waits": WAITS, "partners": PARTNERS, "heard": HEARD, "outages": schema.OUTAGES}


def dark(state: Tables, batch: Batch, rules: Rules) -> Result:
    """One slice; see the module docstring for the law, schema.FLOW for what it gives. A look ahead gives none."""
    if batch.provisional:
        return Result(state, {"dark_meetings": schema.empty("dark_meetings")})
    gaps = concat([state["gaps"], _ended(batch.table("judged_gaps"), rules)], GAPS)
    waits = concat([state["waits"], batch.table("loitering").select(WAITS.names)], WAITS)
    outages = concat([state["outages"], batch.table("outages")], schema.OUTAGES)
    heard = _heard(state["heard"], batch.table("reporting"))
    known = Surroundings(DarkSpans.of_gaps(gaps, rules), gaps, np.asarray(micros(heard, "hour")) / HOUR, outages, rules)
    decided_us = batch.watermark_us - settled_us(rules)
    over = np.full(waits.num_rows, batch.final) | (micros(waits, "end_time") <= decided_us)
    one = _one_dark(waits.filter(pa.array(over)).combine_chunks(), known)
    due = ~np.asarray(gaps["decided"]) & (batch.final | (micros(gaps, "end_time") <= decided_us))
    partners = _partners(np.flatnonzero(due), known)
    both = _both_dark(state["partners"], partners, known)
    oldest_us = decided_us - _back_us(rules)
    kept = {
        "gaps": _since(_decided(gaps, due), "end_time", oldest_us),
        "waits": waits.filter(pa.array(~over)).combine_chunks(),
        "partners": _since(
            concat([state["partners"], partners], PARTNERS), "until", decided_us - days(rules.dark.gap_d)
        ),
        "heard": _since(heard, "hour", oldest_us - days(rules.dark.gap_d + 1)),
        "outages": _since(outages, "end_time", oldest_us),
    }
    return Result(kept, {"dark_meetings": concat([one, both], schema.DARK_MEETINGS)})


def settled_us(rules: Rules) -> int:
    """How long after its end, microseconds, a wait or a silence is decided."""
    judged_h = rules.reception.bracket_h + rules.reception.edge_h + 1
    return days(rules.dark.gap_d) + hours(judged_h) + rules.lag_us


def _back_us(rules: Rules) -> int:
    """How long before what is decided a silence can have ended that is still asked for."""
    own = rules.dark
    return days(2 * own.gap_d + max(own.shift_most_d, rules.stays.cut_d))


def _since(rows: pa.Table, name: str, since_us: int) -> pa.Table:
    return rows.filter(pa.array(micros(rows, name) >= since_us)).combine_chunks()


def _ended(judged: pa.Table, rules: Rules) -> pa.Table:
    """The silences that ended in time to be held against others, as GAPS."""
    rows = judged.filter(pc.equal(judged["ending"], "resumed")).combine_chunks()
    if not rows.num_rows:
        return GAPS.empty_table()
    rows = rows.append_column("decided", pa.array(np.zeros(rows.num_rows, bool))).select(GAPS.names).cast(GAPS)
    short = micros(rows, "end_time") - micros(rows, "start_time") <= days(rules.dark.gap_d)
    return rows.filter(pa.array(short)).combine_chunks()


def _decided(gaps: pa.Table, due: Bools) -> pa.Table:
    place = GAPS.names.index("decided")
    return gaps.set_column(place, GAPS.field(place), pa.array(np.asarray(gaps["decided"]) | due))


def _heard(known: pa.Table, reporting: pa.Table) -> pa.Table:
    hour = np.unique(np.concatenate([micros(known, "hour"), micros(reporting, "minute") // HOUR * HOUR]))
    return build(HEARD, {"hour": hour})


# ------------------------------------------------------------------------------------- a wait and another's silence


def _one_dark(waits: pa.Table, known: Surroundings) -> pa.Table:
    """A row for each wait that a silenced silence fits: the nearest one, the others counted."""
    own = known.rules.dark
    long_enough = micros(waits, "end_time") - micros(waits, "start_time") >= hours(own.stay_h)
    waits = waits.filter(pa.array(long_enough)).combine_chunks()
    waits = waits.take(pa.array(np.lexsort((np.asarray(waits["mmsi"]), micros(waits, "start_time"))))).combine_chunks()
    of, pool = DarkSpans.of_waits(waits), known.pool(silenced=True)
    pairs = list(pool.fitting(of, np.zeros(1)))
    if not pairs:
        return schema.empty("dark_meetings")
    wait, gap = (np.concatenate([part[k] for part in pairs]) for k in (0, 1))
    spans = known.spans
    far = distance(of.taken(wait), spans.taken(gap), known.rules)
    order = np.lexsort((spans.mmsi[gap], spans.start_h[gap], far, wait))
    wait, gap, far = wait[order], gap[order], far[order]
    row, first, count = np.unique(wait, return_index=True, return_counts=True)
    best = gap[first]
    some, silent = of.taken(row), spans.taken(best)
    kmh, slack_km = known.rules.stays.dark_speed_kn * KMH_PER_KN, some.slack_km
    come_km, go_km = (np.maximum(between_km(some.start, at) - slack_km, 0.0) for at in (silent.start, silent.end))
    from_h = np.maximum(some.start_h, silent.start_h + come_km / kmh)
    until_h = np.minimum(some.end_h, silent.end_h - go_km / kmh)
    spare_h = [some.end_h - silent.start_h, silent.end_h - some.start_h, silent.end_h - silent.start_h]
    ways_km = [come_km, go_km, come_km + go_km]
    least = [km / np.maximum(h - own.stay_h, 1e-6) for km, h in zip(ways_km, spare_h, strict=True)]
    expected, nearer, shifts = known.by_accident(some, far[first], pool)
    of_waits = waits.take(pa.array(row))
    at_sea = partial(_wait_by_sea, some=some, silent=silent, known=known)
    before_deg, after_deg = (np.round(deg, 1) for deg in courses_off(some, silent, known.rules))
    columns = {
        "kind": np.full(len(row), "one_dark", object),
        "from_h": from_h,
        "until_h": until_h,
        "lon": np.asarray(of_waits["lon"]),
        "lat": np.asarray(of_waits["lat"]),
        "region": pa.nulls(len(row), pa.binary()),
        "region_km2": np.full(len(row), np.nan),
        "least_speed_kn": np.max(least, axis=0) / KMH_PER_KN,
        "course_off_before_deg": before_deg,
        "course_off_after_deg": after_deg,
        "rivals": count - 1,
        "expected_by_accident": expected,
        "nearer_by_accident": nearer,
        "shifts": shifts,
        "lost_together": known.lost_together(best),
        "outage_share": known.outage_share(best),
        **{f"{name}_a": of_waits[name] for name in ("mmsi", "track_start")},
        **{name: pa.nulls(len(row), schema.DARK_MEETINGS.field(name).type) for name in ("gap_start_a", "gap_end_a")},
        "judgement_a": pa.nulls(len(row), pa.string()),
        **_of_gap("b", best, known),
    }
    return _rows(columns, known, at_sea)


def _wait_by_sea(row: int, some: DarkSpans, silent: DarkSpans, known: Surroundings) -> StayBySea | None:
    """What ways by sea leave of one of some waits and the silence that fits it; None beyond geo/sea."""
    stay_h, kmh = known.rules.dark.stay_h, known.rules.stays.dark_speed_kn * KMH_PER_KN
    ends = degrees(np.stack([silent.start[:, row], silent.end[:, row]], axis=1))
    place = degrees(some.start[:, row, None])
    if not (in_region(*ends).all() and in_region(*place).all()):
        return None
    come_km, go_km = np.maximum(bounds_km(*ends, *place)[:, 0] - some.slack_km[row], 0.0).tolist()
    times = (of[row] for of in (some.start_h, silent.start_h, some.end_h, silent.end_h))
    start_h, lost_h, end_h, found_h = (float(time) for time in times)
    from_h, until_h = max(start_h, lost_h + come_km / kmh), min(end_h, found_h - go_km / kmh)
    spare_h = (end_h - lost_h, found_h - start_h, found_h - lost_h)
    ways = zip((come_km, go_km, come_km + go_km), spare_h, strict=True)
    least = max(km / max(h - stay_h, 1e-6) for km, h in ways) / KMH_PER_KN
    lon, lat = (float(axis[0]) for axis in place)
    return StayBySea(until_h - from_h, until_h - from_h >= stay_h, from_h, until_h, lon, lat, least)


def _of_gap(v: str, rows: Ints, known: Surroundings) -> dict[str, object]:
    """What is published of the silences of one party."""
    gaps = known.gaps.take(pa.array(rows))
    names = {"mmsi": "mmsi", "track_start": "track_start", "gap_start": "start_time", "gap_end": "end_time"}
    return {f"{name}_{v}": gaps[of] for name, of in (names | {"judgement": "judgement"}).items()}


# ------------------------------------------------------------------------------------------------------ two silences


def _partners(rows: Ints, known: Surroundings) -> pa.Table:
    """The first partners of some silences, the nearest ones; of one not silenced only silenced ones."""
    spans, silenced = known.spans, known.silenced
    able = Pool(spans, np.isin(np.arange(len(spans)), rows), known.rules).row
    able = able[np.lexsort((spans.mmsi[able], spans.start_h[able]))]
    found = []
    for of, pools in ((able[silenced[able]], (True, False)), (able[~silenced[able]], (True,))):
        for pool in pools:
            for row, other, _ in known.pool(pool).fitting(spans.taken(of), np.zeros(1)):
                found.append((of[row], other))
    if not found:
        return PARTNERS.empty_table()
    gap, other = (np.concatenate(part) for part in zip(*found, strict=True))
    far = distance(spans.taken(gap), spans.taken(other), known.rules)
    order = np.lexsort((spans.mmsi[other], spans.start_h[other], far, gap))
    gap, other = gap[order], other[order]
    _, first, count = np.unique(gap, return_index=True, return_counts=True)
    rank, fits = np.arange(len(gap)) - np.repeat(first, count), np.repeat(count, count)
    keep = rank < known.rules.dark.partners_most
    gap, other = gap[keep], other[keep]
    start_us = micros(known.gaps, "start_time")
    columns: dict[str, object] = {"until": micros(known.gaps, "end_time")[gap], "fits": fits[keep]}
    for v, of_ in (("a", gap), ("b", other)):
        columns |= {f"mmsi_{v}": spans.mmsi[of_], f"start_{v}": start_us[of_]}
    return build(PARTNERS, columns)


def _both_dark(former: pa.Table, new: pa.Table, known: Surroundings) -> pa.Table:
    """Pairs of silences that name each other, of those decided at least one just now."""
    if not new.num_rows:
        return schema.empty("dark_meetings")
    both = concat([former, new], PARTNERS)
    fresh = np.arange(both.num_rows) >= former.num_rows
    a, b = (_row_of(both, v, known) for v in "ab")
    n = len(known.spans)
    key, back = a * n + b, b * n + a
    there = (a >= 0) & (b >= 0)
    order = np.argsort(key)
    at = np.minimum(np.searchsorted(key[order], back), len(order) - 1)
    mutual = there & (key[order[at]] == back) & (known.spans.mmsi[a] < known.spans.mmsi[b])
    mutual &= fresh | fresh[order[at]]
    pair = np.flatnonzero(mutual)
    others = np.asarray(both["fits"])[pair] + np.asarray(both["fits"])[order[at[pair]]] - 2
    in_order = np.lexsort((known.spans.mmsi[a[pair]], known.spans.start_h[a[pair]]))
    return _pair_rows(a[pair][in_order], b[pair][in_order], others[in_order], known)


def _row_of(partners: pa.Table, v: str, known: Surroundings) -> Ints:
    """The row of a silence that is named by vessel and start, -1 for none."""
    asked = [np.asarray(partners[f"mmsi_{v}"]), micros(partners, f"start_{v}")]
    return matching([known.spans.mmsi, micros(known.gaps, "start_time")], asked)


def _pair_rows(a: Ints, b: Ints, rivals: Ints, known: Surroundings) -> pa.Table:
    """Rows of both_dark for silences a and b, (n,) each."""
    own, spans = known.rules.dark, known.spans
    of = _silences(a, b, known)
    best = longest(of)
    keep = np.flatnonzero(best.stay_h >= own.stay_h)
    if not len(keep):
        return schema.empty("dark_meetings")
    a, b, rivals, of, best = a[keep], b[keep], rivals[keep], of.taken(keep), type(best)(*(c[keep] for c in best))
    place, kmh = in_space_km(best.lon, best.lat).T, known.rules.stays.dark_speed_kn * KMH_PER_KN
    come, go = ([between_km(place, at[:, k]) / kmh for k in (a, b)] for at in (spans.start, spans.end))
    corners = regions(of, best, own.stay_h)
    expected, nearer, shifts = np.full((2, len(a)), np.nan), np.full((2, len(a)), np.nan), np.zeros((2, len(a)), int)
    mine, other = np.stack([a, b]), np.stack([b, a])
    far = distance(spans.taken(mine.ravel()), spans.taken(other.ravel()), known.rules).reshape(mine.shape)
    for stratum in (True, False):
        side = known.silenced[other] == stratum
        found = known.by_accident(spans.taken(mine[side]), far[side], known.pool(stratum))
        expected[side], nearer[side], shifts[side] = found
    columns = {
        "kind": np.full(len(a), "both_dark", object),
        "from_h": np.maximum(spans.start_h[a] + come[0], spans.start_h[b] + come[1]),
        "until_h": np.minimum(spans.end_h[a] - go[0], spans.end_h[b] - go[1]),
        "lon": best.lon,
        "lat": best.lat,
        "region": to_wkb(*corners),
        "region_km2": area_km2(*corners),
        "least_speed_kn": least_speed_kn(of, own.stay_h),
        "course_off_before_deg": np.full(len(a), np.nan),
        "course_off_after_deg": np.full(len(a), np.nan),
        "rivals": rivals,
        "expected_by_accident": expected.max(axis=0),  # NaN where either is: neither side may have one by accident
        "nearer_by_accident": nearer.max(axis=0),
        "shifts": shifts.min(axis=0),
        "lost_together": np.maximum(known.lost_together(a), known.lost_together(b)),
        "outage_share": np.maximum(known.outage_share(a), known.outage_share(b)),
        **_of_gap("a", a, known),
        **_of_gap("b", b, known),
    }

    def at_sea(row: int) -> StayBySea | None:
        return by_sea(of.taken(slice(row, row + 1)), (corners[0][row], corners[1][row]), own.stay_h)

    return _rows(columns, known, at_sea)


def _silences(a: Ints, b: Ints, known: Surroundings) -> GapGroups:
    """Silences a and b, (n,) each, as groups of two."""
    spans, pair = known.spans, np.stack([a, b], axis=1)
    speed = np.full(pair.shape, known.rules.stays.dark_speed_kn * KMH_PER_KN)
    return GapGroups(spans.start_h[pair], spans.end_h[pair], spans.start[:, pair], spans.end[:, pair], speed)


# ------------------------------------------------------------------------------------------------- what is published


def _rows(columns: dict[str, object], known: Surroundings, at_sea: Callable[[int], StayBySea | None]) -> pa.Table:
    """The rows, with what is worked out alike for both kinds; at_sea: what ways by sea leave of a row."""
    own = known.rules.dark
    expected, nearer = (np.asarray(columns[f"{of}_by_accident"], np.float64) for of in ("expected", "nearer"))
    chance = -np.expm1(-nearer)
    columns = columns | _by_sea(columns, np.flatnonzero(chance <= own.water_chance), at_sea)
    from_h, until_h, lon, lat = (np.asarray(columns[name], np.float64) for name in ("from_h", "until_h", "lon", "lat"))
    possible = ~np.asarray(pc.fill_null(pc.invert(columns["over_water"]), False))
    together, outage = np.asarray(columns["lost_together"]), np.asarray(columns["outage_share"])
    with np.errstate(invalid="ignore"):
        lead = (np.asarray(columns["kind"]) == "one_dark") & (chance <= own.lead_chance)
    lead &= possible & (together < own.together_least) & (outage <= own.outage_share)
    port, port_km = nearest_port(lon, lat)
    made: dict[str, object] = {
        "lead": lead,
        "start_time": _micros(from_h),
        "end_time": _micros(until_h),
        "stay_h": np.round(until_h - from_h, 3),
        "spare_h": np.round(until_h - from_h - own.stay_h, 3),
        "least_speed_kn": np.round(np.asarray(columns["least_speed_kn"]), 2),
        "region_km2": np.round(np.asarray(columns["region_km2"]), 1),
        "lon": np.round(lon, 4),
        "lat": np.round(lat, 4),
        "zones": pa.array(zone_of(lon, lat), pa.list_(pa.string())),
        "port": world_ports().id[port].astype(object),
        "distance_to_port_km": np.round(port_km, 2),
        "expected_by_accident": np.round(expected, 4),
        "nearer_by_accident": np.round(nearer, 4),
        "chance_by_accident": np.round(chance, 4),
        "score": np.round(-nearer - np.log(chance), 3),
        "outage_share": np.round(outage, 4),
    }
    rows = build("dark_meetings", columns | made | {"id": np.full(len(lon), "", object)})
    return rows.set_column(0, rows.schema.field("id"), pa.array(_ids(rows), pa.string()))


def _by_sea(columns: dict[str, object], rows: Ints, at_sea: Callable[[int], StayBySea | None]) -> dict[str, object]:
    """The columns that ways by sea change, worked out for some rows: each by itself, however the rows are cut."""
    names = ("from_h", "until_h", "lon", "lat", "region_km2", "least_speed_kn")
    made = {name: np.array(columns[name], np.float64) for name in names}
    count = len(made["lon"])
    region: list[bytes | None] = pa.array(columns["region"], pa.binary()).to_pylist()
    possible: list[bool | None] = [None] * count
    most_h = np.full(count, np.nan)
    for row in rows.tolist():
        found = at_sea(row)
        if found is None:
            continue
        most_h[row], possible[row] = found.most_h, found.possible
        if found.possible:
            region[row] = found.region
            least = max(found.least_speed_kn, made["least_speed_kn"][row])
            for name in names:
                made[name][row] = least if name == "least_speed_kn" else getattr(found, name)
    known = {"over_water": pa.array(possible, pa.bool_()), "stay_water_h": np.round(most_h, 3)}
    return {**made, **known, "region": pa.array(region, pa.binary())}


def _ids(rows: pa.Table) -> list[str]:
    """A name for each row: of one pair no two have the same silence of b and the same start."""
    parts = [rows["kind"].to_pylist(), *(np.asarray(rows[f"mmsi_{v}"]).tolist() for v in "ab")]
    parts += [micros(rows, name).tolist() for name in ("gap_start_b", "start_time")]
    return ["D" + hashlib.sha256(repr(each).encode()).hexdigest()[:12] for each in zip(*parts, strict=True)]


def _micros(time_h: Floats) -> Ints:
    """Hours as microseconds, in whole seconds: what is below is rounding."""
    return np.rint(time_h * 3600).astype(np.int64) * 1_000_000
