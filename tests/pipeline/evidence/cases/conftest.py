"""A small database with a lead, a silence and a dark candidate, for the tests of cases."""

from __future__ import annotations

import shutil

import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.evidence import upkeep
from tests.pipeline.store import build
from tests.pipeline.store.build import at, encounter

SPEEDS = {"median_speed_a_kn": 0.5, "median_speed_b_kn": 0.5}
LEAD, DARK = "241502000-311000222-1", "D-candidate"
HOSTILE = "x\x1b[2J\nentry 9: cleared by nobody\u202e"


def vessel(mmsi, flag, **more):
    row = {"mmsi": mmsi, "flag": flag, "first_seen": at(0), "last_seen": at(20), "fixes": 90}
    times = {f"{name}_time": at(2) for name in more}  # when each was broadcast
    return dict.fromkeys(schema.STORED["vessels"].names) | row | more | times


def dark(**more):
    row = dict.fromkeys(schema.FLOW["dark_meetings"].names)
    row |= {
        "id": DARK,
        "kind": "both_dark",
        "lead": False,
        "mmsi_a": 241502000,
        "mmsi_b": 311000222,
        "region_km2": 300.0,
    }
    row |= {"track_start_a": at(0), "track_start_b": at(0), "start_time": at(5), "end_time": at(9), "stay_h": 3.0}
    row |= {"spare_h": 1.0, "least_speed_kn": 5.0, "lon": 124.8, "lat": 38.4, "zones": ["chodo"], "port": "nampo"}
    row |= {"distance_to_port_km": 50.0, "gap_start_b": at(4), "gap_end_b": at(10), "judgement_b": "silenced"}
    return row | {"rivals": 0, "shifts": 9, "lost_together": 0, "outage_share": 0.0, "score": 2.0} | more


def call(mmsi, port, start_h, end_h, shown="lit"):
    row = dict.fromkeys(schema.FLOW["port_calls"].names)
    row |= {"mmsi": mmsi, "track_start": at(0), "shown": shown, "port": port, "trade": True, "arrival": at(start_h)}
    row |= {"departure": at(end_h), "start_censored": False, "end_censored": False, "silent_h": 0.0, "lon": 125.4}
    return row | {"lat": 38.7, "distance_to_port_km": 1.0, "may_score": False, "part": "berth"}


def tables(**more):
    vessels = [
        vessel(241502000, "GR", name="SEA STAR", call_sign="SVXX", imo=9187629, ship_type=80, length_m=120.0),
        vessel(311000222, "BS", name=HOSTILE, ship_type=80, length_m=90.0, destination="NAMPO"),
    ]
    meeting = encounter(1, 4, port="nampo", distance_to_port_km=20.0, median_distance_m=45.0, **SPEEDS)
    rows = {"encounters": [meeting], "vessels": vessels, "dark_meetings": [dark()]}
    return rows | {"port_calls": [call(311000222, "nampo", 8, 15)]} | more


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    data = tmp_path_factory.mktemp("cases")
    build.publish(data, build.output(data, "first", tables()))
    return data


@pytest.fixture(autouse=True)
def unshown(request, monkeypatch):
    """Entries are written and not published, which takes half a second each: a test that reads tables asks for it."""
    if "shown" not in request.fixturenames:
        monkeypatch.setattr(upkeep, "_TRIES", 0)


@pytest.fixture
def shown():
    """What is written is published at once, as ever."""


@pytest.fixture
def data(made, tmp_path):
    """A copy of the folder, for one test alone."""
    return shutil.copytree(made, tmp_path / "data", symlinks=True)
