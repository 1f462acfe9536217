"""What a notebook calls: one run, a connection to read, leads, one encounter, the rules of the run."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from stswatch.geo.reference.zones import AreaError
from stswatch.pipeline import api, schema
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.store.database import StoreError
from tests.pipeline.flow import archive

SEA = {"hours": 12.0, "pairs": 24, "anchored": 4, "fast": 0}
LOW = replace(Rules(), lead=replace(Rules().lead, min_score=-20.0))  # every encounter in the area is a lead


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return archive.write(tmp_path_factory.mktemp("sea") / "a.csv", archive.fleet(**SEA))


@pytest.fixture(scope="module")
def collected():
    return []


@pytest.fixture(scope="module")
def world(file, tmp_path_factory, collected):
    """A run for leads anywhere."""
    data = tmp_path_factory.mktemp("world") / "data"
    return api.run([file], data, area="world", rules=LOW, slice_h=6.0, tell=lambda *stage: collected.append(stage))


def data_of(summary):
    return summary.database.parent


def test_the_summary_is_what_the_database_holds(world, file):
    with closing(api.connect(data_of(world))) as db:
        for name in schema.STORED:
            assert db.execute(f"SELECT count(*) FROM {name}").fetchall() == [(world.counts[name],)]
    assert world.counts == api.counts(data_of(world))
    (source,) = world.sources
    assert source["path"] == str(file)
    assert source["sentences"] == source["fixes"] + source["rejects"] == archive.fleet(**SEA).num_rows
    assert source["reasons"] == [{"source": source["source"], "reason": "no_mmsi", "count": archive.BAD_ROWS}]
    assert world.counts["encounters"] >= 30


def test_a_run_tells_each_stage_from_its_begin_to_its_end(world, collected):
    stages = list(dict.fromkeys(stage for stage, _, _ in collected))
    assert stages == ["read", "slices", "load"]
    done = [(n, of) for stage, n, of in collected if stage == "slices"]
    assert [n for n, _ in done] == sorted(n for n, _ in done)
    assert done[-1][0] == done[-1][1] > 10_000
    assert len(done) == 2
    assert [n for stage, n, _ in collected if stage == "read"][-1] == world.sources[0]["sentences"]


def test_leads_are_the_flagged_encounters_highest_first(world):
    data = data_of(world)
    leads = api.leads(data, 1000)
    assert len(leads) == world.counts["flagged_encounters"] == world.counts["current_encounters"] >= 30
    assert [row["score"] for row in leads] == sorted((row["score"] for row in leads), reverse=True)
    assert api.leads(str(data), 5) == leads[:5]
    assert api.leads(data, 0) == []


def test_one_encounter_comes_with_its_vessels_and_its_run(world):
    data = data_of(world)
    lead = api.leads(data, 1)[0]
    row = api.encounter(data, lead["id"])
    assert {name: row[name] for name in lead} == lead
    assert set(row["vessels"]) == {row["mmsi_a"], row["mmsi_b"]}
    assert row["run"]["run_id"] == row["run_id"]
    assert json.loads(row["run"]["rules"]) == json.loads(LOW.to_json()) == json.loads(api.run_of(data)["rules"])
    assert sum(reason["points"] for reason in row["reasons"]) == pytest.approx(row["score"], abs=1e-9)
    assert api.encounter(data, lead["id"][:9])["id"] == lead["id"]
    with pytest.raises(StoreError, match="no encounter"):
        api.encounter(data, "X")


def test_the_area_selects_leads_and_never_cuts_tracks(world, file, tmp_path):
    square = tmp_path / "square.geojson"
    shape = {"type": "Polygon", "coordinates": [[[19, 77], [21, 77], [21, 79], [19, 79], [19, 77]]]}
    square.write_text(json.dumps(shape))
    everywhere = archive.published(data_of(world))
    inside = {}
    for area in ("dprk", str(square)):
        found = api.run([file], tmp_path / "data", area=area, rules=LOW, slice_h=6.0)
        tables = archive.published(tmp_path / "data")
        inside[area] = tables["encounters"]["in_area"].to_pylist()
        named = tables["encounters"]["area_zones"].to_pylist()
        assert named == [["square"] if here and area != "dprk" else [] for here in inside[area]]
        for name, rows in everywhere.items():
            plain = list(schema.AREA_COLUMNS) if name == "encounters" else []
            assert tables[name].drop_columns(plain).equals(rows.drop_columns(plain)), name
        assert found.counts["flagged_encounters"] == sum(inside[area])
        assert 0 < sum(inside[area]) < world.counts["current_encounters"]
    assert len(archive.slices(tmp_path / "data")) == 2
    lon, lat = (np.asarray(everywhere["encounters"][name]) for name in ("lon", "lat"))
    assert inside[str(square)] == ((lon > 19) & (lon < 21) & (lat > 77) & (lat < 79)).tolist()
    with pytest.raises(AreaError, match="mars"):
        api.run([file], tmp_path / "other", area="mars")


def test_a_folder_stands_for_its_files(world, tmp_path):
    rows = archive.fleet(**SEA)
    half = rows.num_rows // 2
    archive.write(tmp_path / "in" / "deep" / "a.csv.gz", rows[:half])
    archive.write(tmp_path / "in" / "b.parquet", rows[half:])
    (tmp_path / "in" / ".hidden").write_bytes(b"no archive")
    found = api.run([tmp_path / "in"], tmp_path / "data", area="world", rules=LOW)
    assert {Path(s["path"]).name for s in found.sources} == {"a.csv.gz", "b.parquet"}
    archive.assert_same(archive.published(data_of(world)), archive.published(tmp_path / "data"))


def test_a_connection_reads_and_does_not_write_from_any_folder(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with closing(api.connect(data_of(world))) as db:
        fixes = db.execute("SELECT count(*), count(DISTINCT source) FROM fixes").fetchall()
        assert fixes == [(world.sources[0]["fixes"], 1)]
        with pytest.raises(Exception, match="read-only"):
            db.execute("DELETE FROM encounters")


def test_a_second_run_over_another_sea_adds_to_the_folder(file, tmp_path):
    later = archive.fleet(**SEA, seed=5, start_s=1_741_564_800.0 + 86_400 * 10)
    one = api.run([file], tmp_path, area="world").counts
    two = api.run([archive.write(tmp_path / "later.parquet", later)], tmp_path, area="world").counts
    assert (one["runs"], two["runs"]) == (1, 2)
    assert two["sources"] == 2
    assert two["current_encounters"] > one["current_encounters"] >= 30
    with closing(api.connect(tmp_path)) as db:
        silent = db.execute("SELECT count(*) FROM gaps WHERE ending = 'track_ended'").fetchall()[0][0]
    assert silent >= 30, "ten days without a fix end a track"


def test_the_api_is_light_until_it_is_used():
    heavy = ("apache_beam", "duckdb", "pyarrow")
    script = f"import sys, stswatch.pipeline.api; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_detect_finds_in_memory_what_a_run_finds_in_the_file(world, file):
    given = archive.fleet(**SEA)
    with closing(api.connect(data_of(world))) as db:
        stored = db.sql("SELECT * FROM encounters ORDER BY mmsi_a, mmsi_b, start_time").to_arrow_table()
    for fixes in (given, given.to_pandas()):
        found = api.detect(fixes, rules=LOW)
        assert len(found) == stored.num_rows >= 30
        for name in found.columns.drop(["geometry", "reasons", "zones"]):
            assert found[name].equals(stored[name].to_pandas().astype(found[name].dtype)), name
        assert (found.geometry.x == found.lon).all()
        assert found.crs.to_epsg() == 4326


def test_detect_says_which_column_lacks():
    with pytest.raises(ValueError, match="has no column for lon"):
        api.detect(archive.fleet(**SEA).drop_columns(["lon"]))
    assert len(api.detect(archive.fleet(**SEA).slice(0, 0))) == 0


@pytest.mark.parametrize(
    "given", ["2024-01-31T12:00:00Z", "2024-01-31T21:00+09:00", datetime(2024, 1, 31, 12, tzinfo=UTC)]
)
def test_a_start_time_is_text_or_a_datetime_with_its_zone(tmp_path, given):
    capture = tmp_path / "a.nmea"
    capture.write_text("!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24\n")
    times = api.decode(capture, start_time=given).fixes["time"].to_pylist()
    assert times == [datetime(2024, 1, 31, 12, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        (datetime(2024, 1, 31, 12), "start_time 2024-01-31 12:00:00: names no zone; end it with Z for UTC"),
        ("2024-01-31T12:00:00", "start_time 2024-01-31T12:00:00: names no zone"),
        ("noon", "start_time 'noon': is no time; give one such as 2024-01-31T12:00:00Z"),
        (1706702400, "start_time 1706702400: is no time"),
    ],
)
def test_a_start_time_that_cannot_be_used_is_refused_in_a_sentence(tmp_path, given, printed):
    capture = tmp_path / "a.nmea"
    capture.write_text("!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24\n")
    with pytest.raises(ValueError, match=printed):
        api.decode(capture, start_time=given)
