"""What a sea of weeks tells beside the older tables: voyages, calls, outages, silences with their chances, deceptions.

simulation.py says what each column is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.sample_ais.fleet.motion import Floats, Ints, step_at, steps
from stswatch.sample_ais.fleet.ships import (
    ALWAYS,
    FADE,
    LEFT,
    OUT_OF_RANGE,
    OUTAGE,
    Actor,
    Call,
    Emitter,
    silent,
)
from stswatch.sample_ais.fleet.waters import EDGE
from stswatch.sample_ais.plan import Sea
from stswatch.sample_ais.reception import receivers
from stswatch.sample_ais.reception.fades import SPACE
from stswatch.sample_ais.reception.receivers import Hearing

UTC = pa.timestamp("us", tz="UTC")
LIT, PARTLY_DARK, DARK = "lit", "partly_dark", "dark"
STEP_S = 120.0  # shorter than a satellite is over the sea
STEPS_AT_ONCE = 2_000_000


def all_of(sea: Sea, gaps: pa.Table) -> Mapping[str, pa.Table]:
    """The tables by name; gaps: those of truth.py, to which the simulator's own chances are added."""
    return {
        "gaps": with_chances(sea, gaps),
        "voyages": voyages(sea),
        "port_calls": port_calls(sea),
        "outages": outages(sea),
        "handshakes": handshakes(sea),
        "forged": forged(sea),
    }


def _table(sea: Sea, rows: Sequence[Mapping[str, Any]], schema: Mapping[str, pa.DataType]) -> pa.Table:
    """Rows as a table; times are given in seconds of the plan, None or beyond all times for none."""
    columns = {}
    for name, kind in schema.items():
        values = [row[name] for row in rows]
        if kind == UTC:
            values = [None if v is None or abs(v) >= ALWAYS[1] else round((v + sea.plan.start_s) * 1e6) for v in values]
        columns[name] = pa.array(values, pa.int64() if kind == UTC else kind).cast(kind)
    return pa.table(columns)


def _identity(actor: Actor, time_s: float) -> Emitter:
    """What an actor claims to be at a time."""
    return next((e for e in actor.claims() if e.from_s <= time_s < e.until_s), actor.claims()[0])


# ------------------------------------------------------------------------------------------------ Calls and voyages

CALLS = {
    "hull": pa.string(),
    "mmsi": pa.int32(),
    "port": pa.string(),
    "country": pa.string(),
    "kind": pa.string(),
    "lon": pa.float64(),
    "lat": pa.float64(),
    "arrives": UTC,
    "leaves": UTC,
    "shown": pa.string(),
    "silent_share": pa.float64(),
    "forged": pa.bool_(),
    "fleet": pa.string(),
}


def port_calls(sea: Sea) -> pa.Table:
    """Every stay at a berth, in roads or at a mooring within the plan, and how much of it was shown."""
    rows, end_s = [], sea.plan.days * 86_400
    for k, actor in enumerate(sea.cast.actors):
        for call in actor.calls:
            if call.kind != EDGE and call.end_s > 0 and call.start_s < end_s:
                rows.append(_call_row(sea, k, actor, call))
    return _table(sea, rows, CALLS)


def _call_row(sea: Sea, k: int, actor: Actor, call: Call) -> dict[str, Any]:
    end_s = sea.plan.days * 86_400
    inside = np.linspace(max(call.start_s, 0.0), min(call.end_s, end_s), 101)
    claims = [e for e in actor.claims() if e.shown is not None]
    elsewhere = np.any([(inside >= e.from_s) & (inside < e.until_s) for e in claims] or [np.zeros(101, bool)], axis=0)
    off = silent(sea.cast, np.full(101, k), inside) | elsewhere
    return {
        "hull": actor.ship.hull,
        "mmsi": _identity(actor, float(inside[50])).ship.mmsi,
        **{name: getattr(call, name) for name in ("port", "country", "kind", "lon", "lat")},
        "arrives": call.start_s,
        "leaves": call.end_s,
        "shown": DARK if off.mean() > 0.97 else PARTLY_DARK if off.mean() > 0.03 else LIT,
        "silent_share": float(off.mean()),
        "forged": bool(elsewhere.any()),
        "fleet": sea.scenes[sea.scene_of[k]].scenario,
    }


