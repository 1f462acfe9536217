"""Owns: docs/tables.md says what pipeline/schema/ says."""

from __future__ import annotations

from stswatch.pipeline import schema
from stswatch.pipeline.store import tables_doc, views


def test_the_document_is_written_from_the_schemas():
    again = "python -m stswatch.pipeline.store.tables_doc"
    assert tables_doc.PATH.read_text() == tables_doc.render(), f"docs/tables.md is stale; run {again}"


def test_every_table_and_column_is_in_it_with_a_meaning():
    lines = tables_doc.render().splitlines()
    told = {**schema.STORED, **views.schemas()}
    assert [line[4:] for line in lines if line.startswith("### ")] == list(told)
    assert {"runs", "sources", "vessels", "encounters", "gaps", "coverage"} <= set(told)
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == sum(len(fields) for fields in told.values()) > 150
    for fields in told.values():
        assert len(schema.meaning_of(fields)) > 20
        assert all(len(schema.meaning_of(field)) > 2 for field in fields)
