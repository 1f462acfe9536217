"""From the parts of all slices to the rows that are published."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stswatch.pipeline import schema
from stswatch.pipeline.store import ddl


def added_up(table: str, *key: str) -> str:
    """The query that adds up the rows of one key, over all slices and files."""
    sums = [field for field in schema.STORED[table] if field.name not in key]
    added = ", ".join(f"sum({ddl.quoted(f.name)})::{ddl.sql_type(f.type)} AS {ddl.quoted(f.name)}" for f in sums)
    return f"SELECT {ddl.columns(key)}, {added} FROM part_{table} GROUP BY ALL ORDER BY {ddl.columns(key)}"


def all_rows(table: str, *order: str) -> str:
    """The query that gives every row of every slice."""
    return f"SELECT {ddl.columns(schema.STORED[table].names)} FROM part_{table} ORDER BY {ddl.columns(order)}"


def gaps_with_outages() -> str:
    """The query for every gap, with how much of it lies in outages of all receivers or of its kind."""
    given = [name for name in schema.STORED["gaps"].names if name != "outage_min"]
    end = "coalesce(g.end_time, TIMESTAMPTZ 'infinity')"
    kind = "((g.receiver = 'satellite') = ({}.receiver = 'satellite') AND {}.receiver <> 'all')"
    return f"""
        WITH met AS (
            SELECT g.rowid AS row,
                sum(epoch_us(least({end}, o.end_time)) - epoch_us(greatest(g.start_time, o.start_time)))
                    / 6e7 AS outage_min
            FROM part_gaps g JOIN part_outages o ON o.start_time < {end} AND o.end_time > g.start_time
            WHERE {kind.format("o", "o")} OR o.receiver = 'all' AND NOT EXISTS (
                FROM part_outages k WHERE {kind.format("k", "k")}
                AND k.start_time <= o.start_time AND k.end_time >= o.end_time)
            GROUP BY g.rowid)
        SELECT {ddl.columns(given, "g")}, coalesce(met.outage_min, 0)::DOUBLE AS outage_min
        FROM part_gaps g LEFT JOIN met ON met.row = g.rowid
        ORDER BY {ddl.columns(("mmsi", "track", "start_time", "end_time"), "g")}"""


def last_known(table: str) -> str:
    """The query for one row per MMSI: of each column that has a time beside it the value reported last.

    Of two values reported at the same time the larger is kept, so that the order of the slices cannot show.
    """
    names = schema.VESSELS.names
    chosen = {
        "flag": "max(flag)",
        "first_seen": "min(first_seen)",
        "last_seen": "max(last_seen)",
        "fixes": "sum(fixes)::BIGINT",
    }
    for name in (n for n in names if f"{n}_time" in names):
        latest = f"max({{'time': {name}_time, 'value': {name}}}) FILTER (WHERE {name}_time IS NOT NULL)"
        chosen |= {name: f"({latest}).value", f"{name}_time": f"max({name}_time)"}
    selected = ", ".join(f"{chosen[name]} AS {ddl.quoted(name)}" for name in names if name != "mmsi")
    return f"SELECT mmsi, {selected} FROM part_{table} GROUP BY mmsi ORDER BY mmsi"


MERGES: Mapping[str, Callable[[], str]] = {  # stored table -> the query that makes it from the parts
    "gaps": gaps_with_outages,
    "outages": lambda: all_rows("outages", "start_time", "receiver"),
    "coverage": lambda: added_up("coverage", "cell", "hour", "receiver"),
    "berth_neighbours": lambda: added_up("berth_neighbours", "port", "hour"),
    "vessels": lambda: last_known("vessels"),
}
