"""Owns: the transforms of a long job give the rows of the slices of a watch, in whatever order partitions are read, and
name each slice once."""

from __future__ import annotations

import re
import shutil

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.flow.cluster.topic import WHOLE_SLICES, Cut, PartitionPosition, TopicSpec
from stswatch.pipeline.flow.cluster.unbounded import LongSpec, ReadPartition, StreamSteps
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.live.finalize import finalize
from stswatch.pipeline.sources.address import Address
from stswatch.pipeline.spool.clock import RecordedClock
from stswatch.pipeline.spool.segments import closed, segment_of, time_of
from stswatch.pipeline.spool.writer import Spool
from stswatch.pipeline.steps import STEPS
from stswatch.pipeline.store.files import read_json
from tests.pipeline.live.replay import MEETINGS_FROM_H, SHORT_GAPS, in_order, lines

SHARDS = 2
PARTITIONS = (rb"s:satellite", rb"s:SIM")


@pytest.fixture(scope="module")
def spooled(tmp_path_factory):
    """What the partitions of a topic hold, as segments of an hour each."""
    data = tmp_path_factory.mktemp("spooled")
    text = in_order(lines(6, after_h=MEETINGS_FROM_H))
    for number, of in enumerate(PARTITIONS):
        spool = Spool(data / "spool", f"sea-{number}", "nmea", RecordedClock())
        spool.append(b"".join(line for line in text if re.search(of, line)))
        spool.close()
    return data


def cuts(data, number):
    """The hours of a partition, as they are read; nothing comes late."""
    segments = closed(data / "spool" / f"sea-{number}")
    begun_us = [time_of(segment_of(path)) for path in segments]
    for path, now_us, next_us in zip(segments, begun_us, begun_us[1:], strict=False):
        yield number, Cut(path, (now_us // HOUR + 1) * HOUR, True, PartitionPosition(arrival_us=next_us))


def merged(one, other, by):
    """Both in their order, one after the other or by turns."""
    if by == "turns":
        for pair in zip(one, other, strict=True):
            yield from pair
    else:
        yield from [*one, *other]


def rows(data):
    """The stored rows of all slices by table, in one order."""
    found = {}
    for path in sorted((data / "slices").glob("*/*.parquet")):
        found.setdefault(path.name.rpartition("-")[0], []).append(pq.read_table(path))
    tables = {name: pa.concat_tables(each) for name, each in found.items()}
    return {name: table.sort_by([(c, "ascending") for c in plain(table)]) for name, table in tables.items()}


def plain(table):
    return [field.name for field in table.schema if not pa.types.is_nested(field.type)]


@pytest.fixture(scope="module")
def watched(spooled, tmp_path_factory):
    """The rows of a watch, and up to where."""
    data = tmp_path_factory.mktemp("watched") / "data"
    shutil.copytree(spooled, data)
    until_us = max(cut.end_us for number in (0, 1) for _, cut in cuts(data, number))
    finalize(data, SHORT_GAPS, Engine(slice_h=1.0, shards=SHARDS), 0, until_us)
    return rows(data), until_us


@pytest.mark.parametrize("by", ["first", "turns"])
def test_whatever_partition_is_read_first_the_slices_are_those_of_a_watch(spooled, watched, tmp_path, by):
    data = tmp_path / "data"
    shutil.copytree(spooled, data)
    topic = TopicSpec(str(data), Address("sea", "kafka", "kafka://none/none"), 0, True)
    spec = LongSpec(topic, len(PARTITIONS), STEPS, SHORT_GAPS, SHARDS, "long")
    reading = ReadPartition(spec)
    every = merged(list(cuts(data, 0)), list(cuts(data, 1)), by)
    elements = [row for number, cut in every for row in reading.sent_of(number, cut)]
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(["--direct_num_workers=1"])) as p:
        p | beam.Create(elements, reshuffle=False) | StreamSteps(spec)
    slices = [read_json(path) for path in sorted((data / WHOLE_SLICES).glob("*.json"))]
    assert len(slices) >= 6
    assert [each["start_us"] for each in slices[1:]] == [each["end_us"] for each in slices[:-1]]
    (expected, until_us), found = watched, rows(data)
    assert slices[-1]["end_us"] == until_us
    assert {"encounters", "coverage", "vessels"} <= expected.keys() == found.keys()
    assert expected["encounters"].num_rows >= 3
    for name in expected:
        assert expected[name].equals(found[name]), name
