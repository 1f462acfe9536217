"""Owns: the second sea has the tables of the first, its truth fits its tracks, a seed gives the same bytes.

Some seconds: the net of water nodes is made once, of the whole coast, and no part of it would do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from pyais import decode

from stswatch import decode as decode_file
from stswatch.geo.coast.water import is_water
from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.pipeline import schema
from stswatch.sample_ais import simulation
from stswatch.sample_ais.second import recording, sea

pytestmark = pytest.mark.e2e

PLAN = sea.SecondPlan(days=1.0, background=25, transfers=20, look_alikes=24)


@pytest.fixture(scope="module")
def happened():
    return sea.simulate(PLAN, 3)


@pytest.fixture(scope="module")
def meetings(happened):
    return happened.meetings.to_pandas()


def test_the_tables_are_those_of_the_contract(happened):
    first = simulation.simulate(simulation.Plan(days=1.0, background=5, transfers=2, look_alikes=2), 1)
    for name in ("fixes", "static_reports"):
        expected = schema.LAKE[name]
        assert getattr(happened, name).schema.names == expected.names
        assert [f.type for f in getattr(happened, name).schema] == [f.type for f in expected]
    for name in ("meetings", "ships"):
        assert [(f.name, f.type) for f in getattr(happened, name).schema] == [
            (f.name, f.type) for f in getattr(first, name).schema
        ]
    assert happened.gaps.drop_columns("log10_unheard").schema.equals(first.gaps.schema)


def test_who_was_off_would_have_been_heard_more_likely_than_who_was_out_of_reach(happened):
    """What the simulator tells of its own chances is right in the mean, and no chance is above 1."""
    gaps = happened.gaps.to_pandas()
    assert (gaps.log10_unheard <= 0).all()
    off = gaps.cause.isin(["switched_off", "equipment"])
    received = gaps.cause.isin(["out_of_range", "outage", "fade"])
    assert off.sum() >= 3
    assert gaps.log10_unheard[off].median() < -8
    assert gaps.log10_unheard[received].median() > -3


def test_a_seed_gives_the_same_bytes_and_another_gives_others(tmp_path):
    plan = sea.SecondPlan(days=0.5, background=6, transfers=3, look_alikes=4)
    for folder, seed in (("one", 8), ("two", 8), ("three", 9)):
        recording.write(tmp_path / folder, sea.simulate(plan, seed))
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    same, other = ([(tmp_path / f / n).read_bytes() for n in names] for f in ("two", "three"))
    assert [(tmp_path / "one" / n).read_bytes() for n in names] == same != other


def test_ships_are_as_fast_as_ships_and_on_water(happened):
    forged = set(pc.filter(happened.ships["mmsi"], pc.equal(happened.ships["scenario"], "forged")).to_pylist())
    fixes = happened.fixes.to_pandas().sort_values(["mmsi", "time"])
    fixes = fixes[~fixes.mmsi.isin(forged)]
    assert fixes.sog_kn.max() < 30
    seconds = fixes.time.diff().dt.total_seconds().to_numpy()[1:]
    metres = haversine_m(*(fixes[c].to_numpy()[s] for s in (slice(-1), slice(1, None)) for c in ("lon", "lat")))
    same = (np.diff(fixes.mmsi) == 0) & (seconds > 30)
    assert same.sum() > 10_000
    assert (metres[same] / seconds[same] / 0.5144).max() < 40
    assert is_water(fixes.lon, fixes.lat).mean() > 0.97


def test_true_meetings_are_near_and_long_and_of_ships_that_are_there(happened, meetings):
    assert (meetings.nearest_m <= meetings.median_m).all()
    assert meetings.median_m.max() <= sea.WITHIN_M
    assert ((meetings.end - meetings.start).dt.total_seconds() >= 60 * sea.LEAST_MIN).all()
    assert (meetings.mmsi_a < meetings.mmsi_b).all()
    hulls = dict(zip(happened.ships["hull"].to_pylist(), happened.ships["mmsi"].to_pylist(), strict=True))
    for side in "ab":
        assert (meetings[f"hull_{side}"].map(hulls) == meetings[f"mmsi_{side}"]).all()
    played = happened.ships.filter(pc.equal(happened.ships["role"], "host"))["scenario"].to_pylist()
    assert set(meetings.scenario) - {"chance"} == set(played)
    assert {"transfer", "look_alike"} <= set(meetings.kind)


def test_transfers_lie_side_by_side_and_dark_ones_are_not_seen(meetings):
    assert (meetings[meetings.kind == "transfer"].groupby("scenario").nearest_m.max() < 110).all()
    dark = meetings[meetings.scenario.isin(["one_dark", "both_dark"])]
    assert len(dark) >= 4
    assert dark.seen_share.max() == 0
    assert meetings[meetings.scenario == "lit"].seen_share.max() > 0.5


def test_no_ship_is_heard_inside_its_gaps(happened):
    fixes = happened.fixes.to_pandas()
    shared = happened.ships.to_pandas().mmsi.value_counts()
    gaps = happened.gaps.to_pandas()
    gaps = gaps[gaps.mmsi.map(shared) == 1]
    assert len(gaps) > 20
    assert {"switched_off", "out_of_range"} <= set(gaps.cause)
    times = {mmsi: of.time.dt.tz_localize(None).to_numpy() for mmsi, of in fixes.groupby("mmsi")}
    second = np.timedelta64(1, "s")
    for mmsi, start, end in zip(gaps.mmsi, *(gaps[c].dt.tz_localize(None) for c in ("start", "end")), strict=True):
        until = np.datetime64(PLAN.start_s + round(PLAN.days * 86_400), "s") if pd.isna(end) else end.to_datetime64()
        assert not ((times[mmsi] > start.to_datetime64() + second) & (times[mmsi] < until - second)).any()


def test_pyais_reads_what_is_written(happened):
    lines = b"".join(recording.sentences(happened)).splitlines()
    bodies = [line.split(b"\\")[2] for line in lines]
    single = [b for b in bodies if b.split(b",")[1] == b"1"][:: max(1, len(bodies) // 400)]
    read: list[Any] = [decode(body) for body in single]
    assert {1, 18} <= {message.msg_type for message in read} <= {1, 18, 24}
    known = set(happened.ships["mmsi"].to_pylist())
    assert {message.mmsi for message in read} <= known
    at = next(i for i, b in enumerate(bodies) if b.startswith(b"!AIVDM,2,1"))
    of: Any = decode(*bodies[at : at + 2])
    row = happened.ships.filter(pc.equal(happened.ships["mmsi"], of.mmsi)).to_pylist()[0]
    assert (of.shipname, of.to_bow + of.to_stern) == (row["name"], row["length_m"])


def test_a_file_holds_every_report(happened, tmp_path):
    path = recording.write(tmp_path, happened)[0]
    read = decode_file(path)
    by = [("mmsi", "ascending"), ("time", "ascending"), ("lon", "ascending"), ("lat", "ascending")]
    columns = ["mmsi", "time", "lon", "lat", "sog_kn", "cog_deg", "heading_deg", "status", "msg_type", "station"]
    assert read.fixes.select(columns).sort_by(by).equals(happened.fixes.select(columns).sort_by(by).cast(
        read.fixes.select(columns).schema))  # fmt: skip


def test_what_cannot_be_simulated_is_refused():
    for wrong in ({"days": 0.1}, {"transfers": -1}, {"only": ("nothing",)}):
        with pytest.raises(sea.SecondPlanError):
            sea.SecondPlan(**wrong)
