"""Owns: a state is read only by the step, the shard, the columns and the rules that it was written for."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from stswatch.pipeline.rules import Rules, VesselRules
from stswatch.pipeline.steps import InMemory
from stswatch.pipeline.store.files import DamagedFile
from stswatch.pipeline.store.states import MAGIC, StateFiles
from tests.pipeline import seas

KIND = {"seen": pa.schema([pa.field("n", pa.int64())])}
STATE = {"seen": pa.table({"n": [1, 2, 3]}, schema=KIND["seen"])}
RULES = Rules().fingerprint()


@pytest.fixture
def files(tmp_path):
    found = StateFiles(tmp_path, RULES)
    found.write("tally", 3, STATE)
    return found


def test_what_was_written_is_read(files, tmp_path):
    assert files.read("tally", 3, KIND)["seen"].equals(STATE["seen"])
    assert files.path("tally", 3).read_bytes().startswith(MAGIC)
    assert [path.name for path in tmp_path.iterdir()] == ["tally-3.arrow"]


def test_a_state_of_other_rules_is_refused(files, tmp_path):
    other = replace(Rules(), vessel=VesselRules(slow_kn=4.0)).fingerprint()
    with pytest.raises(DamagedFile, match=r"tally-3\.arrow.* is a state of other rules"):
        StateFiles(tmp_path, other).read("tally", 3, KIND)


def test_a_state_of_other_columns_is_refused(files):
    with pytest.raises(DamagedFile, match="other columns"):
        files.read("tally", 3, {"seen": pa.schema([pa.field("n", pa.int32())])})


def test_a_state_under_another_name_is_refused(files):
    files.path("tally", 3).rename(files.path("tally", 4))
    with pytest.raises(DamagedFile, match="other shard"):
        files.read("tally", 4, KIND)
    files.path("tally", 4).rename(files.path("count", 3))
    with pytest.raises(DamagedFile, match="other step"):
        files.read("count", 3, KIND)


@pytest.mark.parametrize(("at", "words"), [(0, "no state"), (8, "form")])
def test_what_begins_otherwise_is_refused(files, at, words):
    content = bytearray(files.path("tally", 3).read_bytes())
    content[at] ^= 0x55
    files.path("tally", 3).write_bytes(content)
    with pytest.raises(DamagedFile, match=words):
        files.read("tally", 3, KIND)
    files.path("tally", 3).write_bytes(content[:5])
    with pytest.raises(DamagedFile, match="no state"):
        files.read("tally", 3, KIND)


def test_the_state_of_no_step_about_pairs_or_vessels_grows_with_the_shards():
    """A leg at the edge of cells alone is kept by several shards."""
    sea = seas.fleet(seed=3, hours=14.0, pairs=12)
    cut_us = int(seas.micros_of(sea, "time").max()) - 60_000_000
    counts = {}
    for shards in (1, 16, 64):
        engine = InMemory(shards=shards)
        engine.slice({"fixes": sea}, cut_us)
        counts[shards] = [
            sum(engine._states[step.name, k][name].num_rows for k in range(step.shards(shards)))
            for step in engine.steps
            if step.name != "proximity"
            for name in step.state
        ]
    assert counts[1] == counts[16] == counts[64]
    assert sum(n > 0 for n in counts[1]) >= 5
