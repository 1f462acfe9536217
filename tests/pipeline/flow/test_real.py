"""Real archives through the whole program: the operation that is known to be there, harbours, a capture's account."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from stswatch.pipeline import api

pytestmark = [pytest.mark.e2e, pytest.mark.real]

# Runs in a process of its own; prints seconds and the most memory that it and its children held, bytes.
MEASURED = """
import json, sys, time
began = time.monotonic()
from stswatch.pipeline import api
from tests.peak import peak_bytes
api.run([sys.argv[1]], sys.argv[2], area="world")
took_s = time.monotonic() - began
print(json.dumps({"took_s": took_s, "peak_bytes": peak_bytes()}))
"""


def test_the_real_operation_is_one_encounter_and_the_first_lead(real, tmp_path):
    api.run([real / "decoded" / "gulf_mexico_2023-08-01_to_12.csv.gz"], tmp_path, area="world")
    with closing(api.connect(tmp_path)) as db:
        found = db.execute(
            """SELECT id, start_time, duration_min, median_distance_m FROM encounters
               WHERE mmsi_a = 241502000 AND mmsi_b = 311000222 AND status = 'current'"""
        ).fetchall()
    ((name, start, duration_min, median_m),) = found
    assert abs(start - datetime(2023, 8, 1, 8, 54, tzinfo=UTC)) <= timedelta(minutes=1)
    assert abs(duration_min - 704) <= 5
    assert abs(median_m - 62) <= 10
    assert api.leads(tmp_path, 1)[0]["id"] == name


def test_half_an_hour_of_real_coasts_within_a_minute_and_little_memory(real, tmp_path):
    file = real / "decoded" / "noaa_2022-01-03_99999.csv.gz"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(file), str(tmp_path)], capture_output=True, text=True, check=True
    )
    collected = json.loads(done.stdout.splitlines()[-1])
    assert time.monotonic() - began < 60
    assert 0 < collected["took_s"] < 60
    assert 1e8 < collected["peak_bytes"] < 1.5e9
    with closing(api.connect(tmp_path)) as db:
        by_hour = db.execute("SELECT hour, sum(pairs) FROM port_pair_counts GROUP BY hour ORDER BY hour").fetchall()
        fixes, span = db.execute("SELECT count(*), max(time) - min(time) FROM fixes").fetchall()[0]
        ports = db.execute("SELECT count(DISTINCT port) FROM port_pair_counts").fetchall()[0][0]
    assert fixes == 99_999
    assert {hour.minute for hour, _ in by_hour} == {0}
    assert len(by_hour) <= span / timedelta(hours=1) + 2
    assert sum(pairs for _, pairs in by_hour) >= 20_000
    assert ports > 50


def test_each_sentence_of_a_real_capture_is_counted_once(real, tmp_path):
    found = api.run([real / "nmea" / "aishub_nmea-sample.txt.gz"], tmp_path, area="world")
    (source,) = found.sources
    with closing(api.connect(tmp_path)) as db:
        fixes, invalid = db.execute("SELECT count(*), count(invalid_reason) FROM fixes").fetchall()[0]
        reports = db.execute("SELECT count(*), count(more_refs) FROM static_reports").fetchall()[0]
        rejects = db.execute("SELECT count(*) FROM rejects").fetchall()[0][0]
        counted = db.execute("SELECT sum(count) FROM reject_counts").fetchall()[0][0]
    assert source["messages"] >= 82_700
    single = source["sentences"] - source["fragments"] - source["rejects"]
    several = source["messages"] - single
    assert 0 < 2 * several <= source["fragments"] <= 5 * several
    assert reports[1] <= several, "every message of several sentences is counted as one"
    assert (source["fixes"], source["invalid_fixes"], source["static_reports"]) == (fixes, invalid, reports[0])
    assert source["rejects"] == rejects == counted == sum(reason["count"] for reason in source["reasons"])
