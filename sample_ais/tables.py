"""The Arrow tables of a simulated sea; simulation.py says what each column is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.geo.ports import lawful_port
from stswatch.sample_ais import truth_of
from stswatch.sample_ais.courses import Ints
from stswatch.sample_ais.hearing import SATELLITE
from stswatch.sample_ais.motion import Floats
from stswatch.sample_ais.plan import Sea, Simulated
from stswatch.sample_ais.statics import said

UTC = pa.timestamp("us", tz="UTC")
SOURCE = "simulated0000000"
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
        pa.field("invalid", pa.string()),
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
        pa.field("invalid", pa.string()),
        *_EVIDENCE,
    ]
)


def all_of(sea: Sea) -> Simulated:
    """Every table of a sea."""
    order = np.argsort(sea.heard.arrived_s, kind="stable")
    fixes = _fixes(sea, order)
    days = np.unique(np.column_stack([sea.cast.owner[sea.heard.emitter], np.floor(sea.heard.time_s / 86_400)]), axis=0)
    return Simulated(
        fixes,
        _static_reports(sea),
        truth_of.ships(sea),
        truth_of.meetings(sea, lawful_port(sea.met.lon, sea.met.lat) >= 0),
        truth_of.gaps(sea),
        len(days),
        sea.plan,
        sea.seed,
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
    station = rows.station[order]
    names = pa.array([*sea.network.ids, IN_SPACE])
    columns = {
        "mmsi": pa.array(sea.cast.mmsi[emitter].astype(np.int32)),
        "time": times(sea, rows.time_s[order]),
        "lon": pa.array(lon, mask=lost),
        "lat": pa.array(lat, mask=lost),
        "sog_kn": pa.array(rows.speed_kn[order].astype(np.float32)),
        "cog_deg": pa.array(rows.course_deg[order].astype(np.float32)),
        "heading_deg": pa.array(np.nan_to_num(heading).astype(np.int16), mask=np.isnan(heading)),
        "status": pa.array(np.nan_to_num(status).astype(np.int8), mask=np.isnan(status)),
        "msg_type": pa.array(np.where(class_b, 18, np.where(rows.turning[order], 3, 1)).astype(np.int8)),
        "receiver": pa.array(["satellite", "terrestrial"]).take(pa.array((station != SATELLITE).astype(np.int8))),
        "station": names.take(pa.array(np.where(station == SATELLITE, len(names) - 1, station))),
        "invalid": pa.array(["no_position"]).take(pa.array(np.zeros(n, np.int8), mask=~lost)),
        **_evidence(n),
    }
    return pa.table([columns[f.name] for f in FIXES], schema=FIXES)


def _static_reports(sea: Sea) -> pa.Table:
    emitter, time_s, draught_m, _ = sea.said
    order = np.argsort(time_s, kind="stable")
    emitter, time_s, draught_m = emitter[order], time_s[order], draught_m[order]
    told = told_by(sea)
    b = sea.cast.class_b[emitter]
    # class B tells its name and the rest in two messages, a second apart
    pick = np.concatenate([np.flatnonzero(~b), np.flatnonzero(b), np.flatnonzero(b)])
    part = np.repeat([0, 1, 2], [int((~b).sum()), int(b.sum()), int(b.sum())])
    order = np.argsort(time_s[pick] + (part == 2), kind="stable")
    pick, part = pick[order], part[order]
    who, n = emitter[pick], len(pick)

    def text(name: str, here: Any) -> pa.Array:
        return pa.array(told[name]).take(pa.array(who, mask=~here))

    def number(name: str, kind: pa.DataType, here: Any) -> pa.Array:
        values = np.array(told[name])[who]
        return pa.array(values, mask=~here | (values == 0)).cast(kind)

    named, rest, voyage = part != 2, part != 1, part == 0
    sides = {name: np.array(told[name])[who] for name in ("to_bow_m", "to_stern_m", "to_port_m", "to_starboard_m")}
    length, beam = sides["to_bow_m"] + sides["to_stern_m"], sides["to_port_m"] + sides["to_starboard_m"]
    draught = np.where(np.array(told["tells_draught"])[who], draught_m[pick], np.nan)
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
        "destination": text("destination", voyage),
        "msg_type": pa.array(np.where(voyage, 5, 24).astype(np.int8)),
        "invalid": pa.nulls(n, pa.string()),
        **_evidence(n),
    }
    return pa.table([columns[f.name] for f in STATIC_REPORTS], schema=STATIC_REPORTS)


def told_by(sea: Sea) -> dict[str, list[Any]]:
    """What each emitter (e,) says of itself, by column."""
    claims = [(actor, claim) for actor in sea.cast.actors for claim in actor.claims()]
    rows = [said(claim, actor, k, sea.seed) for k, (actor, claim) in enumerate(claims)]
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
