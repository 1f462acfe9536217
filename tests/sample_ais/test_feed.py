"""Owns: what is written as sentences is what was simulated, and the truth beside it says so."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stswatch.pipeline import api
from stswatch.sample_ais import feed
from stswatch.sample_ais.simulation import Plan, simulate

KEYS = (
    "mmsi",
    "time",
    "lon",
    "lat",
    "sog_kn",
    "cog_deg",
    "heading_deg",
    "status",
    "msg_type",
    "station",
    "invalid_reason",
)
STATICS = (
    "mmsi",
    "time",
    "imo",
    "name",
    "call_sign",
    "ship_type",
    "length_m",
    "beam_m",
    "draught_m",
    "destination",
)


@pytest.fixture(scope="module")
def sea():
    return simulate(Plan(days=0.5, background=14, transfers=3, look_alikes=5), 11)


@pytest.fixture(scope="module")
def files(sea, tmp_path_factory):
    return feed.write(tmp_path_factory.mktemp("sea"), sea)


@pytest.fixture(scope="module")
def decoded(files):
    return api.decode(files[0])


def rows(table: pa.Table, names: tuple[str, ...]) -> list[str]:
    """Rows as texts in order: times and nulls compare as they stand."""
    columns = [
        table[name].cast(pa.int64()) if pa.types.is_timestamp(table[name].type) else table[name] for name in names
    ]
    return sorted(map(str, zip(*(column.to_pylist() for column in columns), strict=True)))


def test_fixes_come_out_as_they_were_simulated(sea, decoded):
    mine, theirs = rows(sea.fixes, KEYS), rows(decoded.fixes, KEYS)
    assert len(mine) > 5_000
    assert mine == theirs
    assert any(b == 18 for b in sea.fixes["msg_type"].to_pylist())
    assert any(i == "no_position" for i in sea.fixes["invalid_reason"].to_pylist())


def test_static_reports_come_out_as_they_were_simulated(sea, decoded):
    mine, theirs = rows(sea.static_reports, STATICS), rows(decoded.static_reports, STATICS)
    assert len(mine) > 100
    assert mine == theirs


def test_broken_lines_are_rejected_and_nothing_else(sea, decoded, files):
    lines = gzip.decompress(files[0].read_bytes()).splitlines()
    assert len(decoded.rejects) > 0
    assert "checksum" in (reasons := set(decoded.rejects["reason"].to_pylist()))
    assert reasons <= {"checksum", "fragment_missing"}  # the other half of a broken message of two lines
    assert len(decoded.rejects) < 0.003 * len(lines)


def test_lines_come_late_and_out_of_order(files):
    lines = gzip.decompress(files[0].read_bytes()).splitlines()
    time_s = np.array([int(line.split(b"c:")[1][:10]) for line in lines])
    late_s = np.maximum.accumulate(time_s) - time_s
    assert (late_s > 600).any()
    assert (late_s > 60).mean() < 0.5


def test_the_truth_is_told_twice_and_says_that_all_is_simulated(sea, files):
    collected = json.loads(files[1].read_text())
    assert collected["simulated"] is True
    assert collected["plan"]["transfers"] == 3
    for name, path in zip(feed.TRUTH_TABLES, files[2:], strict=True):
        assert pq.read_table(path).equals(getattr(sea, name))
        assert len(collected[name]) == len(getattr(sea, name))
    assert {ship["flag"] for ship in collected["ships"]} <= {"XA", "XB", "XC", "XD", "XE", "XF"}
    assert all(ship["name"].startswith("SIM ") for ship in collected["ships"])
    assert all(281 <= ship["mmsi"] // 1_000_000 <= 286 for ship in collected["ships"])
    assert all(ship["imo"] is None or ship["imo"] < 5_000_000 for ship in collected["ships"])
