"""Owns: a run comes again from what it noted of itself, and what lacks or differs is named."""

from __future__ import annotations

import shutil

import pytest

from stswatch.pipeline import api
from stswatch.pipeline.evidence import reproduce as room
from stswatch.pipeline.evidence.reproduce import Reproduced, as_json, as_text
from tests.pipeline import damage

MAP = """
receiver = "terrestrial"
[columns]
mmsi = "who"
time = "when"
lon = "x"
lat = "y"
sog_kn = "fast"
[time]
zone = "Asia/Seoul"
"""


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """A folder of a run over tables of names of their own, by a map that is gone by now."""
    top = tmp_path_factory.mktemp("mapped")
    files = damage.archives(top)
    for path in files:
        text = path.read_text().replace("mmsi,time,lon,lat,sog,name", "who,when,x,y,fast,name").replace("Z,", ",")
        path.write_text(text)
    (top / "map.toml").write_text(MAP)
    api.run(files, top / "data", area="world", columns=top / "map.toml", licence="none", scorecard="rules")
    (top / "map.toml").unlink()
    return files, top / "data"


def test_a_run_comes_again_as_it_was_asked_for(mapped):
    _, data = mapped
    found = api.reproduce(data)
    assert found.first_fault() is None
    assert found.notes == []
    assert found.rows["encounters"] >= 1
    assert "came again" in as_text(found)
    assert as_json(found)["equal"]


def test_a_file_that_is_gone_is_named(mapped, tmp_path):
    files, data = mapped
    there = shutil.move(files[1], tmp_path / "b")
    try:
        found = api.reproduce(data)
        assert "b.csv: is not there" in found.first_fault()
        assert "b.csv" in as_text(found)
        assert api.reproduce(data, files=[tmp_path]).first_fault() is None
    finally:
        shutil.move(there, files[1])


def test_a_run_that_found_nothing_comes_again(tmp_path):
    (tmp_path / "one.csv").write_text("mmsi,time,lon,lat\n241502000,2025-03-10T00:00:00Z,124.5,38.2\n")
    api.run([tmp_path / "one.csv"], tmp_path / "data", area="world")
    found = api.reproduce(tmp_path / "data")
    assert found.first_fault() is None
    assert as_text(found).endswith("came again: equal are its tables, which are empty")
    assert api.verify(tmp_path / "data", every=True).first_fault() is None


@pytest.mark.e2e
def test_an_earlier_run_is_compared_by_what_it_wrote(tmp_path):
    files = damage.archives(tmp_path)
    api.run(files[:2], tmp_path / "data", area="world")
    first = api.run_of(tmp_path / "data")["run_id"]
    api.run(files[2:], tmp_path / "data", area="world")
    assert api.reproduce(tmp_path / "data").first_fault() is None
    found = api.reproduce(tmp_path / "data", first)
    assert found.first_fault() is None
    assert found.rows.keys() == {"encounters"}


def test_what_differs_is_named(met, mapped):
    found = Reproduced("one")
    room._compare(met[1], mapped[1], found, whole=True)
    assert found.first_fault().startswith("run one is not reproduced: it found ")
    assert "encounters" in found.missing
