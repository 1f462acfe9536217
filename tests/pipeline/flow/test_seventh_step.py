"""The local engine is a loop over the table: a seventh step runs in it as it is, with its shards and its state."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stswatch.pipeline.batch import Result
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.flow.run import run
from stswatch.pipeline.readers.formats import open_source
from stswatch.pipeline.routes import by_pair, to_all
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, Step
from stswatch.pipeline.store.states import StateFiles
from tests.pipeline.flow import archive

SEEN = pa.schema([pa.field("id", pa.string())])
SHARDS = 3


def remembers(state, batch, rules):
    """Keeps the id of every encounter that came its way."""
    collected = batch.table("encounters").select(["id"]).cast(SEEN)
    return Result({"seen": pa.concat_tables([state["seen"], collected]).combine_chunks()}, {})


SEVENTH = Step("remembers", remembers, {"encounters": by_pair}, (), {"seen": SEEN})


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    rows = archive.fleet(hours=24.0, pairs=12, anchored=4, fast=0)
    return [open_source(archive.write(tmp_path_factory.mktemp("sea") / "a.parquet", rows))]


def done(data, sea, steps):
    engine = Engine(slice_h=8.0, shards=SHARDS, workers=1, steps=steps)
    run(data, sea, Rules(), "world", engine, lambda stage, done, of: None)
    return archive.published(data)


@pytest.fixture(scope="module")
def six(sea, tmp_path_factory):
    data = tmp_path_factory.mktemp("six")
    done(data, sea, STEPS)
    return data


def test_a_seventh_step_runs_without_a_change_to_the_engine(sea, six, tmp_path):
    archive.assert_same(archive.published(six), done(tmp_path, sea, (*STEPS, SEVENTH)))
    manifests = {tmp_path / "slices" / name: collected for name, collected in archive.manifests(tmp_path).items()}
    in_order = sorted(manifests, key=lambda folder: manifests[folder]["slice"]["start_us"])
    assert len(in_order) == 3
    given = [folder / name for folder in in_order[:2] for name in manifests[folder]["files"]["encounters"]]
    expected = [i for path in given for i in pq.read_table(path)["id"].to_pylist()]
    states = StateFiles(in_order[1] / "state", Rules().events_fingerprint())
    kept = [states.read("remembers", k, SEVENTH.state)["seen"] for k in range(SHARDS)]
    assert [rows.num_rows > 0 for rows in kept] == [True] * SHARDS
    assert sorted(i for rows in kept for i in rows["id"].to_pylist()) == sorted(expected)
    assert len(expected) > 10


def test_slices_of_another_table_of_steps_are_others(sea, six, tmp_path):
    done(tmp_path, sea, (*STEPS, SEVENTH))
    assert len(archive.slices(tmp_path)) == 3
    assert not archive.slices(six).keys() & archive.slices(tmp_path).keys()


def test_a_step_that_fails_leaves_no_slice_behind(sea, tmp_path):
    def fails(state, batch, rules):
        """Breaks in the last slice."""
        if batch.final:
            raise ArithmeticError("not this one")
        return Result({}, {})

    with pytest.raises(ArithmeticError, match="not this one"):
        done(tmp_path, sea, (*STEPS, Step("fails", fails, {"encounters": by_pair}, ())))
    assert len(archive.slices(tmp_path)) == 2
    assert not (tmp_path / "stswatch.duckdb").exists()


def test_a_table_that_does_not_fit_is_refused_before_anything_is_read(sea, tmp_path):
    with pytest.raises(ValueError, match="takes sightings"):
        done(tmp_path, sea, (*STEPS, Step("odd", remembers, {"sightings": to_all}, ())))
    assert not (tmp_path / "lake").exists()
