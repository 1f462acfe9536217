"""Owns: docs/tables.md says what pipeline/schema/ says."""

from __future__ import annotations

from docs import tables
from stswatch.pipeline import schema
from stswatch.pipeline.store import publish


def test_the_document_is_written_from_the_schemas():
    again = "python -m docs.tables"
    assert tables.PATH.read_text() == tables.render(), f"docs/tables.md is stale; run {again}"


def test_every_table_and_column_is_in_it_with_a_meaning():
    lines = tables.render().splitlines()
    collected = {**schema.STORED, **publish.schemas()}
    assert [line[4:] for line in lines if line.startswith("### ")] == list(collected)
    assert {"runs", "sources", "vessels", "encounters", "gaps", "coverage"} <= set(collected)
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) == sum(len(fields) for fields in collected.values()) > 150
    for fields in collected.values():
        assert len(schema.meaning_of(fields)) > 20
        assert all(len(schema.meaning_of(field)) > 2 for field in fields)
