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
    "gaps": lambda: all_rows("gaps", "mmsi", "track", "start_time", "end_time"),
    "coverage": lambda: added_up("coverage", "cell", "hour", "receiver"),
    "berth_neighbours": lambda: added_up("berth_neighbours", "port", "hour"),
    "vessels": lambda: last_known("vessels"),
}
