"""The truth of a simulated sea as tables: who is who, who met whom, who was silent and why.

simulation.py says what each column is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.geo.reference.harbours import lawful_port
from stswatch.sample_ais import voyage_truth
from stswatch.sample_ais.fleet.motion import Floats, Ints
from stswatch.sample_ais.fleet.ships import ALWAYS, OUT_OF_RANGE, OUTAGE, silent
from stswatch.sample_ais.plan import Meetings, Sea, Simulated
from stswatch.sample_ais.reception.observe import static_values
from stswatch.sample_ais.reception.receivers import SATELLITE

# --------------------------- The truth of a simulated sea as tables: who is who, who met whom, who was silent and why

UTC = pa.timestamp("us", tz="UTC")
SEEN_S = 600.0  # a moment is seen if it lies so near a fix of both
GAP_S = 7200.0


def ships(sea: Sea) -> pa.Table:
    """One row per hull and identity."""
    rows = []
    for k, actor in enumerate(sea.cast.actors):
        for claim in actor.claims():
            ship, kind = claim.ship, claim.ship.kind
            rows.append(
                {
                    "hull": actor.ship.hull,
                    "mmsi": ship.mmsi,
                    "from": _time(sea, claim.from_s),
                    "until": _time(sea, claim.until_s),
                    "imo": ship.imo or None,
                    "true_imo": actor.ship.imo or None,
                    "name": ship.name,
                    "call_sign": ship.call_sign,
                    "flag": ship.flag,
                    "kind": ship.trade,
                    "ship_type": kind.ship_type,
                    "length_m": float(kind.length_m),
                    "beam_m": float(kind.beam_m),
                    "ais_class": kind.ais_class,
                    "role": actor.role,
                    "scenario": sea.scenes[sea.scene_of[k]].scenario,
                }
            )
    schema = [("hull", pa.string()), ("mmsi", pa.int32()), ("from", UTC), ("until", UTC), ("imo", pa.int32())]
    schema += [("true_imo", pa.int32()), ("name", pa.string()), ("call_sign", pa.string()), ("flag", pa.string())]
    schema += [("kind", pa.string()), ("ship_type", pa.int16()), ("length_m", pa.float64()), ("beam_m", pa.float64())]
    schema += [("ais_class", pa.string()), ("role", pa.string()), ("scenario", pa.string())]
    return pa.Table.from_pylist(rows, schema=pa.schema(schema))


def _time(sea: Sea, time_s: float) -> int | None:
    """Microseconds since 1970; None beyond the plan."""
    return None if time_s in ALWAYS else round((time_s + sea.plan.start_s) * 1e6)


def meetings(sea: Sea, in_port: NDArray[np.bool_]) -> pa.Table:
    """Every meeting with who, why, and how much of it was seen."""
    met, end_s = sea.met, sea.plan.days * 86_400
    scene = [np.array(sea.scene_of, np.int64)[who] for who in (met.a, met.b)]
    together = (scene[0] == scene[1]) & _acting(sea, met.a, met) & _acting(sea, met.b, met)
    mmsi = [_mmsi_at(sea, who, (met.start_s + met.end_s) / 2) for who in (met.a, met.b)]
    turn = mmsi[0] > mmsi[1]
    a, b = np.where(turn, met.b, met.a), np.where(turn, met.a, met.b)
    seen = _Seen(sea)
    share, begun, ended, receiver = seen.of(met.a, met.b, met.start_s, met.end_s)
    scenes = [sea.scenes[k] if same else None for k, same in zip(scene[0].tolist(), together.tolist(), strict=True)]
    hulls = np.array([actor.ship.hull for actor in sea.cast.actors])
    columns: dict[str, Any] = {
        "hull_a": hulls[a],
        "hull_b": hulls[b],
        "mmsi_a": pa.array(np.where(turn, mmsi[1], mmsi[0]).astype(np.int32)),
        "mmsi_b": pa.array(np.where(turn, mmsi[0], mmsi[1]).astype(np.int32)),
        "start": _times(sea, met.start_s),
        "end": _times(sea, met.end_s),
        "begun_before": met.start_s <= 0,
        "goes_on_after": met.end_s >= end_s - 1,
        "nearest_m": met.nearest_m,
        "median_m": met.median_m,
        "lon": met.lon,
        "lat": met.lat,
        "kind": [s.kind if s else "traffic" for s in scenes],
        "family": [s.family if s else "chance" for s in scenes],
        "scenario": [s.scenario if s else "chance" for s in scenes],
        "why": [s.why if s else "Ships that come or lie near each other by chance." for s in scenes],
        "place": [s.place if s else "" for s in scenes],
        "seen_share": share,
        "seen_start": begun,
        "seen_end": ended,
        "receiver": receiver,
        "in_port": in_port,
    }
    table = pa.table(columns)
    return table.take(np.lexsort((met.b, met.a, met.start_s)))


def _acting(sea: Sea, ship: Ints, met: Meetings) -> NDArray[np.bool_]:
    """Whether ships (n,) do what their scene is about at some time of their meetings (n,)."""
    spans = [sea.cast.actors[k].acts for k in ship.tolist()]
    rows = zip(spans, met.start_s.tolist(), met.end_s.tolist(), strict=True)
    return np.array([any(first < end and last > start for first, last in acts) for acts, start, end in rows], bool)


def _times(sea: Sea, time_s: Floats) -> pa.Array:
    return pa.array(np.round((time_s + sea.plan.start_s) * 1e6).astype(np.int64)).cast(UTC)


def _mmsi_at(sea: Sea, ship: Ints, time_s: Floats) -> Ints:
    """What ships (n,) claim to be at times (n,)."""
    cast = sea.cast
    out = np.zeros(len(ship), np.int64)
    for e in range(len(cast.owner)):
        mine = (ship == cast.owner[e]) & (time_s >= cast.from_s[e]) & (time_s < cast.until_s[e])
        out[mine] = cast.mmsi[e]
    return out


class _Seen:
    """The received fixes of each ship in order of time, to ask how near a moment is to one."""

    def __init__(self, sea: Sea) -> None:
        forged = sea.cast.shown[sea.heard.emitter] != sea.cast.owner[sea.heard.emitter]
        usable = ~forged & ~np.isnan(sea.heard.lon)
        ship = sea.cast.owner[sea.heard.emitter[usable]]
        order = np.lexsort((sea.heard.time_s[usable], ship))
        self.time_s: Floats = sea.heard.time_s[usable][order]
        self.space = (sea.heard.station[usable] == SATELLITE)[order]
        self.first = np.searchsorted(ship[order], np.arange(len(sea.cast.actors) + 1))

    def fixes(self, ship: int) -> Floats:
        """Times of the fixes of one ship."""
        return self.time_s[self.first[ship] : self.first[ship + 1]]

    def of(self, a: Ints, b: Ints, start_s: Floats, end_s: Floats) -> tuple[Floats, Any, Any, list[str]]:
        """Share seen, whether start and end were, and the kind of receiver of meetings (n,)."""
        rows = [self._one(*row) for row in zip(a.tolist(), b.tolist(), start_s.tolist(), end_s.tolist(), strict=True)]
        share, begun, ended, kind = zip(*rows, strict=True) if rows else ((), (), (), ())
        return np.array(share, float), np.array(begun, bool), np.array(ended, bool), list(kind)

    def _one(self, a: int, b: int, start_s: float, end_s: float) -> tuple[float, bool, bool, str]:
        grid = np.append(np.arange(start_s, end_s, max(30.0, (end_s - start_s) / 400)), end_s)
        near = [_from_nearest(self.fixes(ship), grid) <= SEEN_S for ship in (a, b)]
        both = near[0] & near[1]
        space = [self.space[self._span(ship, start_s, end_s)] for ship in (a, b)]
        by_satellite = np.concatenate(space)
        kind = "none" if min(map(len, space)) == 0 else "satellite" if by_satellite.mean() > 0.5 else "terrestrial"
        return float(both.mean()), bool(both[0]), bool(both[-1]), kind

    def _span(self, ship: int, start_s: float, end_s: float) -> slice:
        low, high = np.searchsorted(self.fixes(ship), (start_s, end_s)) + self.first[ship]
        return slice(int(low), int(high))


def _from_nearest(fixes_s: Floats, time_s: Floats) -> Floats:
    """Seconds from moments (n,) to the nearest of some fixes in order; infinite where there is none."""
    if not len(fixes_s):
        return np.full(len(time_s), np.inf)
    after = np.searchsorted(fixes_s, time_s)
    low, high = fixes_s[np.maximum(after - 1, 0)], fixes_s[np.minimum(after, len(fixes_s) - 1)]
    return np.asarray(np.minimum(np.abs(time_s - low), np.abs(high - time_s)))


def gaps(sea: Sea) -> pa.Table:
    """Every silence of a ship's own, and every span of 2 h or more in which nothing of it was received."""
    seen, end_s = _Seen(sea), sea.plan.days * 86_400
    rows: list[tuple[int, float, float, str]] = []
    for k, actor in enumerate(sea.cast.actors):
        rows += [(k, q.start_s, q.end_s, q.cause) for q in actor.silences if q.end_s > 0 and q.start_s < end_s]
        rows += [(k, start, end, _cause(sea, k, start, end)) for start, end in _unheard(seen.fixes(k), end_s)]
    rows = [row for row in rows if row[3]]
    ship, start_s, until_s = (np.array([row[i] for row in rows], float) for i in (0, 1, 2))
    start_s, over = np.maximum(start_s, 0.0), until_s < end_s
    mmsi = _mmsi_at(sea, ship.astype(np.int64), start_s)
    end = pa.array(np.round((until_s + sea.plan.start_s) * 1e6).astype(np.int64), mask=~over).cast(UTC)
    return pa.table(
        {
            "hull": pa.array([sea.cast.actors[row[0]].ship.hull for row in rows], pa.string()),
            "mmsi": pa.array(mmsi.astype(np.int32)),
            "start": _times(sea, start_s),
            "end": end,
            "cause": pa.array([row[3] for row in rows], pa.string()),
        }
    )


