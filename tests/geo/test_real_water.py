"""Owns: how many real positions lie far inland, and why those that do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stswatch.geo.coast.water import is_water
from stswatch.geo.reference.harbours import far_inland
from stswatch.pipeline import api


def positions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    fixes = api.decode(path).fixes
    lon, lat = (fixes[name].to_numpy() for name in ("lon", "lat"))
    valid = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    return lon[valid], lat[valid]


@pytest.mark.parametrize(
    ("name", "least", "most_far"),
    [
        # 56 in a thousand, 475 vessels of 10,285: rivers and canals of the Low Countries, the Rhine and the
        # Mississippi, which the coast does not draw
        ("nmea/aishub_nmea-sample.txt.gz", 70_000, 0.06),
        # 82 in a thousand, 627 vessels of 10,631: the waterways of Louisiana, Texas and the Mississippi
        ("decoded/noaa_2022-01-03_99999.csv.gz", 99_000, 0.09),
        ("decoded/gulf_mexico_2023-08-01_to_12.csv.gz", 29_000, 0.001),
    ],
)
def test_few_positions_lie_far_inland(real, name, least, most_far):
    lon, lat = positions(real / name)
    assert len(lon) >= least
    assert far_inland(lon, lat).mean() < most_far
    assert 0.3 < is_water(lon, lat).mean() < 0.95


def test_in_the_region_they_are_a_few_in_a_thousand(real):
    lon, lat = positions(real / "nmea/aishub_nmea-sample.txt.gz")
    inside = (lon > 105) & (lon < 145) & (lat > 15) & (lat < 48)
    assert inside.sum() > 10_000
    assert far_inland(lon[inside], lat[inside]).mean() < 0.001