LEGS = {
    "hull": pa.string(),
    "mmsi": pa.int32(),
    "leaves": UTC,
    "arrives": UTC,
    "from_port": pa.string(),
    "to_port": pa.string(),
    "destination": pa.string(),
    "draught_m": pa.float64(),
    "eta": UTC,
    "met": pa.bool_(),
}


def voyages(sea: Sea) -> pa.Table:
    """Every leg from one call to the next within the plan, with what the crew had entered in the middle of it."""
    rows, end_s = [], sea.plan.days * 86_400
    for actor in sea.cast.actors:
        for call, later in zip(actor.calls, actor.calls[1:], strict=False):
            if later.start_s < 0 or call.end_s > end_s:
                continue
            middle_s = (call.end_s + later.start_s) / 2
            eta_s = _entered(actor.etas, middle_s)
            draught_m = _entered(actor.draughts, middle_s)
            rows.append(
                {
                    "hull": actor.ship.hull,
                    "mmsi": _identity(actor, middle_s).ship.mmsi,
                    "leaves": call.end_s,
                    "arrives": later.start_s,
                    "from_port": call.port,
                    "to_port": later.port,
                    "destination": _entered(actor.destinations, middle_s) or None,
                    "draught_m": None if draught_m is None or np.isnan(draught_m) else draught_m,
                    "eta": None if eta_s is None or np.isnan(eta_s) else eta_s,
                    "met": any(call.end_s < start < later.start_s for start, _ in actor.acts),
                }
            )
    return _table(sea, rows, LEGS)


def _entered(series: Sequence[tuple[float, Any]], time_s: float) -> Any:
    """The value that holds at a time; None where there is none."""
    return next((value for since, value in reversed(series) if since <= time_s), None)


def destinations(sea: Sea, emitter: Ints, time_s: Floats) -> pa.Array:
    """What each emitter (n,) says of its destination at a time (n,); null where nothing is entered."""
    entered = [a.destinations or ((ALWAYS[0], a.ship.destination),) for a in sea.cast.actors]
    words = sorted({text for series in entered for _, text in series})
    number = {text: float(k) for k, text in enumerate(words)}
    at = step_at(
        steps([[(since, number[text]) for since, text in series] for series in entered]), *_of(sea, emitter, time_s)
    )
    return pa.array([word or None for word in words], pa.string()).take(pa.array(at.astype(np.int64)))


def arrivals(sea: Sea, emitter: Ints, time_s: Floats) -> pa.Array:
    """The times of arrival that each emitter (n,) says at a time (n,); null where none is entered."""
    entered = [a.etas or ((ALWAYS[0], np.nan),) for a in sea.cast.actors]
    eta_s = step_at(steps(entered), *_of(sea, emitter, time_s))
    known = np.isfinite(eta_s)
    us = np.where(known, (np.where(known, eta_s, 0.0) + sea.plan.start_s) * 1e6, 0).astype(np.int64)
    return pa.array(us, mask=~known).cast(UTC)


def _of(sea: Sea, emitter: Ints, time_s: Floats) -> tuple[Ints, Floats]:
    return sea.cast.owner[emitter], time_s


# ------------------------------------------------------------------------------------- Outages, and silences by cause

OUTAGES = {"what": pa.string(), "stations": pa.list_(pa.string()), "start": UTC, "end": UTC}


