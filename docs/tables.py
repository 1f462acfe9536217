"""docs/tables.md, from the schemas: `python -m docs.tables` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.schema import Registry
from stswatch.pipeline.store import ddl, publish

PATH = Path(__file__).resolve().with_name("tables.md")
_HEAD = """# Tables

Written by `python -m docs.tables` from `pipeline/schema/`: edit that, not this.

`DIR/stswatch.duckdb` holds the tables and views below, and the same sentences as comments on them
(`SELECT * FROM duckdb_columns()`). Times are UTC, positions WGS 84, lon before lat. The views of the lake
read Parquet files in the same folder. [database.md](database.md) says how to open it.
"""


def render(tables: Registry = schema.TABLES) -> str:
    """The whole document, every table, column, type and meaning in the order of the schemas; never raises."""
    sections = [
        "## Tables",
        *(_section(name, fields, tables.key(name)) for name, fields in tables.stored.items()),
        "## Views",
    ]
    sections += [_section(name, fields) for name, fields in publish.schemas().items()]
    return "\n\n".join([_HEAD.strip(), *sections]) + "\n"


def _section(name: str, fields: pa.Schema, key: tuple[str, ...] = ()) -> str:
    named = f" Key: {', '.join(f'`{part}`' for part in key)}." if key else ""
    return "\n".join([f"### {name}", "", schema.meaning_of(fields) + named, "", *_lines(fields)])


def _lines(fields: pa.Schema) -> Iterator[str]:
    yield "| column | type | null | unit | meaning |"
    yield "|---|---|---|---|---|"
    for field in fields:
        unit = (field.metadata or {}).get(b"unit", b"").decode()
        meaning = (field.metadata or {}).get(b"meaning", b"").decode().replace("|", "\\|")
        null = "yes" if field.nullable else "no"
        yield f"| `{field.name}` | {ddl.sql_type(field.type)} | {null} | {unit} | {meaning} |"


if __name__ == "__main__":
    PATH.write_text(render())
