"""Neighbours at berth: counted by port and hour, each pair once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from stswatch.geo.ports import lawful_port, ports
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, Batch, Ints, Tables, build, concat, micros, ordered, spread, starts_of
from stswatch.pipeline.meetings.motion import Found, LegColumns
from stswatch.pipeline.rules import Rules


def ports_of(legs: LegColumns, a: Ints, b: Ints, rules: Rules) -> Ints:
    """The lawful port that each leg lies in, by row, index into `ports()`; -1 outside, or where no pair lies still."""
    asked = np.zeros(len(legs.mmsi), bool)
    still = _both_still(legs, a, b, rules)
    asked[a[still]] = asked[b[still]] = True
    leg = np.flatnonzero(asked)
    ends, port = legs.ends.at(leg), np.full(len(asked), -1)
    port[leg] = lawful_port((ends.lon0 + ends.lon1) / 2, (ends.lat0 + ends.lat1) / 2, rules.proximity.port_radius_km)
    return port


def at_berth(legs: LegColumns, port: Ints, found: Found, rules: Rules) -> Ints:
    """Rows where both lie still in a port that is no part of the trade; port: what `ports_of` gave."""
    still = _both_still(legs, found.a, found.b, rules)
    return still[(port[found.a[still]] >= 0) & (port[found.b[still]] >= 0)]


def _both_still(legs: LegColumns, a: Ints, b: Ints, rules: Rules) -> Ints:
    return np.flatnonzero(np.maximum(legs.speed_dkn[a], legs.speed_dkn[b]) < rules.proximity.still_kn * 10)


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
