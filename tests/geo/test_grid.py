"""Owns: a point lies in its grid cell, date line and poles included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.coordinates import cells as grid

LON, LAT = st.floats(-200, 200), st.floats(-90, 90)


@given(LON, LAT, st.sampled_from([0.25, 0.5, 1.0, 5.0]))
def test_the_centre_of_a_grid_cell_is_within_half_a_cell(lon, lat, size_deg):
    x, y = grid.grid_centre(grid.grid_cell(lon, lat, size_deg), size_deg)
    assert abs((x - lon + 180) % 360 - 180) <= size_deg / 2 + 1e-9
    assert abs(y - lat) <= size_deg / 2 + 1e-9
    assert grid.grid_cell(x, y, size_deg) == grid.grid_cell(lon, lat, size_deg)


def test_a_grid_too_fine_for_its_ids_is_refused():
    with pytest.raises(ValueError, match=r"0\.001 degrees"):
        grid.grid_cell([0], [0], 0.001)


@pytest.mark.parametrize("size_deg", [0.25, 0.5, 7.0])
def test_ids_are_unique_over_the_date_line_and_at_the_poles(size_deg):
    lon = np.array([180.0, -180.0, 540.0, np.nextafter(180, 0)])
    cells = grid.grid_cell(lon, np.full(4, 12.3), size_deg)
    assert len(set(cells[:3].tolist())) == 1
    assert cells[3] != cells[0]
    assert grid.grid_cell(0.0, 90.0, size_deg) == grid.grid_cell(0.0, 99.0, size_deg)
    assert grid.grid_cell(0.0, 90.0, size_deg) == grid.grid_cell(0.0, 89.9999, size_deg)
    assert grid.grid_cell([], [], size_deg).shape == (0,)


@pytest.mark.parametrize(("lon", "lat"), [(np.nan, 0), (0, np.nan), (np.inf, 0)])
def test_what_is_no_position_is_refused(lon, lat):
    with pytest.raises(ValueError, match="not finite"):
        grid.grid_cell([0, lon], [0, lat], 0.5)
