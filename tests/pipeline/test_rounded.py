"""Owns: the error of positions is carried to the meeting, and one that is measured finer than the grid is none."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from stswatch.pipeline import api, schema, words
from tests.pipeline import seas

BEGIN = datetime(2025, 3, 10, tzinfo=UTC)


def frame(decimals, hours=6):
    """Two ships that drift 40 m from each other and a third far off, every 10 min, rounded."""
    parts = []
    for mmsi, east, north in ((431000001, 0.0, 0.0), (431000002, 0.0005, 0.0), (431000003, 1.0, 0.5)):
        k = np.arange(hours * 6 + 1)
        time = [BEGIN + timedelta(minutes=10 * int(n)) for n in k]
        lon, lat = 124.21234 + east + 0.0013 * k, 36.11111 + north + 0.0011 * k
        columns = {"mmsi": mmsi, "time": time, "lon": np.round(lon, decimals), "lat": np.round(lat, decimals)}
        parts.append(pd.DataFrame(columns | {"sog": 0.4}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("decimals", "step", "error_m"),
    [(0, 1.0, None), (1, 0.1, None), (2, 0.01, None), (3, 0.001, 178.0), (5, None, 20.0)],
)
def test_a_meeting_is_measured_only_where_the_grid_allows_it(tmp_path, decimals, step, error_m):
    rows = frame(decimals)
    rows.to_csv(tmp_path / "a.csv", index=False)
    done = api.run(tmp_path / "a.csv", tmp_path / "data", area="world")
    (source,) = done.sources
    assert source["rounded_deg"] == step
    assert ("positions are rounded to" in words.summary(done, "world")) == (step is not None)
    with closing(api.connect(tmp_path / "data")) as db:
        pairs = db.sql("SELECT mmsi_a, mmsi_b, position_error_m FROM encounters").fetchall()
    assert pairs == ([(431000001, 431000002, error_m)] if error_m else [])
    found = api.detect(rows)
    assert found.position_error_m.tolist() == ([error_m] if error_m else [])


def test_the_grid_is_that_of_the_source_wherever_it_is_cut(tmp_path):
    rows = frame(3, hours=30)
    rows["time"] = rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    rows.to_csv(tmp_path / "a.csv", index=False)
    rows = rows.sort_values("time")
    for k in range(3):
        part = rows[k * len(rows) // 3 : (k + 1) * len(rows) // 3]
        part.to_csv(tmp_path / f"part-{k}.csv", index=False)
    api.run(tmp_path / "a.csv", tmp_path / "one", area="world")
    api.run([tmp_path / f"part-{k}.csv" for k in (2, 0, 1)], tmp_path / "three", area="world", slice_h=6.0, shards=4)
    found = []
    for data in ("one", "three"):
        with closing(api.connect(tmp_path / data)) as db:
            found.append(db.sql("SELECT * EXCLUDE (run_id, reasons) FROM encounters ORDER BY id").fetchall())
    assert found[0] == found[1]
    assert found[0]


def test_a_position_of_message_27_carries_its_tenth_of_a_minute():
    """As many as there are on one leg: the error is the most of it, and only of the vessel that sent it."""
    a = seas.vessel(1, np.zeros(13), 0.0, 600.0, sog_kn=0.1)
    b = seas.vessel(2, np.full(13, 100.0), 0.0, 600.0, sog_kn=0.1)
    plain = seas.encounters(pa.concat_tables([a, b]))
    kinds = pa.array([1] * 12 + [27], pa.int8())
    long_range = b.set_column(b.column_names.index("msg_type"), schema.FIXES.field("msg_type"), kinds)
    collected = seas.encounters(pa.concat_tables([a, long_range]))
    assert plain.position_error_m.tolist() == [20.0]
    assert collected.position_error_m.tolist() == [151.0]


def test_the_error_stands_beside_each_distance(tmp_path):
    frame(3).to_csv(tmp_path / "a.csv", index=False)
    api.run(tmp_path / "a.csv", tmp_path / "data", area="world")
    with closing(api.connect(tmp_path / "data")) as db:
        (name,) = db.sql("SELECT id FROM encounters").fetchall()[0]
    row = api.encounter(tmp_path / "data", name)
    text = words.explanation(row)
    assert (
        f"no more than {row['median_distance_m']:.0f} ± 178 m apart, at the least {row['cpa_distance_m']:.0f} ± 178 m"
        in text
    )
    assert f"{row['distance_to_shore_km']:.1f} ± 1.6 km from the nearest shore" in text
