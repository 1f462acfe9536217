"""Which DPRK and trade ports a silence leaves time for: there by sea, some hours of stay, and back.

Absence of data never raises darkness: a call here says what was possible, beside it stands what the silence was judged
to be, and `may_score` is true only where it was `silenced`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stswatch.geo.coast.water import distance_to_shore_km, shore_error_km
from stswatch.geo.coordinates.sphere import M_PER_NM, haversine_m
from stswatch.geo.reference.ports import ports
from stswatch.geo.sea.distance import port_bound_km
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, Floats, Ints, build, micros
from stswatch.pipeline.rules import StayRules

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
    straight = sum(haversine_m(x[:, None], y[:, None], lon, lat) / 1000 for x, y in ends)
    some = np.flatnonzero((long_h[:, None] - straight / speed_kmh >= rules.dark_stay_h).any(axis=1))
    if not len(some):
        return schema.PORT_CALLS.empty_table()
    ids = ports().id[which].tolist()
    there, back = (port_bound_km(x[some], y[some], ids) for x, y in ends)
    spare_h = long_h[some, None] - (there + back) / speed_kmh
    rank = ranks(np.where(spare_h >= rules.dark_stay_h, spare_h, -np.inf))
    row, port = np.nonzero(spare_h >= rules.dark_stay_h)
    return _rows(
        gaps, some[row], which[port], there[row, port], back[row, port], spare_h[row, port], rank[row, port], speed_kmh
    )


@cache
def trade_ports() -> Ints:
    """The ports of the DPRK and of its trade, indices into `ports()`."""
    return np.flatnonzero(ports().trade)


@cache
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


def _rows(
    gaps: pa.Table, row: Ints, port: Ints, there: Floats, back: Floats, spare_h: Floats, rank: Ints, speed_kmh: float
) -> pa.Table:
    """One row for each silence and port."""
    table, n = ports(), len(row)
    start, end = micros(gaps, "start_time")[row], micros(gaps, "end_time")[row]
    judgement = gaps["judgement"].take(pa.array(row))
    lon, lat = table.lon[port], table.lat[port]
    shore_km = distance_to_shore_km(lon, lat)
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
        "distance_to_shore_km": np.round(shore_km, 3),
        "distance_to_shore_error_km": shore_error_km(lon, lat, shore_km),
        "gap_start": start,
        "gap_end": end,
        "judgement": judgement,
        "may_score": pc.equal(judgement, "silenced"),
        "way_km": np.round(there + back, 1),
        "spare_h": np.round(spare_h, 2),
        "rank": rank.astype(np.int16),
    }
    columns |= {f.name: pa.nulls(n, f.type) for f in schema.PORT_CALLS if f.name not in columns}
    return build("port_calls", columns)
