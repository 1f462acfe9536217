"""The generated sea is as dense as the record it was measured in, goes on without seams, has its meetings."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from scipy.spatial import cKDTree

from stswatch.geo.coordinates.sphere import haversine_m
from tests.simulators import density
from tests.simulators.traffic import FIRST_MMSI, MEET, on_sphere, ports, sea

SPAN_S = 1440  # the record holds 24 minutes


def figures(mmsi, lon, lat, speed_kn):
    """What the parameters were measured as, from fixes (n,): medians of vessels, then pairs of slow ones."""
    table = pa.table({"mmsi": mmsi, "lon": lon, "lat": lat, "speed": speed_kn})
    medians = table.group_by("mmsi").aggregate([(c, "approximate_median") for c in ("lon", "lat", "speed")])
    lon, lat, speed = (medians[f"{c}_approximate_median"].to_numpy() for c in ("lon", "lat", "speed"))
    places = on_sphere(lon[speed < 5], lat[speed < 5])
    pairs = cKDTree(places).query_pairs(500, output_type="ndarray")
    in_port = cKDTree(on_sphere(*ports()[1].T)).query(places)[0] < 10_000
    return {
        "rows": len(mmsi),
        "vessels": len(speed),
        "still": (speed < 0.5).mean(),
        "moving": (speed >= 5).mean(),
        "pairs": len(pairs),
        "pairs_in_port": in_port[pairs].all(axis=1).mean(),
        "close_pairs": len(cKDTree(places).query_pairs(150)),
    }


@pytest.fixture(scope="module")
def generated():
    block = density.block(sea(1, density.VESSELS), 1, 0, SPAN_S)
    return figures(*(block[c].to_numpy() for c in ("mmsi", "lon", "lat", "sog_kn")))


def close(found, wanted):
    assert found["rows"] == pytest.approx(wanted["rows"], rel=0.1)
    assert found["vessels"] == pytest.approx(wanted["vessels"], rel=0.02)
    assert found["still"] == pytest.approx(wanted["still"], abs=0.03)
    assert found["moving"] == pytest.approx(wanted["moving"], abs=0.03)
    assert found["pairs"] == pytest.approx(wanted["pairs"], rel=0.2)
    assert found["close_pairs"] == pytest.approx(wanted["close_pairs"], rel=0.25)
    assert found["pairs_in_port"] == pytest.approx(wanted["pairs_in_port"], abs=0.1)


def test_as_dense_as_what_was_measured(generated):
    measured = {"rows": 99_647, "vessels": 10_616, "still": 0.86, "moving": 0.082, "pairs": 39_637}
    close(generated, measured | {"pairs_in_port": 0.6, "close_pairs": 13_796})


@pytest.mark.real
@pytest.mark.skipif("STSWATCH_REAL_DATA" not in os.environ, reason="STSWATCH_REAL_DATA does not name the real data")
def test_as_dense_as_the_real_record(generated):
    folder = Path(os.environ["STSWATCH_REAL_DATA"]) / "decoded"
    real = pyarrow.csv.read_csv(folder / "noaa_2022-01-03_99999.csv.gz")
    time_s = real["BaseDateTime"].cast("timestamp[s]").cast("int64").to_numpy()
    early = time_s < time_s.min() + 35 * 60
    close(generated, figures(*(real[c].to_numpy()[early] for c in ("MMSI", "LON", "LAT", "SOG"))))


def test_files_hold_what_was_asked_for(tmp_path):
    paths = density.density(50_000, 3, tmp_path / "a", rows_per_file=20_000, vessels=400)
    assert [pq.read_metadata(p).num_rows for p in paths] == [20_000, 20_000, 10_000]
    whole = pa.concat_tables(pq.read_table(p) for p in paths)
    assert whole.schema.equals(density.SCHEMA)
    assert (np.diff(whole["time"].cast("int64").to_numpy()) >= 0).all()
    again = density.density(30_000, 3, tmp_path / "b", rows_per_file=99_999, vessels=400)
    assert pq.read_table(again[0]).equals(whole.slice(0, 30_000).combine_chunks())
    with pytest.raises(ValueError, match="positions 0"):
        density.density(0, 1, tmp_path)


def test_tracks_go_on_from_block_to_block_and_day_to_day():
    of = sea(5, 300)
    table = pa.concat_tables(density.block(of, 5, k) for k in range(3, 6))
    mmsi, time_us = table["mmsi"].to_numpy(), table["time"].cast("int64").to_numpy()
    order = np.lexsort((time_us, mmsi))
    lon, lat = table["lon"].to_numpy()[order], table["lat"].to_numpy()[order]
    same = np.diff(mmsi[order]) == 0
    step_s = np.diff(time_us[order])[same] / 1e6
    step_m = haversine_m(lon[:-1], lat[:-1], lon[1:], lat[1:])[same]
    assert step_s.min() > 0
    assert (step_s > 7200).any()
    assert ((step_m - 20) / step_s * 3600 / 1852).max() < 45
    seconds = set(np.unique(time_us // 1_000_000 % 86_400))
    assert {0, 1, 2, 86_397, 86_398} & seconds  # reports on both sides of midnight


def test_one_meeting_in_a_hundred_vessel_days():
    of = sea(7, 2000)
    pairs = np.flatnonzero(of.kind == MEET)[::2]
    time_s = np.arange(0, 5 * 86_400, 120)
    meetings = hours = 0
    for a in pairs:
        places = [of.motion(np.full(len(time_s), v), time_s)[:2] for v in (a, a + 1)]
        near = np.hypot(places[0][0] - places[1][0], places[0][1] - places[1][1]) < 500
        runs = np.flatnonzero(np.diff(near.astype(int)) == 1)
        meetings, hours = meetings + len(runs), hours + near.sum() / 30
    assert meetings / (5 * 2000) == pytest.approx(0.01, rel=0.3)
    assert 2.5 < hours / meetings < 5
    everywhere = cKDTree(on_sphere(*ports()[1].T))
    assert everywhere.query(on_sphere(of.lon[pairs], of.lat[pairs]))[0].min() > 20_000


def test_crowd_lies_together():
    table = density.crowd(vessels=50, days=0.5, seed=2)
    assert table.schema.equals(density.SCHEMA)
    assert len(np.unique(table["mmsi"].to_numpy())) == 50
    assert table["mmsi"].to_numpy().min() == FIRST_MMSI
    lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
    assert haversine_m(lon, lat, np.median(lon), np.median(lat)).max() < 350
    assert len(table) == pytest.approx(50 * 0.5 * 480, rel=0.01)
    assert cKDTree(on_sphere(*ports()[1].T)).query(on_sphere(lon[:1], lat[:1]))[0][0] > 50_000
