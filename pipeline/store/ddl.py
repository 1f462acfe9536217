"""From Arrow schemas to DuckDB statements: tables, comments, selections of their columns, files of the lake as rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pyarrow as pa

from stswatch.geo.coordinates.sphere import MEAN_RADIUS_M
from stswatch.pipeline import schema
from stswatch.pipeline.store.files import has_radio

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


def haversine_km(one: tuple[str, str], other: tuple[str, str]) -> str:
    """SQL for the great circle between two places, km; of each the SQL for longitude and latitude, degrees.

    Source: the haversine formula with the mean radius of the Earth, as geo/coordinates/sphere.py.
    """
    (lon0, lat0), (lon1, lat1) = one, other
    half = f"""pow(sin(radians({lat1} - {lat0}) / 2), 2)
        + cos(radians({lat0})) * cos(radians({lat1})) * pow(sin(radians({lon1} - {lon0}) / 2), 2)"""
    return f"({2 * MEAN_RADIUS_M / 1000!r} * asin(least(1.0, sqrt({half}))))"


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


# -------------------------------------------------------------------------------------------- files of the lake as rows

# The data folder, where the database was opened by a name of ours in it; else nothing, and then the paths are looked
# for as DuckDB looks for any: in the current folder and in file_search_path. A function of a file may not ask in which
# file its own database lies; but where DuckDB would put temporary files it may ask, and unless somebody set that, it is
# beside the database: by the link up to DuckDB 1.4 and in the shell, else by where the link leads.
HOME = r"""regexp_extract(current_setting('temp_directory'),
    '^(.*[/\\])?(snapshots[/\\]\d{6,}|stswatch)\.duckdb\.tmp$', 1)"""
LeftOut = Mapping[str, Sequence[Sequence[int]]]  # source -> spans of which its rows are used for nothing


def lake_rows(fields: pa.Schema, files: Sequence[str], left_out: LeftOut) -> str:
    """The query for all rows of some files of the lake, given within the data folder; those left out are marked."""
    if not files:
        return empty_select(fields)
    alike = ([path for path in files if has_radio(path) == stored] for stored in (True, False))
    return " UNION ALL ".join(_rows_of_files(fields, paths, left_out) for paths in alike if paths)


def _rows_of_files(fields: pa.Schema, files: Sequence[str], left_out: LeftOut) -> str:
    """The query for the rows of files that all have the same columns."""
    listed = f"[{', '.join(literal(path) for path in files)}]"
    paths = f"list_transform({listed}, lambda path: concat({HOME}, path))"
    columns = [_marked(left_out) if f.name == "invalid_reason" and left_out else _stored(f, files[0]) for f in fields]
    return f"SELECT {', '.join(columns)} FROM read_parquet({paths}, hive_partitioning = false)"


def _stored(field: pa.Field, path: str) -> str:
    """A column of a file of the lake, null where files of its name have none."""
    name = quoted(field.name)
    missing = field.name in schema.RADIO_FIELDS and not has_radio(path)
    return f"NULL::{sql_type(field.type)} AS {name}" if missing else name


def _marked(left_out: LeftOut) -> str:
    """Column `invalid_reason`, with the word for a wrong clock where nothing else spoke against a row."""
    spans = (
        f"source = {literal(source)} AND epoch_us(time) >= {start_us} AND epoch_us(time) < {end_us}"
        for source, found in left_out.items()
        for start_us, end_us in found
    )
    found = f"invalid_reason IS NULL AND ({' OR '.join(spans)})"
    return f"CASE WHEN {found} THEN {literal(schema.CLOCK)} ELSE invalid_reason END AS invalid_reason"
