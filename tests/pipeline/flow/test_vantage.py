"""Owns: what a watch says stands so far is what the six steps say of the same data as a whole, from any final hour."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stswatch.geo.reference.zones import area
from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR, MINUTE
from stswatch.pipeline.flow import slices
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.row import Engine, planned, run_row
from stswatch.pipeline.flow.slices import committed
from stswatch.pipeline.live.provisional import Provisional
from stswatch.pipeline.readers.formats import open_source
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, InMemory, at_once
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import entries
from stswatch.pipeline.store.revisions import RUNNING
from tests.pipeline import seas
from tests.pipeline.flow import archive

SHARDS = 5
NOT_MEASURED = ["id", "run_id", "revision", "status"]


@pytest.fixture(scope="module")
def rows():
    """A sea of which no fix is left out by keeping one a minute."""
    found = archive.fleet(hours=9.0, pairs=24, anchored=6, fast=4)
    found = found.slice(0, found.num_rows - archive.BAD_ROWS)
    minute = pa.array(np.asarray(found["time"]) // 60_000)
    first = found.append_column("minute", minute).append_column("row", pa.array(np.arange(found.num_rows)))
    kept = first.group_by(["mmsi", "minute"], use_threads=False).aggregate([("row", "min")])["row_min"]
    return found.take(np.sort(np.asarray(kept)))


def lake(rows):
    return seas.fixes(
        rows["mmsi"].cast(pa.int32()),
        np.asarray(rows["time"]) * 1000,
        rows["lon"],
        rows["lat"],
        rows["sog_kn"].to_numpy(),
        "unknown",
    )


@pytest.fixture(scope="module")
def finalized(rows, tmp_path_factory):
    """The states after the fifth hour, by the engine of archives."""
    data = tmp_path_factory.mktemp("finalized")
    source = open_source(archive.write(data / "a.parquet", rows))
    until_us = int(np.asarray(rows["time"]).min()) * 1000 // HOUR * HOUR + 5 * HOUR
    engine = Engine(slice_h=1.0, shards=SHARDS)
    with Catalogue.open(data) as catalogue:
        ingest(catalogue, {}, [source], HOUR, Engine(), lambda _: None)
        row = planned(entries(catalogue), Rules(), HOUR, engine, until_us)
        run_row(catalogue, row, Rules(), engine, lambda *_: None)
        last = committed(catalogue)[row[-1].key]
    assert row[-1].watermark_us == row[-1].end_us == until_us
    assert not row[-1].final
    return until_us, data, last


def stands(rows, finalized=None, shown="world"):
    """What a watch says at the last fix, which has heard all of it, or what came after a finalized hour."""
    data = finalized[1] if finalized else None
    watch = Provisional(data, Rules(), area(shown), MINUTE)
    last_us = int(np.asarray(rows["time"]).max()) * 1000
    if finalized is not None:
        watch.move_to(finalized[0], finalized[2], SHARDS)
    watch.recent.add(lake(rows), schema.empty("static_reports"), "unknown", last_us)
    found, _ = watch.look(last_us)
    return found


def measured(found):
    names = [name for name in found.column_names if name not in (*NOT_MEASURED, RUNNING.name)]
    return {"encounters": found.select(names).sort_by([(n, "ascending") for n in ("mmsi_a", "mmsi_b", "start_time")])}


def test_in_memory_on_beam_the_steps_say_what_they_say_by_the_plainest_engine(rows):
    plain = at_once(lake(rows), schema.empty("static_reports"), Rules())["encounters"]
    assert plain.num_rows >= 15
    seas.assert_same(measured(plain), measured(stands(rows)))


def test_from_a_finalized_hour_it_says_what_it_says_from_the_beginning(rows, finalized):
    """None of them was finalized by then: that takes seven hours."""
    whole = stands(rows)
    found = stands(rows, finalized)
    assert found.num_rows >= 10
    begun = pc.less(found["start_time"].cast(pa.int64()), finalized[0])
    assert pc.sum(begun).as_py() >= 5, "encounters that were open at that hour"
    seas.assert_same(measured(whole), measured(found))


def test_states_of_many_shards_are_those_of_one(rows, finalized):
    """A leg at the edge of cells lies in several shards, and what is told to all in every one."""
    until_us, data, last = finalized
    merged = slices.after(data, last, STEPS, SHARDS, Rules())
    engine = InMemory(Rules(), shards=1)
    before = lake(rows).filter(pc.less(lake(rows)["time"].cast(pa.int64()), until_us))
    engine.slice({"fixes": before, "static_reports": schema.empty("static_reports")}, until_us)
    for step in STEPS:
        for name, kept in engine._states[step.name, 0].items() if step.state else ():
            if name in ("entered", "claims"):
                continue  # of static reports, which this engine was not given
            assert merged[step.name][name].num_rows == kept.num_rows, (step.name, name)
    assert merged["proximity"]["legs"].num_rows > 100
    assert merged["encounter"]["open"].num_rows >= 5


def test_running_are_those_that_ended_less_than_the_joining_time_ago(rows):
    found = stands(rows)
    last_us = int(np.asarray(rows["time"]).max()) * 1000
    running = np.asarray(found["end_time"].cast(pa.int64())) >= last_us - 30 * MINUTE
    assert found[RUNNING.name].to_pylist() == running.tolist()
    assert 0 < running.sum() < len(running)


def test_far_from_the_area_nothing_is_said_at_once(rows, finalized):
    assert stands(rows, shown="dprk").num_rows <= stands(rows).num_rows
    far = rows.set_column(rows.column_names.index("lat"), "lat", pc.subtract(rows["lat"], 60.0))
    assert stands(far, shown="dprk").num_rows == 0
    assert stands(far).num_rows > 0


def test_silence_too_advances_time(rows):
    """Three hours after the last fix the vessels have fallen silent: the same events, none of them running."""
    watch = Provisional(None, Rules(), area("world"), MINUTE)
    last_us = int(np.asarray(rows["time"]).max()) * 1000
    watch.recent.add(lake(rows), schema.empty("static_reports"), "unknown", last_us)
    before, _ = watch.look(last_us)
    after, _ = watch.look(last_us + 3 * HOUR)
    assert after.num_rows == before.num_rows
    assert not any(after[RUNNING.name].to_pylist())