def outages(sea: Sea) -> pa.Table:
    """Every outage of a station, a feed, or a kind of receivers."""
    rows = [
        {"what": o.what, "stations": [sea.network.ids[k] for k in o.stations], "start": o.start_s, "end": o.end_s}
        for o in sorted(sea.network.outages, key=lambda o: o.start_s)
    ]
    return _table(sea, rows, OUTAGES)


def with_chances(sea: Sea, gaps: pa.Table) -> pa.Table:
    """Gaps with cause and the simulator's own chance that nothing would be received of a ship that sends throughout.

    A detector cannot know more of reception than `log10_unheard` does.
    """
    hulls = {actor.ship.hull: k for k, actor in enumerate(sea.cast.actors)}
    who = np.array([hulls[hull] for hull in gaps["hull"].to_pylist()], np.int64)
    end_s = sea.plan.days * 86_400
    first, last = (_seconds(sea, gaps[name]) for name in ("start", "end"))
    last = np.where(np.isnan(last), end_s, np.minimum(last, end_s))
    chance = _log_unheard(sea, who, first, last)
    causes = [
        cause if cause in (LEFT, "switched_off", "equipment") else _cause(sea, *row)
        for cause, *row in zip(gaps["cause"].to_pylist(), who.tolist(), first.tolist(), last.tolist(), strict=True)
    ]
    gaps = gaps.set_column(gaps.schema.get_field_index("cause"), "cause", pa.array(causes, pa.string()))
    return gaps.append_column("log10_unheard", pa.array(chance / np.log(10)))


def _seconds(sea: Sea, column: pa.ChunkedArray) -> Floats:
    us = column.cast(pa.int64()).to_numpy(zero_copy_only=False).astype(np.float64)
    return np.asarray(us / 1e6 - sea.plan.start_s)


def _log_unheard(sea: Sea, who: Ints, first_s: Floats, last_s: Floats) -> Floats:
    """Natural logarithm of the chance (n,) that none of the reports of ships (n,) in spans (n,) is received."""
    hearing = Hearing(sea.cast, sea.network, sea.chances)
    emitter = np.searchsorted(sea.cast.owner, np.arange(len(sea.cast.actors)))  # its first one: same hull, same chances
    count = np.maximum(1, np.ceil((last_s - first_s) / STEP_S)).astype(np.int64)
    out = np.zeros(len(who))
    cuts = np.unique(np.searchsorted(np.cumsum(count), np.arange(0, count.sum() + STEPS_AT_ONCE, STEPS_AT_ONCE)))
    for low, high in zip(cuts, [*cuts[1:], len(who)], strict=True):
        row = np.repeat(np.arange(low, high), count[low:high])
        nth = np.arange(len(row)) - np.repeat(np.cumsum(count[low:high]) - count[low:high], count[low:high])
        time_s = first_s[row] + (nth + 0.5) * (last_s - first_s)[row] / count[row]
        shore, space = hearing.of(emitter[who[row]], time_s)
        every_s = _interval_s(sea, who[row], time_s)
        reports = (last_s - first_s)[row] / count[row] / every_s
        none = reports * (np.log1p(-np.minimum(shore, 0.999)) + np.log1p(-np.minimum(space, 0.999)))
        out += np.bincount(row, none, len(who))
    return out


def _interval_s(sea: Sea, who: Ints, time_s: Floats) -> Floats:
    cast = sea.cast
    speed_kn, _ = cast.courses.speed_and_bearing(who, time_s)
    b = np.array([actor.ship.kind.ais_class == "B" for actor in cast.actors])[who]
    resting = receivers.lies(step_at(cast.statuses, who, time_s))
    return receivers.interval_s(b, resting, speed_kn, np.zeros(len(who), bool))


