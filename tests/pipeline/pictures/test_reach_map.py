"""Owns: the picture of how far a ship gets is of the data that are there now, and shows what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs import reach_map

PICTURE = Path(__file__).parents[3] / "docs" / "reach.png"


def test_the_picture_in_the_docs_is_of_this_coast_and_these_ports():
    with Image.open(PICTURE) as picture:
        assert picture.info["Source"] == reach_map.fingerprint(), "docs/reach.png is stale; run make docs"
        assert min(picture.size) > 1000


def filled(west, south, east, north):
    """The share of a box, degrees, that is filled in the picture: redder than it is blue."""
    picture = np.asarray(Image.open(PICTURE).convert("RGB")).astype(int)
    left, bottom, width, height = reach_map.PLACE
    east_m, north_m = reach_map.SHEET.xy([west, east], [south, north])
    x = (left + (east_m - reach_map.BOX.west) / reach_map.BOX.width * width) * picture.shape[1]
    y = (1 - bottom - (north_m[::-1] - reach_map.BOX.south) / reach_map.BOX.height * height) * picture.shape[0]
    box = picture[slice(*y.astype(int)), slice(*x.astype(int))]
    assert box.size
    return ((box[..., 0] - box[..., 2]) > 30).mean()


def test_only_the_west_coast_is_in_reach_of_nampo():
    """East of the peninsula nothing is filled, though the crow would be there in 12 hours."""
    assert filled(123.0, 36.5, 125.0, 39.5) > 0.95
    assert filled(119.5, 38.0, 120.8, 39.8) > 0.7
    assert filled(128.6, 38.6, 130.4, 39.8) < 0.05


def test_a_port_that_is_none_is_refused():
    with pytest.raises(KeyError, match="no port"):
        reach_map.render(".png", "atlantis")
