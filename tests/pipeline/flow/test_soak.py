"""The law at scale: millions of positions as dense as a real coast, with other slices, shards, workers and memory."""

from __future__ import annotations

import pytest

from tests.pipeline import seas
from tests.pipeline.flow import archive
from tests.simulators.density import density

POSITIONS = 8_000_000  # a day and a third of a coast of 10,600 vessels

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    return density(POSITIONS, 3, tmp_path_factory.mktemp("sea"))


@pytest.fixture(scope="module")
def plain(sea, tmp_path_factory):
    found = archive.run(tmp_path_factory.mktemp("plain"), sea)
    assert found["encounters"].num_rows >= 10_000
    return found


@pytest.mark.parametrize(
    "how",
    [
        {"slice_h": 1.0, "shards": 7},
        {"slice_h": 6.0, "shards": 64},
        {"shards": 1},
        {"memory_bytes": 600 << 20, "workers": 2},
    ],
    ids=str,
)
def test_no_cut_shows_in_millions_of_positions(sea, plain, tmp_path, how):
    seas.assert_same(plain, archive.run(tmp_path, sea[::-1], **how))
