"""From the parts of all slices to the rows that are published: a query for each way to merge."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stswatch.pipeline import schema
from stswatch.pipeline.schema import Merge, Registry
from stswatch.pipeline.store import ddl

GROUPED = (Merge.ROWS, Merge.SUMS, Merge.LATEST, Merge.GAPS)  # made of the parts, so that no index need hold their keys


def query(table: str, tables: Registry = schema.TABLES) -> str:
    """The query that gives the rows of a published table; raises KeyError for another name.

    It reads part_TABLE, the rows of every slice; of what the publisher has, given_TABLE.
    """
    return _QUERIES[tables.merge(table)](table, tables)


def _added_up(table: str, tables: Registry) -> str:
    """Rows of one key are added up, over all slices and files."""
    key = tables.key(table)
    sums = [field for field in tables.stored[table] if field.name not in key]
    added = ", ".join(f"sum({ddl.quoted(f.name)})::{ddl.sql_type(f.type)} AS {ddl.quoted(f.name)}" for f in sums)
    return f"SELECT {ddl.columns(key)}, {added} FROM part_{table} GROUP BY ALL ORDER BY {ddl.columns(key)}"


def _all_rows(table: str, tables: Registry) -> str:
    """Every row of every slice."""
    order = ddl.columns(tables.order(table))
    return f"SELECT {ddl.columns(tables.stored[table].names)} FROM part_{table} ORDER BY {order}"


def _gaps_with_outages(table: str, tables: Registry) -> str:
    """Every gap, with how much of it lies in outages of all receivers or of its kind."""
    given = [name for name in tables.stored[table].names if name != "outage_min"]
    end = "coalesce(g.end_time, TIMESTAMPTZ 'infinity')"
    kind = "((g.receiver = 'satellite') = ({}.receiver = 'satellite') AND {}.receiver <> 'all')"
    return f"""
        WITH met AS (
            SELECT g.rowid AS row,
                sum(epoch_us(least({end}, o.end_time)) - epoch_us(greatest(g.start_time, o.start_time)))
                    / 6e7 AS outage_min
            FROM part_{table} g JOIN part_outages o ON o.start_time < {end} AND o.end_time > g.start_time
            WHERE {kind.format("o", "o")} OR o.receiver = 'all' AND NOT EXISTS (
                FROM part_outages k WHERE {kind.format("k", "k")}
                AND k.start_time <= o.start_time AND k.end_time >= o.end_time)
            GROUP BY g.rowid)
        SELECT {ddl.columns(given, "g")}, coalesce(met.outage_min, 0)::DOUBLE AS outage_min
        FROM part_{table} g LEFT JOIN met ON met.row = g.rowid
        ORDER BY {ddl.columns(tables.order(table), "g")}"""


def _last_known(table: str, tables: Registry) -> str:
    """One row per MMSI: of each column that has a time beside it the value reported last.

    Of two values reported at the same time the larger is kept, so that the order of the slices cannot show.
    """
    names = tables.stored[table].names
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


def _events(table: str, tables: Registry) -> str:
    """The rows of the working database, each with where it lies in the area asked for."""
    stored = [name for name in tables.stored[table].names if name not in schema.AREA_COLUMNS]
    return f"""SELECT {ddl.columns(stored, "e")}, p.in_area, p.area_zones
        FROM {table} e JOIN given_placed p ON e.rowid = p.row
        ORDER BY e.start_time, e.mmsi_a, e.mmsi_b, e.id, e.revision"""


def _runs(table: str, tables: Registry) -> str:
    return f"SELECT {ddl.columns(tables.stored[table].names)} FROM {table} ORDER BY {ddl.columns(tables.order(table))}"


def _given(table: str, tables: Registry) -> str:
    return f"SELECT {ddl.columns(tables.stored[table].names)} FROM given_{table}"


_QUERIES: Mapping[Merge, Callable[[str, Registry], str]] = {
    Merge.ROWS: _all_rows,
    Merge.SUMS: _added_up,
    Merge.LATEST: _last_known,
    Merge.GAPS: _gaps_with_outages,
    Merge.EVENTS: _events,
    Merge.RUNS: _runs,
    Merge.GIVEN: _given,
}