def _unheard(fixes_s: Floats, end_s: float) -> list[tuple[float, float]]:
    """Spans of GAP_S or more between fixes; the last one may go on to the end."""
    if not len(fixes_s):
        return []
    ends = np.append(fixes_s, end_s)
    at = np.flatnonzero(np.diff(ends) >= GAP_S)
    return [(float(ends[k]), float(ends[k + 1])) for k in at]


def _cause(sea: Sea, ship: int, start_s: float, end_s: float) -> str:
    """Why nothing was received: "" where the ship itself was silent most of the time, which is a row of its own."""
    time_s = np.linspace(start_s, end_s, 41)[1:-1]
    who = np.full(len(time_s), ship)
    if silent(sea.cast, who, time_s).mean() > 0.5:
        return ""
    at = sea.chances.bin_of(time_s)
    down = sea.chances.without_outage[ship, at] - sea.chances.chance[0, ship, at] > 0.2
    return OUTAGE if down.mean() > 0.5 else OUT_OF_RANGE


# ---------------------------------------- The Arrow tables of a simulated sea; simulation.py says what each column is

SOURCE = "simulated0000000"
UNDEFINED = 15  # a navigational status that says nothing
IN_SPACE = "satellite"  # the station of what satellites heard, by which feeds mark it
_REF = pa.struct([pa.field("offset", pa.int64(), False), pa.field("length", pa.int32(), False)])
_EVIDENCE = (
    pa.field("source", pa.string(), False),
    pa.field("offset", pa.int64(), False),
    pa.field("length", pa.int32(), False),
    pa.field("more_refs", pa.list_(_REF)),
)
# The lake's tables, named again here since the simulated sea imports nothing of the pipeline; a test holds them equal.
FIXES = pa.schema(
    [
        pa.field("mmsi", pa.int32(), False),
        pa.field("time", UTC, False),
        pa.field("lon", pa.float64()),
        pa.field("lat", pa.float64()),
        pa.field("sog_kn", pa.float32()),
        pa.field("cog_deg", pa.float32()),
        pa.field("heading_deg", pa.int16()),
        pa.field("status", pa.int8()),
        pa.field("msg_type", pa.int8()),
        pa.field("receiver", pa.string(), False),
        pa.field("station", pa.string()),
        pa.field("radio", pa.int32()),
        pa.field("raim", pa.bool_()),
        pa.field("utc_second", pa.int8()),
        pa.field("invalid_reason", pa.string()),
        *_EVIDENCE,
    ]
)
STATIC_REPORTS = pa.schema(
    [
        pa.field("mmsi", pa.int32(), False),
        pa.field("time", UTC, False),
        pa.field("imo", pa.int32()),
        pa.field("name", pa.string()),
        pa.field("call_sign", pa.string()),
        pa.field("ship_type", pa.int16()),
        pa.field("length_m", pa.float32()),
        pa.field("beam_m", pa.float32()),
        pa.field("to_bow_m", pa.int16()),
        pa.field("to_stern_m", pa.int16()),
        pa.field("to_port_m", pa.int16()),
        pa.field("to_starboard_m", pa.int16()),
        pa.field("draught_m", pa.float32()),
        pa.field("destination", pa.string()),
        pa.field("msg_type", pa.int8()),
        pa.field("invalid_reason", pa.string()),
        *_EVIDENCE,
    ]
)


