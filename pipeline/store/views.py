"""The views of a snapshot: the leads, and the lake files of its own manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from stswatch.pipeline import schema
from stswatch.pipeline.rules import Rules, minutes
from stswatch.pipeline.store import ddl
from stswatch.pipeline.store.revisions import LIVING
from stswatch.pipeline.tracks.stray_days import CLOCK

LEADS = "flagged_encounters"
GAPS_BESIDE = "gaps_beside"

# The data folder, where the database was opened by a name of ours in it; else nothing, and then the paths are looked
# for as DuckDB looks for any: in the current folder and in file_search_path. A function of a file may not ask in which
# file its own database lies; but where DuckDB would put temporary files it may ask, and unless somebody set that, it is
# beside the database: by the link up to DuckDB 1.4 and in the shell, else by where the link leads.
HOME = r"""regexp_extract(current_setting('temp_directory'),
    '^(.*[/\\])?(snapshots[/\\]\d{6,}|stswatch)\.duckdb\.tmp$', 1)"""


LeftOut = Mapping[str, Sequence[Sequence[int]]]  # source -> spans of which its rows are used for nothing


def lead_schema() -> pa.Schema:
    """The columns of view flagged_encounters, with what the view holds."""
    meaning = (
        "Leads: encounters that hold, sealed or provisional, in the area asked for, score at or above lead.min_score."
    )
    return schema.STORED["encounters"].with_metadata({"meaning": meaning})


def beside_schema() -> pa.Schema:
    """The columns of view gaps_beside, with what the view holds."""
    stored = schema.STORED["encounters"]
    return schema.table(
        "Gaps of the tracks of an encounter that begin or end during it or within dark_beside_min of it: "
        "what dark_a and dark_b stand for. A gap that begins or ends just where it does says how long "
        "a vessel was not received before or after.",
        *(stored.field(name) for name in ("id", "revision")),
        *(schema.STORED["gaps"].field(name) for name in schema.STORED["gaps"].names),
    )


def schemas() -> dict[str, pa.Schema]:
    """View -> its schema, of every view in a snapshot."""
    return {LEADS: lead_schema(), GAPS_BESIDE: beside_schema(), **schema.LAKE}


def statements(lake_files: Mapping[str, Sequence[str]], rules: Rules, left_out: LeftOut) -> Iterator[str]:
    """The statements that make and describe the views.

    `lake_files` is lake table -> paths within the data folder; a table without files becomes an empty view.
    `rules` are those of the run that is published; left_out: see lake_rows.
    """
    yield f"CREATE VIEW {LEADS} AS {_leads(rules.cut_off)}"
    yield f"CREATE VIEW {GAPS_BESIDE} AS {_beside(rules.encounter.dark_beside_min)}"
    for name, fields in schema.LAKE.items():
        yield f"CREATE VIEW {name} AS {lake_rows(fields, lake_files.get(name, ()), left_out)}"
    for name, fields in schemas().items():
        yield from ddl.comments(name, fields, "VIEW")


def _leads(min_score: float) -> str:
    columns = ddl.columns(schema.STORED["encounters"].names)
    return (
        f"SELECT {columns} FROM encounters WHERE status IN {LIVING} AND in_area"
        f" AND score >= {float(min_score)!r}::DOUBLE ORDER BY score DESC, start_time, id"
    )


def _beside(beside_min: float) -> str:
    near = f"INTERVAL {minutes(beside_min)} MICROSECONDS"
    sides = " UNION ALL ".join(
        f"""SELECT id, revision, mmsi_{v} AS mmsi, try_cast(split_part(track_{v}, '@', 2) AS TIMESTAMPTZ) AS track,
            start_time - {near} AS first, end_time + {near} AS last FROM encounters"""
        for v in "ab"
    )
    gaps = ddl.columns(schema.STORED["gaps"].names, "g")
    return f"""SELECT s.id, s.revision, {gaps} FROM ({sides}) s JOIN gaps g USING (mmsi, track)
        WHERE g.start_time BETWEEN s.first AND s.last OR g.end_time BETWEEN s.first AND s.last"""


def lake_rows(fields: pa.Schema, files: Sequence[str], left_out: LeftOut) -> str:
    """The query for all rows of some files of the lake, given within the data folder; those left out are marked."""
    if not files:
        return ddl.empty_select(fields)
    listed = f"[{', '.join(ddl.literal(path) for path in files)}]"
    paths = f"list_transform({listed}, lambda path: concat({HOME}, path))"
    columns = [_marked(left_out) if name == "invalid" and left_out else ddl.quoted(name) for name in fields.names]
    return f"SELECT {', '.join(columns)} FROM read_parquet({paths}, hive_partitioning = false)"


def _marked(left_out: LeftOut) -> str:
    """Column `invalid`, with the word for a wrong clock where nothing else spoke against a row."""
    spans = (
        f"source = {ddl.literal(source)} AND epoch_us(time) >= {start_us} AND epoch_us(time) < {end_us}"
        for source, found in left_out.items()
        for start_us, end_us in found
    )
    return f"CASE WHEN invalid IS NULL AND ({' OR '.join(spans)}) THEN {ddl.literal(CLOCK)} ELSE invalid END AS invalid"
