"""Owns: whatever is damaged in a data folder is named or has no effect, never another answer, and all can be mended."""

from __future__ import annotations

import random
import re
import shutil
from contextlib import closing
from dataclasses import replace

import pytest

from stswatch.pipeline import api, rules
from tests.pipeline import damage
from tests.pipeline.flow import archive

pytestmark = pytest.mark.e2e

OTHER = replace(rules.Rules(), lead=replace(rules.Rules().lead, min_score=0.25))
WHERE = {  # what is damaged, by the name of a kind -> files in the folder
    "positions": "lake/fixes/*/*.parquet",
    "names": "lake/static_reports/*/*.parquet",
    "catalogue": "catalogue.sqlite",
    "found": "slices/*/*.parquet",
    "states": "slices/*/state/*.arrow",
    "database": "db/work.duckdb",
    "snapshot": "snapshots/*.duckdb",
    "pristine": "snapshots/pristine/*",
}


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    """Three files, a folder with what a run over two of them left, and what a run over all of them publishes."""
    top = tmp_path_factory.mktemp("sea")
    files = damage.archives(top)
    archive.run(top / "two", files[:2], slice_h=6.0)
    whole = archive.run(top / "three", files, slice_h=6.0)
    assert whole["encounters"].num_rows
    assert whole["coverage"].num_rows
    return files, top / "two", whole


def spoilt(sea, tmp_path, seed, *kinds, how="flip"):
    """A copy of the folder with a file of each of these kinds damaged; gives the folder and the files."""
    rng = random.Random(seed)
    data = tmp_path / f"data{seed}"
    shutil.copytree(sea[1], data, symlinks=True)
    paths = [rng.choice(sorted(path for path in data.glob(WHERE[kind]) if path.stat().st_size)) for kind in kinds]
    for path in paths:
        damage.spoil(path, how or rng.choice(damage.KINDS), rng)
    return data, paths


def held(sea, data, paths, everything_anew):
    """Go on in a damaged folder: named or without effect; then give all again, and all is as it should be."""
    files, _, whole = sea
    anew = {"rules": OTHER} if everything_anew else {}
    printed = tried(lambda: assert_equal(archive.run(data, files[2:], slice_h=6.0, **anew), whole))
    assert any(path.name in printed for path in paths) or "stswatch.duckdb" in printed or not printed, printed
    assert "without a remedy" not in printed, printed
    assert "/lake/" not in printed or re.search(r"[ab]\.csv", printed), printed
    for _ in (printed, "once more"):
        if "remove the folder db" in printed:
            shutil.rmtree(data / "db")
        if "remove it and the folder lake" in printed:
            (data / "catalogue.sqlite").unlink(missing_ok=True)
            shutil.rmtree(data / "lake")
        printed = tried(lambda: assert_equal(archive.run(data, files, slice_h=6.0), whole))
        assert not printed or "remove " in printed, printed
    assert not printed


def tried(call):
    """What is said where a call fails; "" where it does not."""
    try:
        call()
    except ValueError as error:
        if type(error).__module__.startswith("stswatch."):
            printed = str(error)
            remedy = r"give \S+ again|remove the folder db|publishes it anew|run again|and run again with all archives"
            remedy += r"|give the file whose SHA-256 begins with \w+ .+ again"
            return printed if re.search(remedy, printed) else f"{printed} (without a remedy)"
        raise
    return ""


def assert_equal(found, whole):
    one, other = ({name: rows.to_pylist() for name, rows in tables.items()} for tables in (found, whole))
    assert one == other


@pytest.mark.parametrize("kind", ["positions", "catalogue", "states", "found", "database"])
def test_a_flipped_bit_is_named_or_without_effect_and_can_be_mended(sea, tmp_path, kind):
    held(sea, *spoilt(sea, tmp_path, sorted(WHERE).index(kind), kind), everything_anew=kind == "positions")


@pytest.mark.parametrize("how", ["delete", "empty"])
def test_a_catalogue_that_is_gone_is_missed_and_named(sea, tmp_path, how):
    data, _ = spoilt(sea, tmp_path, 1, "catalogue", how=how)
    with pytest.raises(
        ValueError, match=r"catalogue\.sqlite: is (not there|empty), though .+ remove it and the folder"
    ):
        api.run(sea[0][2:], data, slice_h=6.0, area="world")
    (data / "catalogue.sqlite").unlink(missing_ok=True)
    shutil.rmtree(data / "lake")
    assert_equal(archive.run(data, sea[0], slice_h=6.0), sea[2])


def test_a_catalogue_whose_tables_have_no_text_for_a_name_is_damaged(sea, tmp_path):
    """SQLite then speaks in bytes that are no text either."""
    data, _ = spoilt(sea, tmp_path, 5)
    path = data / "catalogue.sqlite"
    content = path.read_bytes()
    assert b"CREATE TABLE sources" in content
    path.write_bytes(content.replace(b"CREATE TABLE sources", b"CREATE TABLE\xff\xc2urces"))
    with pytest.raises(ValueError, match=r"catalogue\.sqlite: is damaged \(.+\); remove it and the folder lake"):
        api.run(sea[0][2:], data, slice_h=6.0, area="world")


def test_a_folder_of_an_older_version_is_refused_and_what_to_do_said(sea, tmp_path):
    (tmp_path / "data" / "lake" / "ledger").mkdir(parents=True)
    with pytest.raises(
        ValueError, match=r"not there, though .+ as an older version .+ and run again with all archives"
    ):
        api.run(sea[0][2:], tmp_path / "data", slice_h=6.0, area="world")
    assert list((tmp_path / "data").glob("catalogue*")) == []


def test_a_damaged_row_names_its_source_which_is_read_again_where_it_is_given(sea, tmp_path):
    data, _ = spoilt(sea, tmp_path, 4)
    path = data / "catalogue.sqlite"
    content = path.read_bytes()
    at = content.index(b'"slab_us":2') + 10
    path.write_bytes(content[:at] + b"3" + content[at + 1 :])
    with pytest.raises(ValueError, match=r"its row \w+ in sources.+; give the file whose SHA-256 begins with"):
        api.run(sea[0][2:], data, slice_h=6.0, area="world")
    assert_equal(archive.run(data, sea[0], slice_h=6.0), sea[2])


def test_a_damaged_source_is_read_again_by_itself_where_it_is_given(sea, tmp_path):
    data, (path,) = spoilt(sea, tmp_path, 2, "positions", how="truncate")
    assert_equal(archive.run(data, sea[0], slice_h=6.0), sea[2])
    assert path.read_bytes() == (sea[1] / path.relative_to(data)).read_bytes()


def test_no_picture_is_drawn_of_damaged_positions(sea, tmp_path):
    data, _ = spoilt(sea, tmp_path, 3)
    with closing(api.connect(data)) as db:
        encounter = db.sql("SELECT min(id) FROM encounters").fetchall()[0][0]
    for path in data.glob(WHERE["positions"]):
        damage.flip(path, random.Random(3))
    with pytest.raises(ValueError, match=r"\.parquet: is damaged \(its checksum.*give \S+[ab]\.csv again"):
        api.draw_encounter(tmp_path / "a.png", data, encounter)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(125))
def test_500_files_damaged_in_any_way_four_at_a_time(sea, tmp_path, seed):
    rng = random.Random(seed)
    kinds = rng.sample(sorted(WHERE), 4)
    data, paths = spoilt(sea, tmp_path, seed, *kinds, how=None)
    held(sea, data, paths, everything_anew=rng.random() < 0.5)
    shutil.rmtree(data)
