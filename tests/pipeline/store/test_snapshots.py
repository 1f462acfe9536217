"""Owns: what a reader sees of a publication: comments, types, views, and that nothing disturbs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import closing

import duckdb
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.store import publish as views
from stswatch.pipeline.store import queries
from stswatch.pipeline.store.database import StoreError, connect, open_work
from tests.pipeline.store import build
from tests.pipeline.store.build import at, encounter, gap, output, publish, rows

FIX = {
    "mmsi": 1,
    "time": at(0),
    "lon": 125.0,
    "lat": 38.6,
    "receiver": "unknown",
    "source": "ab",
    "length": 9,
}


def lake_file(data, name, *offsets):
    build.write(
        data / name,
        [FIX | {"offset": offset, "more_refs": [{"offset": 9, "length": 8}]} for offset in offsets],
        schema.FIXES,
    )
    return name


def test_each_table_view_and_column_says_what_it_holds(tmp_path):
    files = {"fixes": [lake_file(tmp_path, "f.parquet", 1)]}
    publish(tmp_path, output(tmp_path, "a", {"encounters": [encounter(1, 3)]}), lake=files)
    expected = {**schema.STORED, **views.schemas()}
    query = """SELECT table_name AS name, comment FROM duckdb_tables()
               UNION ALL SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"""
    found = {row["name"]: row["comment"] for row in rows(tmp_path, query)}
    assert found == {name: schema.meaning_of(fields) for name, fields in expected.items()}
    assert len(found) == 45
    query = "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
    columns = {(row["table_name"], row["column_name"]): row["comment"] for row in rows(tmp_path, query)}
    assert columns == {
        (name, field.name): schema.meaning_of(field) for name, fields in expected.items() for field in fields
    }
    assert len(columns) > 150
    assert min(map(len, columns.values())) > 3


def test_types_and_nullability_are_those_of_the_schema(tmp_path):
    publish(tmp_path)
    query = "SELECT table_name, column_name, is_nullable FROM duckdb_columns() WHERE NOT internal"
    nullable = {(row["table_name"], row["column_name"]): row["is_nullable"] for row in rows(tmp_path, query)}
    for name, fields in {**schema.STORED, **views.schemas()}.items():
        with connect(tmp_path) as db:
            found = db.sql(f"SELECT * FROM {name}").to_arrow_table().schema
        assert found.names == fields.names
        for field in fields:
            # what is inside a list has another name and nullability in DuckDB, nothing else differs
            as_given, as_found = (
                re.sub(r" not null|item: |l: |element: ", "", str(kind))
                for kind in (field.type, found.field(field.name).type)
            )
            assert as_found == as_given, (name, field.name)
            assert nullable[name, field.name] is (field.nullable or name not in schema.STORED)


def test_keys_are_columns_that_cannot_be_null():
    """But of events of identity, of which some have a field or another vessel and some have none."""
    for name in schema.STORED:
        key = schema.TABLES.key(name) if name != "identity_events" else ("mmsi", "kind")
        assert not any(schema.STORED[name].field(part).nullable for part in key)


def test_leads_are_current_in_the_area_and_at_or_above_the_cut_off_of_the_newest_run(tmp_path):
    collected = [
        encounter(1, 2, score=1.0),
        encounter(3, 4, score=5.0),
        encounter(5, 6, score=0.5),
        encounter(7, 8, score=9.0, lon=-90.0, lat=28.0),
        encounter(9, 10, score=9.0, lon=None, lat=None, kind="one_dark"),
    ]
    day = output(tmp_path, "a", {"encounters": [*collected, encounter(11, 12, score=7.0)]})
    publish(tmp_path, day, area="dprk", min_score=1.0)
    day = output(tmp_path, "b", {"encounters": collected})
    publish(tmp_path, day, area="dprk", min_score=1.0)
    assert [lead["score"] for lead in queries.leads(tmp_path, 10)] == [5.0, 1.0]
    assert [lead["score"] for lead in rows(tmp_path, "SELECT score FROM flagged_encounters")] == [5.0, 1.0]
    publish(tmp_path, day, area="world", min_score=-3.0, run_id="run-2")
    assert [lead["score"] for lead in queries.leads(tmp_path, 10)] == [9.0, 5.0, 1.0, 0.5]
    assert [lead["score"] for lead in queries.leads(tmp_path, 2)] == [9.0, 5.0]
    assert {row["run_id"] for row in rows(tmp_path, "SELECT run_id FROM encounters")} == {"run-1"}


def test_of_leads_with_equal_scores_comes_first_what_began_first_and_then_by_id(tmp_path):
    """However the slices were cut and given, of a day too."""
    pairs = [(241502000 + k, 311000222) for k in range(4)]
    begins = {"c": 3, "a": 5, "b": 5, "d": 29}  # the last on the day after
    events = {
        name: encounter(start, start + 1, id=name, mmsi_a=a, mmsi_b=b, score=2.0)
        for (name, start), (a, b) in zip(begins.items(), pairs, strict=True)
    }
    for turn in (sorted(events), sorted(events, reverse=True)):
        data = tmp_path / turn[0]
        publish(data, *(output(data, name, {"encounters": [events[name]]}) for name in turn))
        assert [lead["id"] for lead in queries.leads(data, 10)] == ["c", "a", "b", "d"]
        assert [lead["id"] for lead in queries.leads(data, 3)] == ["c", "a", "b"]
        assert [lead["id"] for lead in queries.leads(data, 10, 1)] == ["c", "d"]
        assert [lead["id"] for lead in queries.leads(data, 10, 2)] == ["c", "a", "d"]


def test_of_each_day_so_many_leads_by_the_scores_when_they_closed(tmp_path):
    """A score that ripens later changes the order that is shown, not which leads a day has."""
    collected = [encounter(h, h + 1, mmsi_b=500 + h, score=s) for h, s in ((1, 5.0), (4, 4.0), (7, 4.0), (30, 1.0))]
    publish(tmp_path, output(tmp_path, "a", {"encounters": collected}), area="world", min_score=0.0)
    assert [lead["score"] for lead in queries.leads(tmp_path, 9, 2)] == [5.0, 4.0, 1.0]
    first = [lead["id"] for lead in queries.leads(tmp_path, 9, 1)]
    collected[1] |= {"score": 9.0}
    publish(tmp_path, output(tmp_path, "b", {"encounters": collected}), area="world", min_score=0.0)
    assert [lead["score"] for lead in queries.leads(tmp_path, 9)] == [9.0, 5.0, 4.0, 1.0]
    assert [lead["score"] for lead in queries.leads(tmp_path, 9, 2)] == [9.0, 5.0, 1.0]
    assert [lead["id"] for lead in queries.leads(tmp_path, 9, 1)] == first
    assert queries.leads(tmp_path, 2, 1) == queries.leads(tmp_path, 9, 1)[:2]


def test_the_lake_views_show_the_files_listed_from_any_folder(tmp_path, monkeypatch):
    data = tmp_path / "it's [a] folder"
    listed = [lake_file(data, f"lake/fixes/slab=2023-08-01/{name}.parquet", i) for i, name in enumerate("ab")]
    lake_file(data, "lake/fixes/slab=2023-08-01/c.parquet", 99)
    publish(data, output(data, "a", {"gaps": [gap(1)]}), lake={"fixes": listed})
    monkeypatch.chdir(tmp_path)
    found = rows(data.relative_to(tmp_path), 'SELECT * FROM fixes ORDER BY "offset"')
    assert [row["offset"] for row in found] == [0, 1]
    assert list(found[0]) == schema.FIXES.names
    assert found[0]["more_refs"] == [{"offset": 9, "length": 8}]
    moved = tmp_path / "moved"
    data.rename(moved)
    assert len(rows(moved, "SELECT * FROM fixes")) == 2


def test_files_with_and_without_fields_of_the_sentence_are_one_view(tmp_path):
    collected = {"radio": 5, "raim": True, "utc_second": 63}
    rows_of = {"a.radio.parquet": FIX | {"offset": 0} | collected, "b.parquet": FIX | {"offset": 1}}
    for name, row in rows_of.items():
        kept = [f for f in schema.FIXES if f.name in row or f.name not in collected]
        build.write(tmp_path / name, [row], pa.schema(kept))
    publish(tmp_path, output(tmp_path, "a", {"gaps": [gap(1)]}), lake={"fixes": list(rows_of)})
    found = rows(tmp_path, 'SELECT * FROM fixes ORDER BY "offset"')
    assert [{name: row[name] for name in collected} for row in found] == [collected, dict.fromkeys(collected)]
    assert list(found[0]) == schema.FIXES.names


def test_a_snapshot_keeps_the_lake_files_and_the_cut_off_of_its_own_publication(tmp_path):
    first, second = (lake_file(tmp_path, f"{name}.parquet", i) for i, name in enumerate("ab"))
    publish(tmp_path, lake={"fixes": [first]})
    with connect(tmp_path) as earlier:
        publish(tmp_path, lake={"fixes": [first, second]})
        assert earlier.execute("SELECT count(*) FROM fixes").fetchall() == [(1,)]
    assert rows(tmp_path, "SELECT count(*) AS n FROM fixes") == [{"n": 2}]


def test_what_is_published_is_whole_in_one_file_that_nobody_is_meant_to_write(tmp_path):
    for number in range(3):
        snapshot = publish(tmp_path, output(tmp_path, str(number), {"gaps": [gap(number)]}))
        assert (tmp_path / "stswatch.duckdb").resolve() == snapshot.resolve()
        alone = shutil.copy(snapshot, tmp_path / f"alone-{number}.duckdb")
        with closing(duckdb.connect(alone, read_only=True)) as db:
            assert db.execute("SELECT epoch(start_time) FROM gaps").fetchall() == [(at(number).timestamp(),)]
        ours = snapshot.parent / "pristine" / snapshot.name
        assert ours.read_bytes() == snapshot.read_bytes()
        assert not (ours.stat().st_mode | snapshot.stat().st_mode) & 0o222
    names = sorted(path.name for path in (tmp_path / "snapshots").rglob("*.*"))
    assert names == sorted(
        [*("000001.duckdb", "000002.duckdb", "000003.duckdb") * 2, *(f"00000{n}.json" for n in (1, 2, 3))]
    )
    assert not list(tmp_path.rglob("*.wal"))
    assert not os.path.isabs(os.readlink(tmp_path / "stswatch.duckdb"))


def test_what_cannot_be_opened_is_said_with_a_remedy(tmp_path):
    with pytest.raises(StoreError, match="no such folder; `stswatch run"):
        connect(tmp_path / "none")
    with pytest.raises(StoreError, match=r"holds no stswatch\.duckdb; `stswatch run"):
        connect(tmp_path)
    (tmp_path / "stswatch.duckdb").write_bytes(b"not a database" * 500)
    with pytest.raises(StoreError, match="cannot be opened"):
        connect(tmp_path)
    with pytest.raises(StoreError, match="comma"):
        publish(tmp_path / "a,b")
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "work.duckdb").write_bytes(b"not a database" * 500)
    with pytest.raises(StoreError, match="remove the folder"):
        publish(tmp_path)


def test_a_working_database_of_other_tables_is_refused(tmp_path):
    publish(tmp_path)
    with closing(open_work(tmp_path)) as work:
        work.execute("UPDATE layout SET statements = 'CREATE TABLE other (a INTEGER)'")
    with pytest.raises(StoreError, match="another version of stswatch; `stswatch rebuild`"):
        publish(tmp_path)


HOLDER = """
import sys
from pathlib import Path
from stswatch.pipeline.store.database import open_work
work = open_work(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_two_runs_do_not_load_into_one_folder_at_once(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match="another run is loading"):
            publish(tmp_path)
        holder.stdin.close()
    publish(tmp_path)


def test_an_encounter_is_found_by_its_id_or_the_beginning_of_it(tmp_path):
    publish(
        tmp_path,
        output(
            tmp_path,
            "a",
            {"encounters": [encounter(1, 3, id="E1"), encounter(5, 7, id="E12"), encounter(9, 10, id="F%_")]},
        ),
    )
    changed = [encounter(1, 4, id="E1"), encounter(5, 7, id="E12"), encounter(9, 10, id="F%_")]
    publish(tmp_path, output(tmp_path, "b", {"encounters": changed}))
    found = queries.encounter(tmp_path, "E1")
    assert (found["id"], found["revision"], found["end_time"]) == ("E1", 2, at(4))
    assert found["reasons"] == changed[0]["reasons"]
    assert queries.encounter(tmp_path, "E12")["id"] == "E12"
    assert queries.encounter(tmp_path, "F")["id"] == "F%_"
    with pytest.raises(StoreError, match=r"'E' begins several encounters \(E1, E12\); give more"):
        queries.encounter(tmp_path, "E")
    for unknown in ("", "G", "%", "E123", "_"):
        with pytest.raises(StoreError, match="stswatch leads"):
            queries.encounter(tmp_path, unknown)


def test_the_summary_counts_every_table(tmp_path):
    day = output(tmp_path, "a", {"encounters": [encounter(1, 3, score=-1.0), encounter(5, 6)], "gaps": [gap(1)]})
    publish(tmp_path, day)
    publish(tmp_path, output(tmp_path, "b", {"encounters": [encounter(5, 6)]}))
    counts = queries.summary(tmp_path)
    assert counts == dict.fromkeys(schema.STORED, 0) | {
        "runs": 1,
        "encounters": 2,
        "current_encounters": 1,
        "flagged_encounters": 1,
        "event_revisions": 1,
    }