def _cause(sea: Sea, ship: int, start_s: float, end_s: float) -> str:
    """Why nothing was received of a ship that sent: an outage, a fade, or nobody near."""
    time_s = np.linspace(start_s, end_s, 41)[1:-1]
    at = sea.chances.bin_of(time_s)
    heard, clear = sea.chances.chance[0, ship, at], sea.chances.without_outage[ship, at]
    calm = sea.chances.without_fade
    assert calm is not None
    if (clear - heard > 0.2).mean() > 0.5:
        return OUTAGE
    down = [o for o in sea.network.outages if o.what == SPACE and o.start_s < end_s and o.end_s > start_s]
    hidden_s = sum(min(o.end_s, end_s) - max(o.start_s, start_s) for o in down)
    if hidden_s > 0.5 * (end_s - start_s) and (calm[ship, at] < 0.05).mean() > 0.5:
        return OUTAGE
    return FADE if ((calm[ship, at] > 0.3) & (clear < 0.15)).mean() > 0.5 else OUT_OF_RANGE


# ------------------------------------------------------------------------------------------------------- Deceptions

SHAKES = {"hull_a": pa.string(), "hull_b": pa.string(), "mmsi_a": pa.int32(), "mmsi_b": pa.int32(), "time": UTC}
FORGED = {"hull": pa.string(), "mmsi": pa.int32(), "start": UTC, "end": UTC, "style": pa.string()}


def handshakes(sea: Sea) -> pa.Table:
    """When two hulls swapped numbers: mmsi_a and mmsi_b are those that hull_a and hull_b had before."""
    rows = []
    for scene in sea.scenes:
        changes = [(a, e, f) for a in scene.actors for e, f in zip(a.claims(), a.claims()[1:], strict=False)]
        for k, (a, was, then) in enumerate(changes):
            for b, had, got in changes[k + 1 :]:
                same = was.until_s == had.until_s and a.ship.hull != b.ship.hull
                if same and (was.ship.mmsi, then.ship.mmsi) == (got.ship.mmsi, had.ship.mmsi):
                    rows.append(
                        {
                            "hull_a": a.ship.hull,
                            "hull_b": b.ship.hull,
                            "mmsi_a": was.ship.mmsi,
                            "mmsi_b": had.ship.mmsi,
                            "time": was.until_s,
                        }
                    )
    return _table(sea, rows, SHAKES)


def forged(sea: Sea) -> pa.Table:
    """When sets showed courses that their hulls were not on, and in what style; `displaced` where none meant to."""
    rows = [
        {
            "hull": a.ship.hull,
            "mmsi": e.ship.mmsi,
            "start": e.from_s,
            "end": e.until_s,
            "style": e.style or "corners",
        }
        for a in sea.cast.actors
        for e in a.claims()
        if e.shown is not None
    ]
    moved = sea.moved_by if sea.moved_by is not None else np.empty(0, np.int64)
    at = np.flatnonzero(moved >= 0)
    for emitter, spell in np.unique(np.column_stack([sea.heard.emitter[at], moved[at]]), axis=0).tolist():
        times = sea.heard.time_s[at][(sea.heard.emitter[at] == emitter) & (moved[at] == spell)]
        hull, mmsi = sea.cast.actors[sea.cast.owner[emitter]].ship.hull, int(sea.cast.mmsi[emitter])
        span = {"start": float(times.min()), "end": float(times.max())}
        rows.append({"hull": hull, "mmsi": mmsi, **span, "style": "displaced"})
    return _table(sea, rows, FORGED)


# ------------------------------------------------------------------------------------ Fields of the sentence alone

NO_SECOND = 60


def radio(sea: Sea, order: Ints) -> dict[str, pa.Array]:
    """Fields of the sentence alone; null where none is simulated."""
    n, sent = len(order), sea.fields
    if sent is None:
        return {"radio": pa.nulls(n, pa.int32()), "raim": pa.nulls(n, pa.bool_()), "utc_second": pa.nulls(n, pa.int8())}
    second = sent.second[order].astype(np.int8)
    return {
        "radio": pa.array(sent.radio[order].astype(np.int32)),
        "raim": pa.array(sent.raim[order] == 1),
        "utc_second": pa.array(second, mask=second == NO_SECOND),
    }
