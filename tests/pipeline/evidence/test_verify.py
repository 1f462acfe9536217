"""Owns: `verify` reads back what decides an event, says of each number whether it follows, and claims nothing else."""

from __future__ import annotations

import gzip
import json
import shutil
import time
import zipfile
from dataclasses import replace

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from stswatch.pipeline import api, schema
from stswatch.pipeline.evidence.lake_fixes import Deciding, Lake
from stswatch.pipeline.evidence.vault import Vault, known_sources
from stswatch.pipeline.evidence.verify import verify_all
from stswatch.pipeline.evidence_commands import as_json, as_text
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.live.reconcile import reconcile
from stswatch.pipeline.options import ReadOptions
from stswatch.pipeline.readers.formats import open_sources
from stswatch.pipeline.spool.clock import RecordedClock
from stswatch.pipeline.spool.writer import Limits, Spool
from stswatch.pipeline.store import publish
from stswatch.pipeline.store.catalogue import Catalogue
from tests.pipeline import damage
from tests.pipeline.evidence.test_dark import altered
from tests.pipeline.live.replay import WORLD, lines
from tests.pipeline.readers import one_vessel
from tests.recording import RECORDING


def follows(report):
    return report.first_fault() is None and report.events and not report.absent


def read_back(report):
    """How many rows were held against bytes, of which nothing was left open."""
    return sum(not held.unchecked for event in report.events for held in event.read)


def test_the_whole_of_a_folder_follows_twice(met):
    _, data = met
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file()}
    for _ in range(2):
        report = api.verify(data, every=True)
        assert follows(report), report.first_fault()
        assert read_back(report) == sum(len(event.rows) for event in report.events) > 5
        assert {"sources", "lake files", "slice files", "states", "snapshots"} <= report.checked.keys()
    assert before == {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_file() and path in before}


def test_one_event_names_its_bytes(met):
    files, data = met
    report = api.verify(data)
    assert follows(report)
    (event,) = report.events
    roles = {role for row in event.rows for role in row.roles}
    assert {"first", "nearest", "last"} <= roles
    every = api.verify(data, event.id, every_fix=True).events[0]
    assert len(every.rows) > len(event.rows)
    assert all(row.refs[0] in {ref for each in every.rows for ref in each.refs} for row in event.rows)
    for row in event.rows:
        ref = row.refs[0]
        content = next(path.read_bytes() for path in files if ref.source in source_ids(data, path))
        assert str(row.row["mmsi"]).encode() in content[ref.offset : ref.offset + ref.length]
    printed = as_json(report)
    assert json.loads(json.dumps(printed))["events"][0]["id"] == event.id
    assert "follows" in as_text(report)


def source_ids(data, path):
    with api.connect(data) as db:
        return {row[0] for row in db.sql(f"SELECT source FROM sources WHERE path = '{path}'").fetchall()}


def test_a_file_that_went_elsewhere_is_found_and_one_that_is_gone_is_named(met, tmp_path):
    files, data = met
    away = tmp_path / "away"
    away.mkdir()
    moved = [shutil.move(path, away / f"renamed{k}") for k, path in enumerate(files)]
    try:
        report = api.verify(data)
        assert report.first_fault() is None
        assert read_back(report) == 0
        assert all("is not there" in phrase for phrase in report.events[0].unchecked[:-1])
        assert len(api.verify(data, every=True).absent) == len(files)
        assert read_back(api.verify(data, files=[away])) == len(report.events[0].rows)
    finally:
        for path, there in zip(files, moved, strict=True):
            shutil.move(there, path)