def all_of(sea: Sea) -> Simulated:
    """Every table of a sea."""
    order = np.argsort(sea.heard.arrived_s, kind="stable")
    fixes = _fixes(sea, order)
    days = np.unique(np.column_stack([sea.cast.owner[sea.heard.emitter], np.floor(sea.heard.time_s / 86_400)]), axis=0)
    (reports, etas), silences, more = _static_reports(sea), gaps(sea), {}
    if sea.fields is not None:
        more = dict(voyage_truth.all_of(sea, silences))
        silences = more.pop("gaps")
        more["etas"] = pa.table({"eta": etas})
        more["fields"] = pa.table({name: column[order] for name, column in sea.fields._asdict().items()})
    return Simulated(
        fixes,
        reports,
        ships(sea),
        meetings(sea, lawful_port(sea.met.lon, sea.met.lat) >= 0),
        silences,
        len(days),
        sea.plan,
        sea.seed,
        more,
    )


def times(sea: Sea, time_s: Floats) -> pa.Array:
    """Seconds of the plan (n,) as timestamps; NaN as null."""
    known = np.isfinite(time_s)
    us = np.where(known, (np.where(known, time_s, 0.0) + sea.plan.start_s) * 1e6, 0).round().astype(np.int64)
    return pa.array(us, mask=~known).cast(UTC)


