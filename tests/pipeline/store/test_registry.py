"""Owns: a published table is one row of the table of tables, and nothing else need know of it."""

from __future__ import annotations

import pyarrow as pa
import pytest

from docs import tables as tables_doc
from stswatch.pipeline import schema
from stswatch.pipeline.schema import Merge, Origin, Published, Registry, Table
from stswatch.pipeline.store import publish
from stswatch.pipeline.store.database import StoreError
from stswatch.pipeline.store.loader import Beside, load
from tests.pipeline.store.build import at, gap, output, rows, run

COLUMNS = schema.table(
    "Vessels that waited in a cell.",
    schema.column("cell", pa.int64(), "where they waited"),
    schema.column("hour", schema.UTC, "start of the hour"),
    schema.column("waited_h", pa.float64(), "time that they waited", unit="h"),
)


def with_table(published: Published) -> Registry:
    """The tables of the program and one more."""
    return Registry((*schema.TABLES.rows, Table("waits", Origin.FLOW, COLUMNS, published)))


def loaded(data, tables, *outputs):
    beside = Beside(schema.SOURCES.empty_table(), schema.REJECT_COUNTS.empty_table(), {})
    return load(data, run(), outputs, beside, at(30), tables)


def wait(cell, hour, waited_h):
    return {"cell": cell, "hour": at(hour), "waited_h": waited_h}


def slices(data, tables, name="waits"):
    """Two slices that share a key."""
    first = {name: [wait(7, 1, 0.5), wait(8, 1, 1.0)], "gaps": [gap(1)]}
    return [
        output(data, "a", first, tables=tables),
        output(data, "b", {name: [wait(7, 1, 0.25)]}, tables=tables),
    ]


def test_a_row_makes_a_table_that_is_created_merged_and_published(tmp_path):
    tables = with_table(Published(Merge.SUMS, ("cell", "hour")))
    loaded(tmp_path, tables, *slices(tmp_path, tables))
    assert rows(tmp_path, "SELECT * FROM waits") == [wait(7, 1, 0.75), wait(8, 1, 1.0)]
    assert len(rows(tmp_path, "SELECT * FROM gaps")) == 1
    comments = rows(tmp_path, "SELECT comment FROM duckdb_columns() WHERE table_name = 'waits'")
    assert comments[2]["comment"] == "time that they waited [h]"


def test_each_row_of_a_table_stands_by_itself_where_it_says_so(tmp_path):
    tables = with_table(Published(Merge.ROWS, order=("waited_h",), name="waiting"))
    loaded(tmp_path, tables, *slices(tmp_path, tables, "waiting"))
    assert [row["waited_h"] for row in rows(tmp_path, "SELECT * FROM waiting")] == [0.25, 0.5, 1.0]


def test_a_table_is_documented_by_its_row():
    tables = with_table(Published(Merge.SUMS, ("cell", "hour")))
    added = set(tables_doc.render(tables).splitlines()) - set(tables_doc.render().splitlines())
    assert "### waits" in added
    assert "Vessels that waited in a cell. Key: `cell`, `hour`." in added
    assert "| `waited_h` | DOUBLE | no | h | time that they waited |" in added


def test_a_folder_made_with_other_tables_says_what_to_do(tmp_path):
    loaded(tmp_path, schema.TABLES)
    with pytest.raises(StoreError, match="another version of stswatch; `stswatch rebuild`"):
        loaded(tmp_path, with_table(Published(Merge.SUMS, ("cell", "hour"))))


def test_a_table_that_no_slice_may_hold_is_refused(tmp_path):
    tables = with_table(Published(Merge.SUMS, ("cell", "hour")))
    with pytest.raises(StoreError, match=r"no table \['waits'\]"):
        loaded(tmp_path, schema.TABLES, *slices(tmp_path, tables))


@pytest.mark.parametrize(
    ("row", "printed"),
    [
        (Table("legs", Origin.FLOW, COLUMNS), "one name"),
        (Table("waits", Origin.FLOW, COLUMNS, Published(Merge.ROWS, name="gaps")), "under one name"),
        (Table("waits", Origin.FLOW, COLUMNS, Published(Merge.SUMS, ("port",))), "no column port"),
    ],
)
def test_a_row_that_cannot_be_is_refused(row, printed):
    with pytest.raises(ValueError, match=printed):
        Registry((*schema.TABLES.rows, row))


def test_every_way_to_merge_is_used_and_has_a_query():
    assert {schema.TABLES.merge(name) for name in schema.STORED} == set(Merge)
    assert all(publish.query(name).lstrip().startswith(("SELECT", "WITH")) for name in schema.STORED)
    assert set(schema.EVENT_TABLES) < set(schema.FLOW)


def test_the_registries_are_the_table_of_tables():
    assert len(schema.TABLES.rows) >= 21
    of_the_log = {"decisions", "observations", "exercise_decisions", "exercise_observations", "ports_in_reach"}
    given = {"runs", "sources", "reject_counts", "long_absences", "event_revisions", *of_the_log}
    assert {*schema.LAKE, *schema.FLOW} | given == {r.name for r in schema.TABLES.rows}