def packed(path, text, how):
    if how == "zip":
        with zipfile.ZipFile(path.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as out:
            out.writestr("folder/a.csv", text)
        return path.with_suffix(".zip")
    if how == "parquet":
        pq.write_table(pacsv.read_csv(path), path.with_suffix(".parquet"), row_group_size=50)
        return path.with_suffix(".parquet")
    there = path.with_name(f"{path.name}.gz")
    there.write_bytes(gzip.compress(text))
    return there


@pytest.mark.parametrize("how", ["zip", "gz", "parquet"])
def test_a_packed_table_follows(how, tmp_path):
    path = damage.archives(tmp_path)[0]
    rest = damage.archives(tmp_path)[1:]
    api.run([packed(path, path.read_bytes(), how), *rest], tmp_path / "data", area="world")
    report = api.verify(tmp_path / "data", every=True)
    assert follows(report), report.first_fault()
    assert read_back(report) > 5


OPEN = ("mapped",)  # of which a plain reading leaves some open: a map says how times and numbers are written


@pytest.mark.parametrize("name", one_vessel.FORMATS)
def test_every_format_is_read_back(name, tmp_path):
    """Each row of the lake, not those alone that decide a meeting; a value that is another one is named."""
    (tmp_path / "file").write_bytes(one_vessel.FORMATS[name][1])
    (tmp_path / "map.toml").write_text(one_vessel.MAP)
    asked = ReadOptions(columns=tmp_path / "map.toml" if name == "mapped" else None)
    source = open_sources(tmp_path / "file", asked).sources[0]
    with Catalogue.open(tmp_path) as catalogue:
        ingest(catalogue, {}, [source], 86_400_000_000, Engine(), lambda sentences: None)
    known = known_sources(tmp_path)
    lake = Lake(tmp_path, [(part, 86_400_000_000) for part in known[source.source].parts], {}, False)
    vault, rows = Vault(tmp_path, known), list[Deciding]()
    for table in ("fixes", "static_reports"):
        found = lake.rows(table, [one_vessel.MMSI], (0, 1 << 60))
        rows += found.deciding({k: ["all"] for k in range(found.kept.num_rows)}).values()
    held = vault.held_against(rows).values()
    assert len(held) >= 2
    assert [each.differs for each in held if each.differs] == []
    assert all(name in OPEN or not each.unchecked for each in held), held
    moved = [replace(row, row={**row.row, "mmsi": 431000002}) for row in rows]
    assert all("mmsi" in (*each.differs, *each.unchecked)[0] for each in vault.held_against(moved).values())


def test_the_command_says_in_a_sentence_what_does_not_follow(met, tmp_path, say):
    files, data = met
    whole = files[0].read_bytes()
    assert say("verify", "--data", data)[0] == 0
    try:
        files[0].write_bytes(whole.replace(b"38.00010", b"38.00011", 1))
        for words in (("verify", "--all"), ("verify",)):
            code, out, err = say(*words, "--data", data, "--quiet")
            assert (code, out) == (1, "")
            assert err.count("\n") == 1
            assert "a.csv: is not what was read" in err
    finally:
        files[0].write_bytes(whole)


@pytest.mark.e2e
def test_a_spool_follows(tmp_path):
    spool = Spool(tmp_path / "spool", "rec", "nmea", RecordedClock(), Limits(sync_s=0.0))
    text = lines(3.1)
    for at in range(0, len(text), 400):
        spool.append(b"".join(text[at : at + 400]))
    spool.close()
    reconcile(tmp_path, WORLD)
    report = api.verify(tmp_path, every=True)
    assert follows(report), report.first_fault()
    assert report.checked["spool segments"] > 1
    assert read_back(report) > 20


@pytest.mark.e2e
def test_all_of_the_recording_follows_and_comes_again(tmp_path, say):
    data = tmp_path / "data"
    assert say("run", RECORDING, "--data", data, "--quiet")[0] == 0
    code, out, err = say("verify", "--all", "--data", data, "--json", "--quiet")
    assert code == 0, err
    found = json.loads(out)
    assert found["follows"]
    assert len(found["events"]) > 90
    assert all(event["raw_refs"] for event in found["events"])
    code, out, err = say("reproduce", "--data", data, "--quiet")
    assert (code, "came again" in out) == (0, True), err
    begun = time.process_time()
    events = len(api.verify(data, every=True).events)
    some = verify_all(data, at_once=17)
    assert ([each.id for each in some.events], some.first_fault()) == ([each["id"] for each in found["events"]], None)
    assert 2 * events / (time.process_time() - begun) > 40  # 180 on a quiet machine, 210 where there are more of them
    a_number_of_a_dark_meeting_is_altered(data)


def a_number_of_a_dark_meeting_is_altered(data):
    """A row for each column: published so, each is named, by id and column, and nothing else is."""
    with api.connect(data) as db:
        rows = db.sql("FROM dark_meetings ORDER BY kind, id").to_arrow_table().to_pylist()
    alike, names = dict.fromkeys(("one_dark", "both_dark"), 0), {}
    for name in schema.DARK_MEETINGS.names:
        row = next((row for row in rows if row["id"] not in names and altered(row, name) is not None), None)
        if row is not None and name != "id":
            alike[row["kind"]] += 1
            names[row["id"]] = name
            row[name] = altered(row, name)
    assert min(alike.values()) >= 5
    publish.republish(data, lambda made: {"dark_meetings": pa.Table.from_pylist(rows, schema=schema.DARK_MEETINGS)})
    report = api.verify(data, every=True)
    wrong = {event.id: ", ".join(event.differs) for event in report.events if not event.follows}
    assert wrong.keys() == names.keys()
    assert all(name in wrong[row_id] for row_id, name in names.items())
    first = next(iter(names))
    assert names[first] in api.verify(data, first).first_fault()


@pytest.mark.e2e
@pytest.mark.parametrize("name", ["baltic_2018-04-01_renumbered", "gulf_mexico_2023-08-01_to_12"])
def test_what_real_ships_did_follows(name, real, tmp_path):
    api.run(real / "decoded" / f"{name}.csv.gz", tmp_path, area="world")
    report = api.verify(tmp_path, every=True)
    assert follows(report), report.first_fault()
    assert read_back(report) > 60