def _evidence(n: int) -> dict[str, pa.Array]:
    return {
        "source": pa.repeat(SOURCE, n),
        "offset": pa.array(np.arange(n)),
        "length": pa.array(np.ones(n, np.int32)),
        "more_refs": pa.nulls(n, pa.list_(_REF)),
    }


def _fixes(sea: Sea, order: Ints) -> pa.Table:
    rows = sea.heard
    emitter, n = rows.emitter[order], len(order)
    class_b = sea.cast.class_b[emitter]
    lon, lat = np.round(rows.lon[order], 7), np.round(rows.lat[order], 7)
    lost = np.isnan(lon)
    heading, status = rows.heading_deg[order], rows.status[order]
    status = np.where(status == UNDEFINED, np.nan, status)
    station = rows.station[order]
    names = pa.array([*sea.network.ids, IN_SPACE])
    speed_kn, course_deg = rows.speed_kn[order].astype(np.float32), rows.course_deg[order].astype(np.float32)
    kind = np.where(class_b, 18, np.where(rows.turning[order], 3, 1))
    kind = kind if sea.fields is None else sea.fields.msg_type[order]
    columns = {
        "mmsi": pa.array(sea.cast.mmsi[emitter].astype(np.int32)),
        "time": times(sea, rows.time_s[order]),
        "lon": pa.array(lon, mask=lost),
        "lat": pa.array(lat, mask=lost),
        "sog_kn": pa.array(speed_kn, mask=np.isnan(speed_kn)),
        "cog_deg": pa.array(course_deg, mask=np.isnan(course_deg)),
        "heading_deg": pa.array(np.nan_to_num(heading).astype(np.int16), mask=np.isnan(heading)),
        "status": pa.array(np.nan_to_num(status).astype(np.int8), mask=np.isnan(status)),
        "msg_type": pa.array(kind.astype(np.int8)),
        "receiver": pa.array(["satellite", "terrestrial"]).take(pa.array((station != SATELLITE).astype(np.int8))),
        "station": names.take(pa.array(np.where(station == SATELLITE, len(names) - 1, station))),
        "invalid_reason": pa.array(["no_position"]).take(pa.array(np.zeros(n, np.int8), mask=~lost)),
        **voyage_truth.radio(sea, order),
        **_evidence(n),
    }
    return pa.table([columns[f.name] for f in FIXES], schema=FIXES)


