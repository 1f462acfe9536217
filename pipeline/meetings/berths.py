"""Neighbours at berth: counted by port and hour, each pair once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.geo.ports import lawful_port, ports
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, Batch, Ints, Tables, build, concat, micros, ordered, spread, starts_of
from stswatch.pipeline.meetings.motion import Ends
from stswatch.pipeline.meetings.pairs import Found, LegColumns
from stswatch.pipeline.rules import Rules


class PortsOfLegs:
    """The lawful port that the middle of a leg lies in, -1 outside; looked up once for each leg that is asked for."""

    def __init__(self, ends: Ends, radius_km: float) -> None:
        self._ends, self._radius_km = ends, radius_km
        self._port, self._known = np.full(len(ends.lon0), -1), np.zeros(len(ends.lon0), bool)

    def of(self, *legs: Ints) -> tuple[Ints, ...]:
        """The port of each leg, by row, index into `ports()`."""
        asked = np.zeros(len(self._known), bool)
        for leg in legs:
            asked[leg] = True
        new = np.flatnonzero(asked & ~self._known)
        ends = self._ends.at(new)
        middle = (ends.lon0 + ends.lon1) / 2, (ends.lat0 + ends.lat1) / 2
        self._port[new], self._known[new] = lawful_port(*middle, self._radius_km), True
        return tuple(self._port[leg] for leg in legs)


def at_berth(legs: LegColumns, ports_of: PortsOfLegs, found: Found, rules: Rules) -> tuple[Ints, Ints]:
    """Rows where both lie still in a port that is no part of the trade, and the port of a there."""
    a, b = found.a, found.b
    still = np.flatnonzero(np.maximum(legs.speed_dkn[a], legs.speed_dkn[b]) < rules.proximity.still_kn * 10)
    port_a, port_b = ports_of.of(a[still], b[still])
    berth = (port_a >= 0) & (port_b >= 0)
    return still[berth], port_a[berth]


def rows_of(legs: LegColumns, found: Found, port: Ints) -> pa.Table:
    """One row per pair and hour that the pair lay side by side in; port: (m,) the port of a."""
    first, last = found.near.start_us // HOUR, (found.near.end_us - 1) // HOUR
    row, nth = spread(last - first + 1)
    hour = first[row] + nth
    order = ordered(legs.rank[found.a[row]], legs.rank[found.b[row]], hour, port[row])
    row, hour = row[order], hour[order]
    once = starts_of(legs.rank[found.a[row]], legs.rank[found.b[row]], hour, port[row])
    row, hour = row[once], hour[once]
    columns: dict[str, object] = {"port": pa.array(ports().id[port[row]], pa.string()), "hour": hour * HOUR}
    for v, leg in (("a", found.a[row]), ("b", found.b[row])):
        columns |= {f"mmsi_{v}": legs.mmsi[leg], f"track_{v}": legs.track_us[leg]}
    return build("berth_pairs", columns)


def distinct(pairs: pa.Table) -> pa.Table:
    """Each row once."""
    if pairs.num_rows == 0:
        return pairs
    return pairs.group_by(pairs.column_names).aggregate([]).cast(schema.BERTH_PAIRS)


def count(state: Tables, batch: Batch, rules: Rules) -> tuple[pa.Table, pa.Table]:
    """The pairs of hours that more can still be told of, and the counts of the hours that are over."""
    pairs = distinct(concat([state["berths"], batch.table("berth_pairs")], schema.BERTH_PAIRS))
    over = np.ones(pairs.num_rows, bool)
    if not batch.final:
        over = micros(pairs, "hour") + HOUR < batch.frontier_us - rules.lag_us
    done = pairs.filter(pa.array(over))
    counted = done.group_by(["port", "hour"]).aggregate([([], "count_all")])
    counted = counted.rename_columns(["port", "hour", "pairs"]).cast(schema.BERTH_NEIGHBOURS)
    return pairs.filter(pa.array(~over)).combine_chunks(), counted
