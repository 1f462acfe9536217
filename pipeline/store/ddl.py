"""From Arrow schemas to DuckDB statements: tables, comments, and selections of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from stswatch.pipeline import schema

_SQL_TYPES = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    schema.UTC: "TIMESTAMPTZ",
}


def quoted(name: str) -> str:
    """A name as an SQL identifier; never raises.

    >>> quoted("end")
    '"end"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string; never raises.

    >>> literal("Ch'aho")
    "'Ch''aho'"
    """
    return "'" + text.replace("'", "''") + "'"


def columns(names: Iterable[str], table: str = "") -> str:
    """Names as a list of columns, each with the table's alias before it where one is given; never raises."""
    return ", ".join((f"{table}." if table else "") + quoted(name) for name in names)


def sql_type(kind: pa.DataType) -> str:
    """The DuckDB type that holds an Arrow type exactly; raises KeyError for a type that no schema uses.

    >>> sql_type(pa.list_(pa.string()))
    'VARCHAR[]'
    """
    if pa.types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return "STRUCT(" + ", ".join(f"{quoted(field.name)} {sql_type(field.type)}" for field in kind) + ")"
    return _SQL_TYPES[kind]


def create_table(name: str, fields: pa.Schema, *, key: Iterable[str] = (), first: str = "") -> str:
    """The statement that makes a table of these fields, their nullability and primary key included.

    `first` is the declaration of a column that comes before them; `name` may be qualified and is not quoted.
    """
    declared = [f"{quoted(f.name)} {sql_type(f.type)}{'' if f.nullable else ' NOT NULL'}" for f in fields]
    primary = [f"PRIMARY KEY ({columns(key)})"] if key else []
    return f"CREATE TABLE {name} ({', '.join(([first] if first else []) + declared + primary)})"


def comments(name: str, fields: pa.Schema, kind: str = "TABLE") -> Iterator[str]:
    """The statements that say on a table or view, and on each of its columns, what it holds."""
    yield f"COMMENT ON {kind} {name} IS {literal(schema.meaning_of(fields))}"
    for field in fields:
        yield f"COMMENT ON COLUMN {name}.{quoted(field.name)} IS {literal(schema.meaning_of(field))}"


def empty_select(fields: pa.Schema) -> str:
    """A query of these columns and types that gives no row."""
    return "SELECT " + ", ".join(f"NULL::{sql_type(f.type)} AS {quoted(f.name)}" for f in fields) + " WHERE false"