def _static_reports(sea: Sea) -> tuple[pa.Table, pa.Array]:
    """The static reports, and the time of arrival that each of class A says."""
    emitter, time_s, draught_m, _ = sea.static_times
    order = np.argsort(time_s, kind="stable")
    emitter, time_s, draught_m = emitter[order], time_s[order], draught_m[order]
    fields = static_fields(sea)
    b = sea.cast.class_b[emitter]
    # class B tells its name and the rest in two messages, a second apart
    pick = np.concatenate([np.flatnonzero(~b), np.flatnonzero(b), np.flatnonzero(b)])
    part = np.repeat([0, 1, 2], [int((~b).sum()), int(b.sum()), int(b.sum())])
    order = np.argsort(time_s[pick] + (part == 2), kind="stable")
    pick, part = pick[order], part[order]
    who, n = emitter[pick], len(pick)

    def text(name: str, here: Any) -> pa.Array:
        return pa.array(fields[name]).take(pa.array(who, mask=~here))

    def number(name: str, kind: pa.DataType, here: Any) -> pa.Array:
        values = np.array(fields[name])[who]
        return pa.array(values, mask=~here | (values == 0)).cast(kind)

    named, rest, voyage = part != 2, part != 1, part == 0
    sides = {name: np.array(fields[name])[who] for name in ("to_bow_m", "to_stern_m", "to_port_m", "to_starboard_m")}
    length, beam = sides["to_bow_m"] + sides["to_stern_m"], sides["to_port_m"] + sides["to_starboard_m"]
    draught = np.where(np.array(fields["tells_draught"])[who], draught_m[pick], np.nan)
    destinations = voyage_truth.destinations(sea, who, time_s[pick])
    columns = {
        "mmsi": pa.array(sea.cast.mmsi[who].astype(np.int32)),
        "time": times(sea, time_s[pick] + (part == 2)),
        "imo": number("imo", pa.int32(), voyage),
        "name": text("name", named),
        "call_sign": text("call_sign", rest),
        "ship_type": number("ship_type", pa.int16(), rest),
        "length_m": pa.array(length.astype(np.float32), mask=~rest | (length == 0)),
        "beam_m": pa.array(beam.astype(np.float32), mask=~rest | (beam == 0)),
        **{name: pa.array(v.astype(np.int16), mask=~rest) for name, v in sides.items()},
        "draught_m": pa.array(np.nan_to_num(draught).astype(np.float32), mask=~voyage | np.isnan(draught)),
        "destination": text("destination", voyage) if sea.fields is None else _where(destinations, voyage),
        "msg_type": pa.array(np.where(voyage, 5, 24).astype(np.int8)),
        "invalid_reason": pa.nulls(n, pa.string()),
        **_evidence(n),
    }
    etas = _where(voyage_truth.arrivals(sea, who, time_s[pick]), voyage)
    return pa.table([columns[f.name] for f in STATIC_REPORTS], schema=STATIC_REPORTS), etas


def _where(values: pa.Array, here: NDArray[np.bool_]) -> pa.Array:
    return pc.if_else(pa.array(here), values, pa.scalar(None, values.type))


def static_fields(sea: Sea) -> dict[str, list[Any]]:
    """What each emitter (e,) says of itself, by column."""
    claims = [(actor, claim) for actor in sea.cast.actors for claim in actor.claims()]
    rows = [static_values(claim, actor, k, sea.seed) for k, (actor, claim) in enumerate(claims)]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
