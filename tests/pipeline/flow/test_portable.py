"""Owns: a pipeline needs nothing of the process that built it, and gives the same wherever Beam runs it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from apache_beam.transforms.environments import EmbeddedPythonEnvironment

from stswatch.pipeline import api
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.flow.calls import Job, announced, current_job
from stswatch.pipeline.flow.engine import ApplySteps, IngestChunks, IngestSpec, StepsSpec
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.flow.run import run
from stswatch.pipeline.flow.slices import EVER_US, Slice
from stswatch.pipeline.readers.formats import chunks, open_source
from stswatch.pipeline.rules import EncounterRules, Rules
from stswatch.pipeline.steps import STEPS, stages
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.entries import take_receipt
from stswatch.pipeline.store.lake import Part
from tests.pipeline.flow import archive

pytestmark = pytest.mark.e2e

SAMPLE = Path(__file__).parents[3] / "sample_ais" / "simulated_48h.nmea.gz"
MULTI_PROCESSING = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")
ELSEWHERE = """
import base64, sys
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

proto = beam_runner_api_pb2.Pipeline.FromString(base64.b64decode(sys.stdin.read()))
loaded = 0
for transform in proto.components.transforms.values():
    if transform.spec.urn == common_urns.primitives.PAR_DO.urn:
        payload = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload)
        pickler.loads(payload.do_fn.payload)
        loaded += 1
FnApiRunner().run_via_runner_api(proto, PipelineOptions(["--direct_num_workers=1"])).wait_until_finish()
print(loaded)
"""


def run_elsewhere(p: beam.Pipeline, folder: Path) -> int:
    """Run what a pipeline is as bytes, in a fresh process with another working folder; how many DoFns it has."""
    proto = p.to_runner_api(default_environment=EmbeddedPythonEnvironment.default())
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        input=base64.b64encode(proto.SerializeToString()).decode(),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


@pytest.mark.parametrize("shards", [3, 1])
def test_every_transform_runs_in_a_fresh_process_with_another_working_folder(two_files, tmp_path, shards):
    """Decoding, and then the steps over what was decoded, with another rule than the default."""
    data, other = tmp_path / "data", tmp_path / "other"
    other.mkdir()
    data.mkdir()
    with Catalogue.open(data) as catalogue:
        p = beam.Pipeline(runner="FnApiRunner")
        of = [("a-reading", chunk) for chunk in chunks(open_source(two_files[0]))]
        _ = p | beam.Create(of) | IngestChunks(IngestSpec(str(data), 48 * HOUR))
        assert run_elsewhere(p, other) >= 1
        receipt = take_receipt(catalogue, "a-reading", 0)
    assert receipt.counts["fixes"] > 1_000

    rules = replace(Rules(), encounter=replace(EncounterRules(), min_duration_min=90.0))
    found = {}
    for name, with_rules in (("short", Rules()), ("long", rules)):
        whole = Slice(-EVER_US, EVER_US, receipt.last_us, True, tuple(receipt.parts), 0, name)
        job = Job(data, data / "slices" / name, None, whole, with_rules, shards, STEPS)
        (job.folder / "state").mkdir(parents=True)
        p = beam.Pipeline(runner="FnApiRunner")
        _ = p | ApplySteps(StepsSpec(str(data), STEPS, with_rules, shards))
        with announced(job):
            assert run_elsewhere(p, other) >= (1 if shards == 1 else len(stages(STEPS)))
        found[name] = sum(pq.read_table(path).num_rows for path in job.folder.glob("encounters-*.parquet"))
    assert 0 < found["long"] < found["short"]


def test_what_the_storage_says_of_a_slice_is_what_was_put_there(tmp_path):
    part = Part("fixes", 0, "lake/a.parquet", 9, [3, 63], [[9, 1]], 0.5, ((1, 2), (5, 6)))
    of = Slice(-5, 7, 3, False, (part, replace(part, slab_us=None)), 9, "key")
    job = Job(tmp_path, tmp_path / "slices" / "key", tmp_path / "slices" / "before", of, Rules(), 4, STEPS)
    with announced(job):
        assert current_job(tmp_path, STEPS, Rules(), 4) == job
    assert list(tmp_path.iterdir()) == []


def test_wherever_beam_runs_it_the_sample_gives_the_same_events(tmp_path):
    def published(name, **how):
        engine = Engine(slice_h=72.0, shards=3, **how)
        (tmp_path / name).mkdir()
        run(tmp_path / name, [open_source(SAMPLE)], Rules(), "world", engine, lambda *_: None)
        return archive.published(tmp_path / name)

    here = published("here")
    assert here["encounters"].num_rows > 15
    archive.assert_same(here, published("multi", beam=MULTI_PROCESSING))
    detected = api.detect(api.decode([SAMPLE]).fixes)
    plain = here["encounters"].select(["mmsi_a", "mmsi_b", "start_time", "end_time", "duration_min", "cpa_distance_m"])
    rows = sorted(zip(*(plain[name].to_pylist() for name in plain.column_names if "time" not in name), strict=True))
    names = [name for name in plain.column_names if "time" not in name]
    assert rows == sorted(zip(*(detected[name].tolist() for name in names), strict=True))
